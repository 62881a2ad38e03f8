using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>Decoded nodes by id, bounded in bytes; one for each ledger. Safe for concurrent use.</summary>
/// <remarks>
/// A ring with second chances: reading takes no lock and only marks the node, adding evicts the oldest unmarked ones.
/// A node is named by its bytes, so that nothing here ever becomes stale.
/// </remarks>
/// <param name="capacityBytes">Bound on the nodes' bytes with what <see cref="SizeOf"/> adds to them.</param>
internal sealed class NodeCache(long capacityBytes)
{
    /// <summary>What a node costs besides its bytes: the view, the slot, the places in table and ring.</summary>
    public const int OverheadBytes = 320;

    /// <summary>What each child costs an inner node: its place, and perhaps the slot of one that was evicted.</summary>
    private const int LinkSizeBytes = 96;

    private readonly ConcurrentDictionary<ObjectId, NodeSlot> _slots = new();
    private readonly Queue<NodeSlot> _ring = new();
    private readonly Lock _lock = new();
    private long _sizeBytes;

    /// <summary>Bytes held now.</summary>
    public long SizeBytes => Volatile.Read(ref _sizeBytes);

    /// <summary>Memory that a node takes, or will when it has been read through.</summary>
    public static long SizeOf(Node node) =>
        node.Content.Length + OverheadBytes + (node.IsLeaf ? 0 : (long)node.Count * LinkSizeBytes);

    /// <summary>Finds a node.</summary>
    public bool TryGet(ObjectId id, [NotNullWhen(true)] out Node? node)
    {
        node = null;
        return TryGetSlot(id, out var slot) && slot.TryGet(out node);
    }

    /// <summary>Finds the place of a node; it may have been evicted meanwhile.</summary>
    public bool TryGetSlot(ObjectId id, [NotNullWhen(true)] out NodeSlot? slot) =>
        _slots.TryGetValue(id, out slot);

    /// <summary>Adds a node unless it is there, and makes room.</summary>
    public void Add(ObjectId id, Node node)
    {
        lock (_lock)
        {
            var slot = new NodeSlot(id, node);
            if (!_slots.TryAdd(id, slot))
            {
                return;
            }

            _ring.Enqueue(slot);
            _sizeBytes += SizeOf(node);
            MakeRoom();
        }
    }

    private void MakeRoom()
    {
        // Readers may mark slots again meanwhile: after one round without a victim the next is taken as it comes.
        var chances = _ring.Count;
        while (_sizeBytes > capacityBytes)
        {
            var oldest = _ring.Dequeue();
            if (oldest.WasUsed && chances-- > 0)
            {
                oldest.WasUsed = false;
                _ring.Enqueue(oldest);
                continue;
            }

            _slots.TryRemove(oldest.Id, out _);
            _sizeBytes -= oldest.Evict();
        }
    }
}

/// <summary>A place of a node in memory, which outlives it: whoever keeps this keeps no more than some bytes.</summary>
/// <param name="id">Id of the node.</param>
/// <param name="node">The node.</param>
internal sealed class NodeSlot(ObjectId id, Node node)
{
    private volatile Node? _node = node;
    private volatile bool _wasUsed;

    /// <summary>Id of the node.</summary>
    public ObjectId Id => id;

    /// <summary>Whether the node was asked for since this was last set to false.</summary>
    public bool WasUsed
    {
        get => _wasUsed;
        set => _wasUsed = value;
    }

    /// <summary>The node, unless it is gone; notes that it was used.</summary>
    public bool TryGet([NotNullWhen(true)] out Node? node)
    {
        node = _node;

        // Written only when it changes, so that readers on two cores do not fight for the line.
        if (node is not null && !_wasUsed)
        {
            _wasUsed = true;
        }

        return node is not null;
    }

    /// <summary>Lets the node go; once only.</summary>
    /// <returns>Memory that it took.</returns>
    public long Evict()
    {
        var node = Interlocked.Exchange(ref _node, null);
        Invariant.Check(node is not null);
        return NodeCache.SizeOf(node);
    }
}
