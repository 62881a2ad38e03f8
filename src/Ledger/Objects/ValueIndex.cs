namespace Ledger.Objects;

/// <summary>A node of a large value: its chunks, or the indexes below it, and sizes (docs/formats/values.md).</summary>
internal sealed class ValueIndex
{
    private readonly ObjectId[] _ids;

    /// <summary>Where each child ends, counted from the start of the index.</summary>
    private readonly long[] _ends;

    private ValueIndex(int level, ObjectId[] ids, long[] ends)
    {
        Level = level;
        _ids = ids;
        _ends = ends;
    }

    /// <summary>1 when the children are chunks, one more for each level of indexes below.</summary>
    public int Level { get; }

    /// <summary>Number of children, 1 to <see cref="ValueFormat.IndexChildrenMax"/>.</summary>
    public int Count => _ids.Length;

    /// <summary>Bytes of content below.</summary>
    public long SizeBytes => _ends[^1];

    /// <summary>True when an index with these children takes no more.</summary>
    public bool IsClosed => ValueFormat.IsClosed(Count, _ids[^1]);

    /// <summary>Id of a child.</summary>
    public ObjectId IdOf(int child) => _ids[child];

    /// <summary>Where a child begins, counted from the start of the index.</summary>
    public long StartOf(int child) => child == 0 ? 0 : _ends[child - 1];

    /// <summary>Bytes of content below a child.</summary>
    public long SizeBytesOf(int child) => _ends[child] - StartOf(child);

    /// <summary>The child that holds the byte at <paramref name="offset"/> from the start of the index.</summary>
    public int FindChild(long offset)
    {
        var found = Array.BinarySearch(_ends, offset + 1);
        return found < 0 ? ~found : found;
    }

    /// <summary>Writes an index.</summary>
    /// <param name="writer">Receives the encoding.</param>
    /// <param name="level">1 to <see cref="ValueFormat.IndexLevelMax"/>.</param>
    /// <param name="children">The children, in the order of their content.</param>
    public static void Encode(ByteWriter writer, int level, ReadOnlySpan<ValueChild> children)
    {
        writer.WriteByte((byte)level);
        writer.WriteUInt16((ushort)children.Length);
        foreach (var child in children)
        {
            writer.WriteId(child.Id);
            writer.WriteVarint((ulong)child.SizeBytes);
        }
    }

    /// <summary>Writes this index.</summary>
    public byte[] Encode()
    {
        var writer = new ByteWriter();
        Encode(writer, Level, [.. Enumerable.Range(0, Count).Select(i => new ValueChild(IdOf(i), SizeBytesOf(i)))]);
        return writer.ToArray();
    }

    /// <summary>Reads an index and rejects what no value can have, wherever in the value it is.</summary>
    /// <param name="content">The whole object.</param>
    /// <param name="id">Named in the error.</param>
    /// <exception cref="CorruptObjectException">No value that was written has this index.</exception>
    public static ValueIndex Decode(ReadOnlySpan<byte> content, ObjectId id)
    {
        var reader = new ByteReader(content, "a value index", id);
        var level = reader.ReadByte();
        if (level is < 1 or > ValueFormat.IndexLevelMax)
        {
            throw reader.Corrupt($"its level is {level}, not 1 to {ValueFormat.IndexLevelMax}");
        }

        var count = reader.ReadUInt16();
        if (count is < 1 or > ValueFormat.IndexChildrenMax)
        {
            throw reader.Corrupt($"it has {count} children, not 1 to {ValueFormat.IndexChildrenMax}");
        }

        var ids = new ObjectId[count];
        var ends = new long[count];
        var sizeBytesMax = ValueFormat.ChildSizeBytesMax(level);
        long end = 0;
        for (var i = 0; i < count; i++)
        {
            var isLast = i == count - 1;
            ids[i] = reader.ReadId();
            var sizeBytesMin = isLast ? 1 : ValueFormat.ChildSizeBytesMin(level);
            end += reader.ReadVarint(sizeBytesMin, sizeBytesMax, "the size of a child");
            ends[i] = end;
            if (end > ValueFormat.SizeBytesMax)
            {
                throw reader.Corrupt($"its first {i + 1} children have {end} bytes, more than a value can have");
            }

            if (!isLast && ValueFormat.IsClosed(i + 1, ids[i]))
            {
                throw reader.Corrupt($"child {ids[i]} closes it, and others follow");
            }
        }

        reader.ExpectEnd();
        return new ValueIndex(level, ids, ends);
    }

    /// <summary>Rejects an index that cannot be where it is in its value.</summary>
    /// <param name="id">The index, named in the error.</param>
    /// <param name="level">The level that its place asks for; 0 for the root, which may have any.</param>
    /// <param name="sizeBytes">The size that its parent or the value gives it.</param>
    /// <param name="isLast">Whether it is the last of its level.</param>
    public void CheckPlace(ObjectId id, int level, long sizeBytes, bool isLast)
    {
        if (SizeBytes != sizeBytes)
        {
            throw new CorruptObjectException($"it holds {SizeBytes} bytes of a value, and should hold {sizeBytes}", id);
        }

        if (level == 0 ? Level > 1 && Count == 1 : Level != level)
        {
            throw new CorruptObjectException($"an index of level {Level} with {Count} children is misplaced", id);
        }

        if (!isLast && (!IsClosed || SizeBytesOf(Count - 1) < ValueFormat.ChildSizeBytesMin(Level)))
        {
            throw new CorruptObjectException("it ends early, and is not the last index of its level", id);
        }
    }
}

/// <summary>A chunk, or an index below another.</summary>
/// <param name="Id">Its id.</param>
/// <param name="SizeBytes">Bytes of content below.</param>
internal readonly record struct ValueChild(ObjectId Id, long SizeBytes);
