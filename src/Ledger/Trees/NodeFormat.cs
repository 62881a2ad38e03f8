using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>The constants of a node's bytes, and its entry tails (docs/formats/tree.md).</summary>
internal static class NodeFormat
{
    /// <summary>First byte of every node.</summary>
    public const byte Version = 1;

    /// <summary>Highest level: with three entries in a node, 3^40 entries are more than there can be.</summary>
    public const int LevelMax = 40;

    /// <summary>Most entries below one node.</summary>
    public const long EntryCountMax = 1L << 48;

    /// <summary>Added to the key and value lengths in the weight of a leaf entry.</summary>
    public const int LeafEntryWeight = 4;

    /// <summary>Stands for the value length of an object in the weight of a leaf entry.</summary>
    public const int ObjectWeight = 36;

    /// <summary>Added to the key length in the weight of an inner entry.</summary>
    public const int InnerEntryWeight = 38;

    /// <summary>Most entries of one node: all but the last weigh less than 4T, and none less than 5.</summary>
    public const int NodeEntriesMax =
        (TreeProfile.NodeWeightMax - 1) / (TreeProfile.KeySizeBytesMin + LeafEntryWeight) + 1;

    /// <summary>Flag bit of a leaf entry: the value is an object.</summary>
    public const byte ObjectFlag = 1;

    /// <summary>Flag bit of a leaf entry: the value is lazy.</summary>
    public const byte LazyFlag = 2;

    /// <summary>Writes what follows the key in a leaf entry.</summary>
    public static void WriteTail(ByteWriter writer, in EntryValue value)
    {
        var lazy = value.Priority == EntryPriority.Lazy ? LazyFlag : (byte)0;
        if (value.IsInline)
        {
            writer.WriteByte(lazy);
            writer.WriteSized(value.Inline.Span);
            return;
        }

        writer.WriteByte((byte)(ObjectFlag | lazy));
        writer.WriteId(value.Id);
        writer.WriteVarint((ulong)value.SizeBytes);
    }

    /// <summary>Writes what follows the key in an inner entry.</summary>
    public static void WriteTail(ByteWriter writer, in NodeReference child)
    {
        writer.WriteId(child.Id);
        writer.WriteVarint((ulong)child.EntryCount);
        writer.WriteByte((byte)child.Flags);
    }

    /// <summary>Reads what follows the key in a leaf entry.</summary>
    /// <param name="reader">At the flag byte.</param>
    /// <param name="source">The memory that <paramref name="reader"/> reads; the value is a view of it.</param>
    public static EntryValue ReadLeafTail(ref ByteReader reader, ReadOnlyMemory<byte> source)
    {
        var flags = reader.ReadByte();
        if (flags > (ObjectFlag | LazyFlag))
        {
            throw reader.Corrupt($"an entry has the unknown flags {flags}");
        }

        var priority = (flags & LazyFlag) != 0 ? EntryPriority.Lazy : EntryPriority.Eager;
        if ((flags & ObjectFlag) == 0)
        {
            var length = reader.ReadSized(0, TreeProfile.InlineSizeBytesMax, "the length of an inline value").Length;
            return EntryValue.OfInline(source.Slice(reader.Position - length, length), priority);
        }

        var id = reader.ReadId();
        var sizeBytes = reader.ReadVarint(
            TreeProfile.InlineSizeBytesMax + 1, TreeProfile.ValueSizeBytesMax, "the size of a value object");
        return EntryValue.OfObject(id, sizeBytes, priority);
    }

    /// <summary>Reads what follows the key in an inner entry.</summary>
    public static NodeReference ReadInnerTail(ref ByteReader reader)
    {
        var id = reader.ReadId();
        var count = reader.ReadVarint(1, EntryCountMax, "the entry count of a child");
        var flags = reader.ReadByte();
        return flags <= (byte)NodeFlags.All
            ? new NodeReference(id, count, (NodeFlags)flags)
            : throw reader.Corrupt($"a child has the unknown flags {flags}");
    }

    /// <summary>What a leaf entry adds to its node.</summary>
    /// <param name="keySizeBytes">Length of the whole key.</param>
    /// <param name="tail">What follows the key; known to be valid.</param>
    public static EntryMeasure MeasureLeaf(int keySizeBytes, ReadOnlySpan<byte> tail)
    {
        var flags = (tail[0] & LazyFlag) != 0 ? NodeFlags.HasLazy : NodeFlags.None;
        if ((tail[0] & ObjectFlag) != 0)
        {
            return new EntryMeasure(
                keySizeBytes + ObjectWeight + LeafEntryWeight, EntryCount: 1, flags | NodeFlags.HasObjects);
        }

        // After the flags: a length of one byte up to 127, of two beyond, and as many bytes.
        var sized = tail.Length - 1;
        return new EntryMeasure(
            keySizeBytes + (sized <= 0x80 ? sized - 1 : sized - 2) + LeafEntryWeight, EntryCount: 1, flags);
    }

    /// <summary>What an inner entry adds to its node.</summary>
    /// <inheritdoc cref="MeasureLeaf" path="/param"/>
    public static EntryMeasure MeasureInner(int keySizeBytes, ReadOnlySpan<byte> tail)
    {
        long count = 0;
        for (var place = tail.Length - 2; place >= ObjectId.HashSizeBytes; place--)
        {
            count = (count << 7) | (uint)(tail[place] & 0x7F);
        }

        return new EntryMeasure(WeightOf(keySizeBytes), count, (NodeFlags)tail[^1]);
    }

    /// <summary>Weight of a leaf entry.</summary>
    public static int WeightOf(int keySizeBytes, in EntryValue value) =>
        keySizeBytes + (value.IsInline ? value.Inline.Length : ObjectWeight) + LeafEntryWeight;

    /// <summary>Weight of an inner entry.</summary>
    public static int WeightOf(int keySizeBytes) => keySizeBytes + InnerEntryWeight;

    /// <summary>The flags that one value sets.</summary>
    public static NodeFlags FlagsOf(in EntryValue value) =>
        (value.IsInline ? NodeFlags.None : NodeFlags.HasObjects) |
        (value.Priority == EntryPriority.Lazy ? NodeFlags.HasLazy : NodeFlags.None);
}
