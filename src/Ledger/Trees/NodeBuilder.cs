using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Trees;

/// <summary>Collects the entries of one level in key order, says where a node ends, and encodes it.</summary>
/// <param name="level">0 for leaves.</param>
/// <param name="salt">The ledger's salt.</param>
internal sealed class NodeBuilder(int level, TreeSalt salt)
{
    private readonly ByteWriter _bytes = new(2 * TreeProfile.NodeWeightMean);
    private readonly ByteWriter _tail = new(TreeProfile.InlineSizeBytesMax);
    private readonly ByteWriter _encoded = new(2 * TreeProfile.NodeWeightMean);
    private Item[] _items = new Item[64];
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
        _tail.Clear();
        NodeFormat.WriteTail(_tail, value);
        AddValueFacts(value);
        return Add(key, default, _tail.WrittenSpan, NodeFormat.WeightOf(key.Length, value));
    }

    /// <summary>Adds an inner entry; the key is copied.</summary>
    /// <inheritdoc cref="Add(ReadOnlySpan{byte}, in EntryValue)" path="/returns"/>
    public bool Add(ReadOnlySpan<byte> key, in NodeReference child)
    {
        _tail.Clear();
        NodeFormat.WriteTail(_tail, child);
        AddChildFacts(child);
        return Add(key, default, _tail.WrittenSpan, NodeFormat.WeightOf(key.Length));
    }

    /// <summary>Adds an entry of another node of the same level.</summary>
    /// <inheritdoc cref="Add(ReadOnlySpan{byte}, in EntryValue)" path="/returns"/>
    public bool Add(Node node, int index)
    {
        var tail = node.TailAt(index).Span;
        var prefix = node.Prefix;
        var suffix = node.SuffixAt(index);
        if (level > 0)
        {
            AddChildFacts(node.ChildAt(index));
            return Add(prefix, suffix, tail, NodeFormat.WeightOf(prefix.Length + suffix.Length));
        }

        var value = node.ValueAt(index);
        AddValueFacts(value);
        return Add(prefix, suffix, tail, NodeFormat.WeightOf(prefix.Length + suffix.Length, value));
    }

    /// <summary>Makes a node of what was collected, and begins the next one.</summary>
    public Node Build()
    {
        var first = KeyOf(0);
        var last = KeyOf(Count - 1);
        var prefix = first[..first.CommonPrefixLength(last)];
        _encoded.Clear();
        _encoded.WriteByte(NodeFormat.Version);
        _encoded.WriteByte(ObjectId.Blake3Algorithm);
        _encoded.WriteByte((byte)level);
        _encoded.WriteVarint((ulong)Count);
        _encoded.WriteSized(prefix);
        var prefixStart = _encoded.Length - prefix.Length;
        WriteTable(prefix.Length);
        for (var index = 0; index < Count; index++)
        {
            _encoded.WriteSized(KeyOf(index)[prefix.Length..]);
            _encoded.WriteBytes(TailOf(index));
        }

        var layout = new NodeLayout(level, Count, prefixStart, prefix.Length, _entryCount, _flags);
        Invariant.Check(_entryCount <= NodeFormat.EntryCountMax);
        Clear();
        return new Node(_encoded.ToArray(), layout);
    }

    /// <summary>The child that the only entry names.</summary>
    public ObjectId OnlyChild()
    {
        Invariant.Check(level > 0 && Count == 1);
        var reader = new ByteReader(TailOf(0), nameof(NodeBuilder));
        return NodeFormat.ReadInnerTail(ref reader).Id;
    }

    private void WriteTable(int prefixLength)
    {
        var offset = 0;
        for (var index = 0; index < Count; index++)
        {
            _encoded.WriteUInt16(checked((ushort)offset));
            var suffixLength = _items[index].KeyLength - prefixLength;
            offset += ByteWriter.VarintSizeBytes((ulong)suffixLength) + suffixLength + _items[index].TailLength;
        }
    }

    private bool Add(ReadOnlySpan<byte> prefix, ReadOnlySpan<byte> suffix, ReadOnlySpan<byte> tail, int weight)
    {
        if (Count == _items.Length)
        {
            Array.Resize(ref _items, 2 * Count);
        }

        var item = new Item(_bytes.Length, prefix.Length + suffix.Length, tail.Length);
        _bytes.WriteBytes(prefix);
        _bytes.WriteBytes(suffix);
        _bytes.WriteBytes(tail);
        _items[Count++] = item;
        _weight += weight;

        // Pair of the check in NodeDecoder: an order that is wrong is never written.
        Invariant.Check(Count == 1 || KeyOf(Count - 2).SequenceCompareTo(KeyOf(Count - 1)) < 0);
        return SplitRule.ClosesAfter(salt, level, KeyOf(Count - 1), weight, _weight, Count);
    }

    private void AddValueFacts(in EntryValue value)
    {
        _entryCount++;
        _flags |= NodeFormat.FlagsOf(value);
    }

    private void AddChildFacts(in NodeReference child)
    {
        _entryCount += child.EntryCount;
        _flags |= child.Flags;
    }

    private ReadOnlySpan<byte> KeyOf(int index) =>
        _bytes.WrittenSpan.Slice(_items[index].Start, _items[index].KeyLength);

    private ReadOnlySpan<byte> TailOf(int index) =>
        _bytes.WrittenSpan.Slice(_items[index].Start + _items[index].KeyLength, _items[index].TailLength);

    private void Clear()
    {
        _bytes.Clear();
        Count = 0;
        _weight = 0;
        _entryCount = 0;
        _flags = NodeFlags.None;
    }

    private readonly record struct Item(int Start, int KeyLength, int TailLength);
}
