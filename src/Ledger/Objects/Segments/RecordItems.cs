namespace Ledger.Objects.Segments;

/// <summary>What an item of a record does.</summary>
internal enum ItemTag : byte
{
    /// <summary>Stores an object.</summary>
    StoreObject = 1,

    /// <summary>Sets a row.</summary>
    SetRow = 2,

    /// <summary>Removes a row.</summary>
    DeleteRow = 3,

    /// <summary>Removes the rows of a range of keys.</summary>
    DeleteRows = 4,
}

/// <summary>Where an item is in the log.</summary>
/// <param name="Position">Log position of its first byte.</param>
/// <param name="SizeBytes">Length of the whole item.</param>
internal readonly record struct ItemLocation(long Position, int SizeBytes);

/// <summary>
/// One item as the index needs it: what it does to which id or keys, and where it is in its record's body.
/// </summary>
/// <param name="Tag">What it does.</param>
/// <param name="Offset">Its first byte in the body.</param>
/// <param name="SizeBytes">Its length.</param>
/// <param name="Id">The object, for <see cref="ItemTag.StoreObject"/>.</param>
/// <param name="Key">The row's key, or the first key of the range.</param>
/// <param name="KeyEnd">The first key after the range, for <see cref="ItemTag.DeleteRows"/>.</param>
internal readonly record struct RecordItem(
    ItemTag Tag, int Offset, int SizeBytes, ObjectId Id, byte[]? Key, byte[]? KeyEnd);

/// <summary>Encodes and decodes the items of records, as docs/formats/log.md defines them.</summary>
internal static class RecordItems
{
    /// <summary>The only encoding there is: the plaintext bytes as they are.</summary>
    private const byte RawEncoding = 0;

    /// <summary>Appends an object.</summary>
    public static RecordItem WriteObject(ByteWriter body, ObjectKind kind, ObjectId id, ReadOnlySpan<byte> content)
    {
        var offset = body.Length;
        body.WriteByte((byte)ItemTag.StoreObject);
        body.WriteByte((byte)kind);
        body.WriteByte(RawEncoding);
        body.WriteVarint((ulong)content.Length);
        body.WriteVarint((ulong)content.Length);
        body.WriteId(id);
        body.WriteBytes(content);
        return new RecordItem(ItemTag.StoreObject, offset, body.Length - offset, id, null, null);
    }

    /// <summary>Appends a row.</summary>
    public static RecordItem WriteRow(ByteWriter body, ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        var offset = body.Length;
        body.WriteByte((byte)ItemTag.SetRow);
        body.WriteUInt32(0);
        body.WriteSized(key);
        body.WriteSized(value);
        var checksum = Crc32C.Of(body.WrittenSpan[(offset + 5)..]);
        System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(body.MutableSpan[(offset + 1)..], checksum);
        return new RecordItem(ItemTag.SetRow, offset, body.Length - offset, default, key.ToArray(), null);
    }

    /// <summary>Appends the removal of a row.</summary>
    public static RecordItem WriteDelete(ByteWriter body, ReadOnlySpan<byte> key)
    {
        var offset = body.Length;
        body.WriteByte((byte)ItemTag.DeleteRow);
        body.WriteSized(key);
        return new RecordItem(ItemTag.DeleteRow, offset, body.Length - offset, default, key.ToArray(), null);
    }

    /// <summary>Appends the removal of a range of rows.</summary>
    public static RecordItem WriteDeleteRange(ByteWriter body, ReadOnlySpan<byte> from, ReadOnlySpan<byte> to)
    {
        var offset = body.Length;
        body.WriteByte((byte)ItemTag.DeleteRows);
        body.WriteSized(from);
        body.WriteSized(to);
        return new RecordItem(
            ItemTag.DeleteRows, offset, body.Length - offset, default, from.ToArray(), to.ToArray());
    }

    /// <summary>Decodes all items of a body.</summary>
    /// <exception cref="CorruptObjectException">The body is not <paramref name="count"/> whole items.</exception>
    public static List<RecordItem> Decode(ReadOnlySpan<byte> body, int count)
    {
        var reader = new ByteReader(body, "A log record");
        // The smallest item, a removal of a one-byte key, has three bytes.
        if (count > body.Length / 3)
        {
            throw reader.Corrupt($"it says {count} items in {body.Length} bytes");
        }

        var items = new List<RecordItem>(count);
        while (items.Count < count)
        {
            items.Add(DecodeOne(ref reader));
        }

        reader.ExpectEnd();
        return items;
    }

    /// <summary>Decodes the object in an item that was read by itself.</summary>
    /// <returns>The kind and where the content is in the item; null when the item is another one.</returns>
    public static (ObjectKind Kind, int ContentOffset)? TryDecodeObject(ReadOnlySpan<byte> item, ObjectId id)
    {
        var reader = new ByteReader(item, "A stored object");
        if (reader.ReadByte() != (byte)ItemTag.StoreObject)
        {
            return null;
        }

        var (kind, found, contentSize) = ReadObjectHeader(ref reader);
        return found == id && reader.Remaining == contentSize ? (kind, reader.Position) : null;
    }

    /// <summary>Decodes the value in a row that was read by itself, and checks its checksum.</summary>
    /// <exception cref="CorruptObjectException">The item is not the row with this key, or is damaged.</exception>
    public static ReadOnlyMemory<byte> DecodeRowValue(ReadOnlyMemory<byte> item, ReadOnlySpan<byte> key, bool verify)
    {
        var reader = new ByteReader(item.Span, "A stored row");
        var tag = reader.ReadByte();
        var checksum = reader.ReadUInt32();
        if (tag != (byte)ItemTag.SetRow || (verify && checksum != Crc32C.Of(item.Span[5..])))
        {
            throw reader.Corrupt("its checksum does not match");
        }

        var found = reader.ReadSized(1, StoreLimits.RowKeySizeBytesMax, "the length of the key");
        var value = reader.ReadSized(0, StoreLimits.RowValueSizeBytesMax, "the length of the value");
        reader.ExpectEnd();
        return found.SequenceEqual(key)
            ? item[^value.Length..]
            : throw reader.Corrupt("it has another key than the index says");
    }

    private static RecordItem DecodeOne(ref ByteReader reader)
    {
        var offset = reader.Position;
        var tag = (ItemTag)reader.ReadByte();
        ObjectId id = default;
        byte[]? key = null;
        byte[]? keyEnd = null;
        switch (tag)
        {
            case ItemTag.StoreObject:
                (_, id, var contentSize) = ReadObjectHeader(ref reader);
                reader.ReadBytes(contentSize);
                break;
            case ItemTag.SetRow:
                reader.ReadUInt32();
                key = ReadKey(ref reader);
                reader.ReadSized(0, StoreLimits.RowValueSizeBytesMax, "the length of a row");
                break;
            case ItemTag.DeleteRow:
                key = ReadKey(ref reader);
                break;
            case ItemTag.DeleteRows:
                key = ReadKey(ref reader);
                keyEnd = ReadKey(ref reader);
                break;
            default:
                throw reader.Corrupt($"an item has the unknown tag {(byte)tag}");
        }

        return new RecordItem(tag, offset, reader.Position - offset, id, key, keyEnd);
    }

    private static (ObjectKind Kind, ObjectId Id, int ContentSize) ReadObjectHeader(ref ByteReader reader)
    {
        var kind = (ObjectKind)reader.ReadByte();
        if (!Enum.IsDefined(kind))
        {
            throw reader.Corrupt($"an object has the unknown kind {(byte)kind}");
        }

        var encoding = reader.ReadByte();
        if (encoding != RawEncoding)
        {
            throw reader.Corrupt($"an object has the unknown encoding {encoding}");
        }

        var stored = reader.ReadVarint(1, StoreLimits.ObjectSizeBytesMax, "the stored length of an object");
        reader.ReadVarint(stored, stored, "the logical length of an object");
        return (kind, reader.ReadId(), (int)stored);
    }

    private static byte[] ReadKey(ref ByteReader reader) =>
        reader.ReadSized(1, StoreLimits.RowKeySizeBytesMax, "the length of a row's key").ToArray();
}
