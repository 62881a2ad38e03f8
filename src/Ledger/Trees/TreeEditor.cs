using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>One edit of a tree: takes changes in key order, makes the new nodes, gives the new root.</summary>
/// <remarks>
/// Memory is bounded by some dozens of nodes for each level, which wait to be hashed together, whatever the number of
/// changes.
/// </remarks>
/// <param name="reader">Where the old nodes come from.</param>
/// <param name="buffers">What it works with.</param>
/// <param name="root">The tree that is edited.</param>
/// <param name="sink">Where the new nodes go; <paramref name="reader"/> finds them there.</param>
internal sealed class TreeEditor(NodeReader reader, EditBuffers buffers, ObjectId root, INodeSink sink)
{
    private readonly List<LevelEditor> _levels = [];
    private int _previousKeyLength;
    private Node? _base;

    /// <summary>Whether the last change made a difference to the entries.</summary>
    public bool HasChanged => _levels[0].HasChanged;

    /// <summary>Level of the old root; -1 when the old tree is empty.</summary>
    public int BaseLevel => _base is { Count: > 0 } ? _base.Level : -1;

    /// <summary>The old root, as the entry of a level above it.</summary>
    public NodeReference BaseReference
    {
        get
        {
            Invariant.Check(_base is not null);
            return new NodeReference(root, _base.EntryCount, _base.Flags);
        }
    }

    /// <summary>Applies one change.</summary>
    /// <exception cref="InvariantException">Keys are not in order, or a size is out of range.</exception>
    public ValueTask ApplyAsync(in TreeChange change, CancellationToken cancellationToken)
    {
        CheckChange(change);
        return _base is null
            ? BeginAsync(change, cancellationToken)
            : _levels[0].ChangeAsync(change, cancellationToken);
    }

    /// <summary>Completes the edit.</summary>
    /// <returns>The new root; the old one when nothing changed.</returns>
    public async ValueTask<ObjectId> FinishAsync(CancellationToken cancellationToken)
    {
        // The list grows while it is walked: a level that changes adds the one above it.
        for (var level = 0; level < _levels.Count; level++)
        {
            if (await _levels[level].FinishAsync(cancellationToken) is { } newRoot)
            {
                return await CollapseAsync(newRoot, cancellationToken);
            }
        }

        return root;
    }

    /// <summary>Hands over a new node.</summary>
    public ValueTask AddAsync(ObjectId id, Node node, CancellationToken cancellationToken) =>
        sink.AddAsync(id, node, cancellationToken);

    /// <summary>The editor of the level above <paramref name="level"/>.</summary>
    public LevelEditor ParentOf(int level)
    {
        if (_levels.Count == level + 1)
        {
            AddLevel();
        }

        return _levels[level + 1];
    }

    // The last node of an old level may have one entry only; when nothing else is left, it must not be the root.
    private async ValueTask<ObjectId> CollapseAsync(ObjectId id, CancellationToken cancellationToken)
    {
        var node = await reader.ReadAsync(id, cancellationToken);
        while (!node.IsLeaf && node.Count == 1)
        {
            id = node.ChildAt(0).Id;
            node = await reader.ReadChildAsync(node, 0, cancellationToken);
        }

        return id;
    }

    private async ValueTask BeginAsync(TreeChange change, CancellationToken cancellationToken)
    {
        _base = await reader.ReadRootAsync(root, cancellationToken);
        AddLevel();
        await _levels[0].ChangeAsync(change, cancellationToken);
    }

    private void AddLevel()
    {
        var level = _levels.Count;
        Invariant.Check(_base is not null && level <= NodeFormat.LevelMax);
        _levels.Add(new LevelEditor(
            this, level, buffers.Of(level), level <= BaseLevel ? new LevelCursor(reader, _base, level) : null));
    }

    private void CheckChange(in TreeChange change)
    {
        var key = change.Key.Span;
        Invariant.Check(key.Length is >= TreeProfile.KeySizeBytesMin and <= TreeProfile.KeySizeBytesMax);
        Invariant.Check(change.Value is null or { SizeBytes: <= TreeProfile.ValueSizeBytesMax });
        Invariant.Check(key.SequenceCompareTo(buffers.PreviousKey.AsSpan(0, _previousKeyLength)) > 0);
        key.CopyTo(buffers.PreviousKey);
        _previousKeyLength = key.Length;
    }
}
