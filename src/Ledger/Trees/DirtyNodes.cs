using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>The nodes of a ledger that were made and are not in its store yet. Safe for concurrent use.</summary>
/// <remarks>
/// A node here has all nodes below it here or in the store. It stays until it is stored, or until a sweep finds that
/// nobody needs it: no <see cref="TreeHold"/> is on a tree with it, and no open <see cref="NodeBatch"/> made it.
/// Finding a node takes no lock.
/// </remarks>
internal sealed class DirtyNodes
{
    private readonly ConcurrentDictionary<ObjectId, Node> _nodes = new();
    private readonly Dictionary<ObjectId, HeldRoot> _held = [];
    private readonly List<NodeBatch> _batches = [];
    private readonly Lock _lock = new();
    private long _sizeBytes;
    private int _sweep;

    /// <summary>Memory that the nodes take, as <see cref="NodeCache.SizeOf"/> counts it.</summary>
    public long SizeBytes => Volatile.Read(ref _sizeBytes);

    /// <summary>Nodes held now.</summary>
    public int Count => _nodes.Count;

    /// <summary>Finds a node.</summary>
    public bool TryGet(ObjectId id, [NotNullWhen(true)] out Node? node) => _nodes.TryGetValue(id, out node);

    /// <summary>Keeps the tree of a root from being swept; null when the root is not here.</summary>
    public TreeHold? TryHold(ObjectId root)
    {
        // Most roots are stored: that is seen without the lock.
        if (!_nodes.ContainsKey(root))
        {
            return null;
        }

        lock (_lock)
        {
            if (!_nodes.ContainsKey(root))
            {
                return null;
            }

            if (!_held.TryGetValue(root, out var held))
            {
                held = new HeldRoot(root);
                _held.Add(root, held);
            }

            held.Holders++;
            return new TreeHold(this, held);
        }
    }

    /// <summary>Drops what nobody needs.</summary>
    /// <returns>What is left: every node after those below it, each level in key order.</returns>
    public List<DirtyNode> Sweep()
    {
        lock (_lock)
        {
            return Sweep([.. _held.Keys, .. _batches.SelectMany(batch => batch.Made)]);
        }
    }

    /// <summary>Drops everything but some trees, held or not.</summary>
    /// <inheritdoc cref="Sweep()" path="/returns"/>
    public List<DirtyNode> Sweep(IReadOnlyCollection<ObjectId> roots)
    {
        lock (_lock)
        {
            _sweep++;
            var levels = new List<DirtyNode>[NodeFormat.LevelMax + 1];
            foreach (var root in roots)
            {
                Mark(root, levels);
            }

            foreach (var (id, node) in _nodes)
            {
                if (node.NeededBySweep != _sweep)
                {
                    Remove(id, node);
                }
            }

            var needed = new List<DirtyNode>(_nodes.Count);
            foreach (var level in levels)
            {
                needed.AddRange(level ?? []);
            }

            return needed;
        }
    }

    /// <summary>Lets go of nodes that are in the store now.</summary>
    public void RemoveStored(IEnumerable<DirtyNode> nodes)
    {
        lock (_lock)
        {
            foreach (var (id, node) in nodes)
            {
                Remove(id, node);
                if (_held.Remove(id, out var held))
                {
                    held.IsStored = true;
                }

                foreach (var batch in _batches)
                {
                    batch.Made.Remove(id);
                }
            }
        }
    }

    /// <summary>Begins to protect what a batch makes.</summary>
    public void Open(NodeBatch batch)
    {
        lock (_lock)
        {
            _batches.Add(batch);
        }
    }

    /// <summary>Adds a node to a batch, and to the others unless it is there.</summary>
    public void Add(NodeBatch batch, ObjectId id, Node node)
    {
        lock (_lock)
        {
            batch.Made.Add(id);
            if (_nodes.TryAdd(id, node))
            {
                _sizeBytes += NodeCache.SizeOf(node);
            }
        }
    }

    /// <summary>Ends the protection of what a batch made.</summary>
    public void Close(NodeBatch batch)
    {
        lock (_lock)
        {
            _batches.Remove(batch);
        }
    }

    /// <summary>One holder less.</summary>
    public void Release(HeldRoot held)
    {
        lock (_lock)
        {
            held.Holders--;
            Invariant.Check(held.Holders >= 0);
            if (held.Holders == 0 && !held.IsStored)
            {
                _held.Remove(held.Root);
            }
        }
    }

    private void Mark(ObjectId top, List<DirtyNode>[] levels)
    {
        var waiting = new Stack<ObjectId>([top]);
        while (waiting.TryPop(out var id))
        {
            // What is not here is stored, with everything below it.
            if (!_nodes.TryGetValue(id, out var node) || node.NeededBySweep == _sweep)
            {
                continue;
            }

            node.NeededBySweep = _sweep;
            (levels[node.Level] ??= []).Add(new DirtyNode(id, node));
            for (var index = node.IsLeaf ? -1 : node.Count - 1; index >= 0; index--)
            {
                waiting.Push(node.ChildAt(index).Id);
            }
        }
    }

    private void Remove(ObjectId id, Node node)
    {
        if (_nodes.TryRemove(id, out _))
        {
            _sizeBytes -= NodeCache.SizeOf(node);
        }
    }
}

/// <summary>A node that is not in the store yet.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Node">The node.</param>
internal readonly record struct DirtyNode(ObjectId Id, Node Node);

/// <summary>A root and how many hold it; guarded by <see cref="DirtyNodes"/>.</summary>
/// <param name="root">The root.</param>
internal sealed class HeldRoot(ObjectId root)
{
    /// <summary>The root.</summary>
    public ObjectId Root { get; } = root;

    /// <summary>Holds that were not disposed of.</summary>
    public int Holders { get; set; }

    /// <summary>True once the tree is in the store and needs no protection any more.</summary>
    public bool IsStored { get; set; }
}
