using System.Buffers.Binary;

namespace Ledger.Objects;

/// <summary>
/// Reads the canonical encodings of docs/formats; every deviation is a <see cref="CorruptObjectException"/>.
/// </summary>
/// <param name="content">What is read.</param>
/// <param name="what">What is decoded, as a noun phrase for the error.</param>
/// <param name="id">The object that is decoded, for the error, when it has a name.</param>
internal ref struct ByteReader(ReadOnlySpan<byte> content, string what, ObjectId id = default)
{
    private readonly ReadOnlySpan<byte> _content = content;
    private readonly string _what = what;
    private readonly ObjectId _id = id;

    /// <summary>Offset of the next byte.</summary>
    public int Position { get; private set; }

    /// <summary>Bytes not read yet.</summary>
    public readonly int Remaining => _content.Length - Position;

    /// <summary>One byte.</summary>
    public byte ReadByte() => ReadBytes(1)[0];

    /// <summary>The next <paramref name="count"/> bytes, as a view.</summary>
    public ReadOnlySpan<byte> ReadBytes(int count)
    {
        if (count < 0 || count > Remaining)
        {
            throw Corrupt($"it ends at byte {_content.Length}, inside a field of {count} bytes at {Position}");
        }

        var bytes = _content.Slice(Position, count);
        Position += count;
        return bytes;
    }

    /// <summary>Two bytes, little-endian.</summary>
    public ushort ReadUInt16() => BinaryPrimitives.ReadUInt16LittleEndian(ReadBytes(sizeof(ushort)));

    /// <summary>Four bytes, little-endian.</summary>
    public uint ReadUInt32() => BinaryPrimitives.ReadUInt32LittleEndian(ReadBytes(sizeof(uint)));

    /// <summary>Eight bytes, little-endian.</summary>
    public ulong ReadUInt64() => BinaryPrimitives.ReadUInt64LittleEndian(ReadBytes(sizeof(ulong)));

    /// <summary>A BLAKE3 object id: 32 bytes.</summary>
    public ObjectId ReadId() => ObjectId.FromHash(ReadBytes(ObjectId.HashSizeBytes));

    /// <summary>An unsigned LEB128 number in its shortest form.</summary>
    public ulong ReadVarint()
    {
        ulong value = 0;
        for (var shift = 0; shift < 64; shift += 7)
        {
            var next = ReadByte();
            if (shift == 63 && next > 1)
            {
                throw Corrupt("a number is larger than 64 bits");
            }

            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80)
            {
                return next != 0 || shift == 0 ? value : throw Corrupt("a number is not in its shortest form");
            }
        }

        throw Corrupt("a number is longer than ten bytes");
    }

    /// <summary>A number in [<paramref name="min"/>, <paramref name="max"/>].</summary>
    public long ReadVarint(long min, long max, string field)
    {
        var value = ReadVarint();
        return value <= long.MaxValue && (long)value >= min && (long)value <= max
            ? (long)value
            : throw Corrupt($"{field} is {value}, outside {min} to {max}");
    }

    /// <summary>A length in [<paramref name="min"/>, <paramref name="max"/>] and that many bytes, as a view.</summary>
    public ReadOnlySpan<byte> ReadSized(int min, int max, string field) => ReadBytes((int)ReadVarint(min, max, field));

    /// <summary>Checks that nothing is left.</summary>
    public readonly void ExpectEnd()
    {
        if (Remaining != 0)
        {
            throw Corrupt($"{Remaining} bytes follow its end");
        }
    }

    /// <summary>The error for what is being decoded.</summary>
    public readonly CorruptObjectException Corrupt(string problem) => new($"{_what} cannot be decoded: {problem}", _id);
}
