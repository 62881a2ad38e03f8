using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Decoded nodes by id, bounded in bytes; one for each ledger. Safe for concurrent use.</summary>
/// <remarks>
/// A ring with second chances: reading takes no lock and only marks the node, adding evicts the oldest unmarked ones.
/// A node is named by its bytes, so that nothing here ever becomes stale.
/// </remarks>
/// <param name="capacityBytes">Bound on the nodes' bytes with <see cref="OverheadBytes"/> for each.</param>
internal sealed class NodeCache(long capacityBytes)
{
    /// <summary>What a node costs besides its bytes: the view, the slot, the places in table and ring.</summary>
    public const int OverheadBytes = 320;

    private readonly ConcurrentDictionary<ObjectId, Slot> _slots = new();
    private readonly Queue<Slot> _ring = new();
    private readonly Lock _lock = new();
    private long _sizeBytes;

    /// <summary>Bytes held now.</summary>
    public long SizeBytes => Volatile.Read(ref _sizeBytes);

    /// <summary>Finds a node.</summary>
    public bool TryGet(ObjectId id, [NotNullWhen(true)] out Node? node)
    {
        node = null;
        if (!_slots.TryGetValue(id, out var slot))
        {
            return false;
        }

        // Written only when it changes, so that readers on two cores do not fight for the line.
        if (!slot.WasUsed)
        {
            slot.WasUsed = true;
        }

        node = slot.Node;
        return true;
    }

    /// <summary>Adds a node unless it is there, and makes room.</summary>
    public void Add(ObjectId id, Node node)
    {
        lock (_lock)
        {
            var slot = new Slot(id, node);
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
            _sizeBytes -= SizeOf(oldest.Node);
        }
    }

    private static long SizeOf(Node node) => node.Content.Length + OverheadBytes;

    private sealed class Slot(ObjectId id, Node node)
    {
        public ObjectId Id { get; } = id;

        public Node Node { get; } = node;

        public volatile bool WasUsed;
    }
}
