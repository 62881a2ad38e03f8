using System.Runtime.InteropServices;
using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>What happened to the nodes of one level and is still to be told to the level above, in key order.</summary>
/// <remarks>New nodes wait here so that many are hashed at once (<see cref="Blake3Batch"/>).</remarks>
/// <param name="owner">The edit that this is a part of.</param>
/// <param name="level">Level of the nodes.</param>
/// <param name="buffers">What it works with.</param>
internal sealed class FinishedNodes(TreeEditor owner, int level, LevelBuffers buffers)
{
    /// <summary>New nodes that fill the lanes of the hash: together about 128 KB.</summary>
    private const int NewNodesEnough = 64;

    private readonly List<Step> _steps = [];
    private readonly List<ReadOnlyMemory<byte>> _contents = [];

    private enum Kind
    {
        Drop,
        PutNew,
        PutOldRoot,
    }

    /// <summary>True when it is time to <see cref="FlushAsync"/>.</summary>
    public bool IsFull => _contents.Count >= NewNodesEnough;

    /// <summary>A new node is finished.</summary>
    public void Add(Node node)
    {
        _steps.Add(new Step(Kind.PutNew, node));
        _contents.Add(node.Content);
    }

    /// <summary>The old root stays, beside others.</summary>
    public void AddOldRoot(Node node) => _steps.Add(new Step(Kind.PutOldRoot, node));

    /// <summary>An old node goes.</summary>
    public void Drop(Node node) => _steps.Add(new Step(Kind.Drop, node));

    /// <summary>Hashes the new nodes, hands them over, and tells the level above everything.</summary>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        if (_steps.Count == 0)
        {
            return;
        }

        HashNew();
        var parent = owner.ParentOf(level);
        var next = 0;
        foreach (var (kind, node) in _steps)
        {
            var key = buffers.Key.AsMemory(0, node.CopyKey(node.Count - 1, buffers.Key));
            switch (kind)
            {
                case Kind.Drop:
                    await parent.DropChildAsync(key, cancellationToken);
                    break;
                case Kind.PutOldRoot:
                    await parent.PutChildAsync(key, owner.BaseReference, cancellationToken);
                    break;
                default:
                    var id = buffers.Ids[next++];
                    await owner.AddAsync(id, node, cancellationToken);
                    await parent.PutChildAsync(
                        key, new NodeReference(id, node.EntryCount, node.Flags), cancellationToken);
                    break;
            }
        }

        _steps.Clear();
    }

    private void HashNew()
    {
        if (buffers.Ids.Length < _contents.Count)
        {
            buffers.Ids = new ObjectId[Math.Max(_contents.Count, NewNodesEnough)];
        }

        ObjectId.OfMany(ObjectKind.Node, CollectionsMarshal.AsSpan(_contents), buffers.Ids);
        _contents.Clear();
    }

    private readonly record struct Step(Kind Kind, Node Node);
}
