using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>One node of a tree: a view of its bytes, which were checked when it was made. Never changes.</summary>
/// <remarks>Remembers where its children are in memory, without keeping them there.</remarks>
internal sealed class Node
{
    /// <summary>The leaf with no entries: the empty tree.</summary>
    public static readonly Node Empty = NodeDecoder.Decode(
        new byte[] { NodeFormat.Version, ObjectId.Blake3Algorithm, 0, 0, 0 });

    /// <summary>Id of <see cref="Empty"/>, a constant of the format; it is never stored.</summary>
    public static readonly ObjectId EmptyId = ObjectId.Of(ObjectKind.Node, Empty.Content.Span);

    private readonly ReadOnlyMemory<byte> _content;
    private readonly int _prefixStart;
    private readonly int _prefixLength;
    private readonly int _tableStart;
    private readonly int _entriesStart;
    private NodeSlot?[]? _links;

    /// <summary>Describes bytes that are known to be a valid node.</summary>
    public Node(ReadOnlyMemory<byte> content, in NodeLayout layout)
    {
        _content = content;
        _prefixStart = layout.PrefixStart;
        _prefixLength = layout.PrefixLength;
        _tableStart = layout.PrefixStart + layout.PrefixLength;
        _entriesStart = _tableStart + layout.Count * sizeof(ushort);
        Level = layout.Level;
        Count = layout.Count;
        EntryCount = layout.EntryCount;
        Flags = layout.Flags;
    }

    /// <summary>The canonical bytes.</summary>
    public ReadOnlyMemory<byte> Content => _content;

    /// <summary>0 for a leaf.</summary>
    public int Level { get; }

    /// <summary>Entries of this node.</summary>
    public int Count { get; }

    /// <summary>Leaf entries in the subtree.</summary>
    public long EntryCount { get; }

    /// <summary>What is in the subtree.</summary>
    public NodeFlags Flags { get; }

    /// <summary>The last sweep of <see cref="DirtyNodes"/> that found it needed; guarded by that.</summary>
    public int NeededBySweep { get; set; }

    /// <summary>True for a node without children.</summary>
    public bool IsLeaf => Level == 0;

    /// <summary>The child, if it was linked and is still in memory: it is then known to fit.</summary>
    public bool TryGetLinked(int index, [NotNullWhen(true)] out Node? child)
    {
        child = null;
        return _links is { } links && links[index] is { } slot && slot.TryGet(out child);
    }

    /// <summary>Remembers where a child is that was found to fit. Safe for concurrent use.</summary>
    public void Link(int index, NodeSlot child)
    {
        // When two threads make the array, the links of one are lost, which costs a look into the cache.
        var links = _links ??= new NodeSlot?[Count];
        links[index] = child;
    }

    /// <summary>Index of the first entry whose key is not less than <paramref name="key"/>; may be the count.</summary>
    /// <param name="key">Any bytes.</param>
    /// <param name="exact">True when that entry has this very key.</param>
    public int Find(ReadOnlySpan<byte> key, out bool exact)
    {
        exact = false;
        var content = _content.Span;
        var prefix = content.Slice(_prefixStart, _prefixLength);
        if (!key.StartsWith(prefix))
        {
            return key.SequenceCompareTo(prefix) < 0 ? 0 : Count;
        }

        var suffix = key[_prefixLength..];
        var low = 0;
        var high = Count;
        while (low < high)
        {
            var middle = (int)((uint)(low + high) >> 1);
            var order = SuffixAt(content, middle, out _).SequenceCompareTo(suffix);
            if (order == 0)
            {
                exact = true;
                return middle;
            }

            if (order < 0)
            {
                low = middle + 1;
            }
            else
            {
                high = middle;
            }
        }

        return low;
    }

    /// <inheritdoc cref="Find(ReadOnlySpan{byte}, out bool)"/>
    public int Find(ReadOnlySpan<byte> key) => Find(key, out _);

    /// <summary>What all keys of the node begin with.</summary>
    public ReadOnlySpan<byte> Prefix => _content.Span.Slice(_prefixStart, _prefixLength);

    /// <summary>What follows the prefix in a key.</summary>
    public ReadOnlySpan<byte> SuffixAt(int index) => SuffixAt(_content.Span, index, out _);

    /// <summary>A key that stays valid; copied unless it is stored in one piece.</summary>
    public ReadOnlyMemory<byte> KeyAt(int index)
    {
        var content = _content.Span;
        var suffix = SuffixAt(content, index, out var suffixStart);
        if (_prefixLength == 0)
        {
            return _content.Slice(suffixStart, suffix.Length);
        }

        if (suffix.IsEmpty)
        {
            return _content.Slice(_prefixStart, _prefixLength);
        }

        var key = new byte[_prefixLength + suffix.Length];
        content.Slice(_prefixStart, _prefixLength).CopyTo(key);
        suffix.CopyTo(key.AsSpan(_prefixLength));
        return key;
    }

    /// <summary>Copies a key.</summary>
    /// <returns>Its length.</returns>
    public int CopyKey(int index, Span<byte> destination)
    {
        var content = _content.Span;
        var suffix = SuffixAt(content, index, out _);
        content.Slice(_prefixStart, _prefixLength).CopyTo(destination);
        suffix.CopyTo(destination[_prefixLength..]);
        return _prefixLength + suffix.Length;
    }

    /// <summary>Order of the key at <paramref name="index"/> relative to <paramref name="key"/>.</summary>
    public int CompareKeyAt(int index, ReadOnlySpan<byte> key)
    {
        var content = _content.Span;
        var prefix = content.Slice(_prefixStart, _prefixLength);
        return key.StartsWith(prefix)
            ? SuffixAt(content, index, out _).SequenceCompareTo(key[_prefixLength..])
            : prefix.SequenceCompareTo(key);
    }

    /// <summary>Order of the key at <paramref name="index"/> relative to a key of another node.</summary>
    [SkipLocalsInit]
    public int CompareKeyAt(int index, Node other, int otherIndex)
    {
        Span<byte> key = stackalloc byte[TreeProfile.KeySizeBytesMax];
        return CompareKeyAt(index, key[..other.CopyKey(otherIndex, key)]);
    }

    /// <summary>A value of a leaf; a view that stays valid.</summary>
    public EntryValue ValueAt(int index)
    {
        var tail = TailAt(index);
        var reader = new ByteReader(tail.Span, nameof(Node));
        return NodeFormat.ReadLeafTail(ref reader, tail);
    }

    /// <summary>A child of an inner node.</summary>
    public NodeReference ChildAt(int index)
    {
        var reader = new ByteReader(TailAt(index).Span, nameof(Node));
        return NodeFormat.ReadInnerTail(ref reader);
    }

    /// <summary>The entry's encoded bytes after its key.</summary>
    public ReadOnlyMemory<byte> TailAt(int index)
    {
        var content = _content.Span;
        var suffix = SuffixAt(content, index, out var suffixStart);
        return _content[(suffixStart + suffix.Length)..EntryEnd(content, index)];
    }

    /// <summary>How many entries from a place on have the same bytes as those of another node.</summary>
    /// <returns>0 also when the nodes have another prefix: then equal entries have other bytes.</returns>
    public int CountEqual(int index, Node other, int otherIndex)
    {
        if (Level != other.Level || !Prefix.SequenceEqual(other.Prefix))
        {
            return 0;
        }

        // Where an entry ends is a function of its bytes: so equal bytes are the same entries.
        var content = _content.Span;
        var start = EntryStart(content, index);
        var end = start + content[start..].CommonPrefixLength(other.EntriesAt(otherIndex, other.Count));
        var last = index;
        while (last < Count && EntryEnd(content, last) <= end)
        {
            last++;
        }

        return last - index;
    }

    /// <summary>What an entry adds to its node.</summary>
    public EntryMeasure MeasureAt(int index)
    {
        var content = _content.Span;
        var suffix = SuffixAt(content, index, out var suffixStart);
        var tail = content[(suffixStart + suffix.Length)..EntryEnd(content, index)];
        var keySizeBytes = _prefixLength + suffix.Length;
        return IsLeaf ? NodeFormat.MeasureLeaf(keySizeBytes, tail) : NodeFormat.MeasureInner(keySizeBytes, tail);
    }

    /// <summary>Position of an entry in the entry area.</summary>
    public int OffsetAt(int index) => EntryStart(_content.Span, index) - _entriesStart;

    /// <summary>The bytes of entries beside each other.</summary>
    /// <param name="from">First entry.</param>
    /// <param name="to">Entry after the last; greater than <paramref name="from"/>.</param>
    public ReadOnlySpan<byte> EntriesAt(int from, int to)
    {
        var content = _content.Span;
        return content[EntryStart(content, from)..EntryEnd(content, to - 1)];
    }

    private int EntryEnd(ReadOnlySpan<byte> content, int index) =>
        index + 1 < Count ? EntryStart(content, index + 1) : content.Length;

    private int EntryStart(ReadOnlySpan<byte> content, int index) =>
        _entriesStart +
        BinaryPrimitives.ReadUInt16LittleEndian(content[(_tableStart + index * sizeof(ushort))..]);

    private ReadOnlySpan<byte> SuffixAt(ReadOnlySpan<byte> content, int index, out int start)
    {
        // A suffix is at most 1,024 bytes, so that its length takes one byte or two.
        start = EntryStart(content, index);
        int length = content[start++];
        if (length >= 0x80)
        {
            length = (length & 0x7F) | (content[start++] << 7);
        }

        return content.Slice(start, length);
    }
}

/// <summary>Where the parts of a node's bytes are, and what they add up to.</summary>
/// <param name="Level">0 for a leaf.</param>
/// <param name="Count">Entries of the node.</param>
/// <param name="PrefixStart">Offset of the common prefix; the offset table follows it.</param>
/// <param name="PrefixLength">Length of the common prefix.</param>
/// <param name="EntryCount">Leaf entries in the subtree.</param>
/// <param name="Flags">What is in the subtree.</param>
internal readonly record struct NodeLayout(
    int Level, int Count, int PrefixStart, int PrefixLength, long EntryCount, NodeFlags Flags);
