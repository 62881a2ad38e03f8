using System.Buffers.Binary;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>Collects the entries of one level in key order, says where a node ends, and encodes it.</summary>
/// <remarks>
/// Entries of old nodes are not copied before the node is made, and then in runs: a run is copied as it is when the
/// prefix keeps its length.
/// </remarks>
/// <param name="level">0 for leaves.</param>
/// <param name="salt">The ledger's salt.</param>
internal sealed class NodeBuilder(int level, TreeSalt salt)
{
    private readonly ByteWriter _added = new(2 * TreeProfile.NodeWeightMean);
    private readonly ByteWriter _encoded = new(2 * TreeProfile.NodeWeightMean);
    private readonly byte[] _firstKey = new byte[TreeProfile.KeySizeBytesMax];
    private readonly byte[] _lastKey = new byte[TreeProfile.KeySizeBytesMax];
    private Item[] _items = new Item[64];
    private Piece[] _pieces = new Piece[8];
    private int _itemCount;
    private int _pieceCount;
    private int _weight;
    private long _entryCount;
    private NodeFlags _flags;

    /// <summary>Entries collected.</summary>
    public int Count { get; private set; }

    /// <summary>True when no entry was added since the last node.</summary>
    public bool IsEmpty => Count == 0;

    /// <summary>Adds a leaf entry; key and value are copied.</summary>
    /// <returns>True when the node ends with it: call <see cref="Build"/>.</returns>
    public bool Add(ReadOnlySpan<byte> key, in EntryValue value)
    {
        BeginItem(key);
        NodeFormat.WriteTail(_added, value);
        return EndItem(key, new EntryMeasure(
            NodeFormat.WeightOf(key.Length, value), EntryCount: 1, NodeFormat.FlagsOf(value)));
    }

    /// <summary>Adds an inner entry; the key is copied.</summary>
    /// <inheritdoc cref="Add(ReadOnlySpan{byte}, in EntryValue)" path="/returns"/>
    public bool Add(ReadOnlySpan<byte> key, in NodeReference child)
    {
        BeginItem(key);
        NodeFormat.WriteTail(_added, child);
        return EndItem(key, new EntryMeasure(NodeFormat.WeightOf(key.Length), child.EntryCount, child.Flags));
    }

    /// <summary>Adds entries of an old node of the same level up to the one with which the new node ends.</summary>
    /// <param name="node">A node that was cut where it had to be; it stays as it is.</param>
    /// <param name="from">First entry.</param>
    /// <param name="to">Entry after the last.</param>
    /// <param name="oldWeight">Weight of the old node's entries before the first; moved on.</param>
    /// <param name="closes">True when the new node ends: call <see cref="Build"/>.</param>
    /// <returns>Index after the last entry added.</returns>
    public int Take(Node node, int from, int to, ref int oldWeight, out bool closes)
    {
        closes = false;
        if (from == to)
        {
            return to;
        }

        if (Count > 0 && !IsLast(node, from))
        {
            CheckOrder(_firstKey.AsSpan(0, node.CopyKey(from, _firstKey)));
        }

        var index = from;
        while (index < to && !closes)
        {
            var entry = node.MeasureAt(index);
            oldWeight += entry.Weight;
            Measure(entry);
            closes = ClosesAfter(node, index, entry.Weight, oldWeight);
            index++;
        }

        if (IsLast(node, from))
        {
            _pieces[_pieceCount - 1] = _pieces[_pieceCount - 1] with { End = index };
        }
        else
        {
            AddPiece(new Piece(node, from, index));
        }

        return index;
    }

    /// <summary>Makes a node of what was collected, and begins the next one.</summary>
    public Node Build()
    {
        var first = KeyOf(_pieces[0], _pieces[0].First, _firstKey);
        var prefix = first[..first.CommonPrefixLength(LastKey())];
        _encoded.Clear();
        _encoded.WriteByte(NodeFormat.Version);
        _encoded.WriteByte(ObjectId.Blake3Algorithm);
        _encoded.WriteByte((byte)level);
        _encoded.WriteVarint((ulong)Count);
        _encoded.WriteSized(prefix);
        var layout = new NodeLayout(
            level, Count, _encoded.Length - prefix.Length, prefix.Length, _entryCount, _flags);
        WriteEntries(prefix);
        Invariant.Check(_entryCount <= NodeFormat.EntryCountMax);
        Clear();
        return new Node(_encoded.ToArray(), layout);
    }

    /// <summary>The child that the only entry names.</summary>
    public ObjectId OnlyChild()
    {
        Invariant.Check(level > 0 && Count == 1);
        if (_pieces[0].Source is { } source)
        {
            return source.ChildAt(_pieces[0].First).Id;
        }

        var reader = new ByteReader(TailOf(0), nameof(NodeBuilder));
        return NodeFormat.ReadInnerTail(ref reader).Id;
    }

    /// <summary>Forgets what was collected.</summary>
    public void Clear()
    {
        _added.Clear();
        _pieces.AsSpan(0, _pieceCount).Clear();
        (Count, _itemCount, _pieceCount, _weight) = (0, 0, 0, 0);
        _entryCount = 0;
        _flags = NodeFlags.None;
    }

    private void WriteEntries(ReadOnlySpan<byte> prefix)
    {
        var table = _encoded.Length;
        _encoded.Reserve(Count * sizeof(ushort));
        var area = _encoded.Length;
        foreach (var piece in _pieces.AsSpan(0, _pieceCount))
        {
            if (piece.Source is { } source && source.Prefix.Length == prefix.Length)
            {
                WriteRun(source, piece, ref table, area);
                continue;
            }

            for (var index = piece.First; index < piece.End; index++)
            {
                WriteOffset(ref table, _encoded.Length - area);
                _encoded.WriteSized(KeyOf(piece, index, _lastKey)[prefix.Length..]);
                _encoded.WriteBytes(piece.Source is { } other ? other.TailAt(index).Span : TailOf(index));
            }
        }
    }

    private void WriteRun(Node source, in Piece piece, ref int table, int area)
    {
        var start = _encoded.Length - area;
        _encoded.WriteBytes(source.EntriesAt(piece.First, piece.End));
        var moved = start - source.OffsetAt(piece.First);
        for (var index = piece.First; index < piece.End; index++)
        {
            WriteOffset(ref table, source.OffsetAt(index) + moved);
        }
    }

    private void WriteOffset(ref int table, int offset)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_encoded.MutableSpan[table..], checked((ushort)offset));
        table += sizeof(ushort);
    }

    private void BeginItem(ReadOnlySpan<byte> key)
    {
        if (Count > 0)
        {
            CheckOrder(key);
        }

        if (_itemCount == _items.Length)
        {
            Array.Resize(ref _items, 2 * _itemCount);
        }

        _items[_itemCount] = new Item(_added.Length, key.Length, TailLength: 0);
        _added.WriteBytes(key);
    }

    private bool EndItem(ReadOnlySpan<byte> key, in EntryMeasure entry)
    {
        ref var item = ref _items[_itemCount];
        item = item with { TailLength = _added.Length - item.Start - item.KeyLength };
        if (_pieceCount > 0 && _pieces[_pieceCount - 1] is { Source: null } last)
        {
            _pieces[_pieceCount - 1] = last with { End = last.End + 1 };
        }
        else
        {
            AddPiece(new Piece(null, _itemCount, _itemCount + 1));
        }

        _itemCount++;
        Measure(entry);
        return SplitRule.ClosesAfter(salt, level, key, entry.Weight, _weight, Count);
    }

    private void AddPiece(in Piece piece)
    {
        if (_pieceCount == _pieces.Length)
        {
            Array.Resize(ref _pieces, 2 * _pieceCount);
        }

        _pieces[_pieceCount++] = piece;
    }

    private void Measure(in EntryMeasure entry)
    {
        Count++;
        _weight += entry.Weight;
        _entryCount += entry.EntryCount;
        _flags |= entry.Flags;
    }

    // Whether the next entry of the node continues what was taken last.
    private bool IsLast(Node node, int index) =>
        _pieceCount > 0 && _pieces[_pieceCount - 1] is { Source: { } source, End: var end } &&
        source == node && end == index;

    private bool ClosesAfter(Node node, int index, int weight, int oldWeight)
    {
        // Where the old node could have ended and did not, a lighter one does not either: p grows with the node.
        var isKnown = index >= TreeProfile.NodeEntriesMin - 1 && index < node.Count - 1 && _weight <= oldWeight;
        if (isKnown || Count < TreeProfile.NodeEntriesMin)
        {
            return false;
        }

        var key = _lastKey.AsSpan(0, node.CopyKey(index, _lastKey));
        return SplitRule.ClosesAfter(salt, level, key, weight, _weight, Count);
    }

    // Pair of the check in NodeDecoder: an order that is wrong is never written.
    private void CheckOrder(ReadOnlySpan<byte> key) => Invariant.Check(LastKey().SequenceCompareTo(key) < 0);

    private ReadOnlySpan<byte> LastKey()
    {
        ref readonly var last = ref _pieces[_pieceCount - 1];
        return KeyOf(last, last.End - 1, _lastKey);
    }

    private ReadOnlySpan<byte> KeyOf(in Piece piece, int index, byte[] buffer)
    {
        if (piece.Source is not { } source)
        {
            return _added.WrittenSpan.Slice(_items[index].Start, _items[index].KeyLength);
        }

        return buffer.AsSpan(0, source.CopyKey(index, buffer));
    }

    private ReadOnlySpan<byte> TailOf(int item) =>
        _added.WrittenSpan.Slice(_items[item].Start + _items[item].KeyLength, _items[item].TailLength);

    /// <summary>An entry that is new: its key, and then its tail, in the buffer.</summary>
    private readonly record struct Item(int Start, int KeyLength, int TailLength);

    /// <summary>Entries beside each other in an old node, or among the new ones.</summary>
    private readonly record struct Piece(Node? Source, int First, int End);
}
