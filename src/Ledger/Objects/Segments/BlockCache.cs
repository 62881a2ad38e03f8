namespace Ledger.Objects.Segments;

/// <summary>
/// Blocks of runs that were read and checked, up to a bound; those that nobody asked for lately go first (clock).
/// Safe for concurrent use.
/// </summary>
/// <param name="sizeBytesMax">Bytes of blocks that are kept at most; at least one block is.</param>
internal sealed class BlockCache(long sizeBytesMax)
{
    private readonly Lock _gate = new();
    private readonly int _countMax = (int)Math.Max(1, sizeBytesMax / RunFormat.BlockSizeBytes);
    private readonly Dictionary<(uint Run, long Block), int> _places = [];
    private readonly List<Slot> _slots = []; // As many as were ever needed, at most the bound.
    private int _hand;

    /// <summary>Bytes of blocks that are kept now.</summary>
    public long SizeBytes
    {
        get
        {
            lock (_gate)
            {
                return (long)_slots.Count * RunFormat.BlockSizeBytes;
            }
        }
    }

    /// <summary>A block that is kept, or null. It must not be changed.</summary>
    public byte[]? TryGet(uint run, long block)
    {
        lock (_gate)
        {
            if (!_places.TryGetValue((run, block), out var place))
            {
                return null;
            }

            _slots[place].WasUsed = true;
            return _slots[place].Content;
        }
    }

    /// <summary>
    /// Keeps a block, in the place of another when the cache is full. It must not be changed any more.
    /// </summary>
    public void Add(uint run, long block, byte[] content)
    {
        lock (_gate)
        {
            if (_places.ContainsKey((run, block)))
            {
                return;
            }

            var slot = new Slot((run, block), content);
            if (_slots.Count < _countMax)
            {
                _places.Add(slot.Key, _slots.Count);
                _slots.Add(slot);
                return;
            }

            while (_slots[_hand].WasUsed)
            {
                _slots[_hand].WasUsed = false;
                _hand = (_hand + 1) % _slots.Count;
            }

            _places.Remove(_slots[_hand].Key);
            _places.Add(slot.Key, _hand);
            _slots[_hand] = slot;
            _hand = (_hand + 1) % _slots.Count;
        }
    }

    private sealed class Slot((uint Run, long Block) key, byte[] content)
    {
        public (uint Run, long Block) Key { get; } = key;

        public byte[] Content { get; } = content;

        public bool WasUsed { get; set; }
    }
}
