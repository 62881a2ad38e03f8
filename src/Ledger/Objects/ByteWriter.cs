using System.Buffers;
using System.Buffers.Binary;

namespace Ledger.Objects;

/// <summary>
/// Writes the canonical encodings of docs/formats into a growing buffer; the twin of <see cref="ByteReader"/>.
/// </summary>
/// <param name="capacityBytes">Room to begin with.</param>
internal sealed class ByteWriter(int capacityBytes = 256) : IBufferWriter<byte>
{
    private byte[] _buffer = new byte[Math.Max(capacityBytes, 16)];

    /// <summary>Bytes written.</summary>
    public int Length { get; private set; }

    /// <summary>Bytes that fit without a larger buffer.</summary>
    public int CapacityBytes => _buffer.Length;

    /// <summary>What was written; valid until the next write or <see cref="Clear"/>.</summary>
    public ReadOnlyMemory<byte> WrittenMemory => _buffer.AsMemory(0, Length);

    /// <summary>What was written; valid until the next write or <see cref="Clear"/>.</summary>
    public ReadOnlySpan<byte> WrittenSpan => _buffer.AsSpan(0, Length);

    /// <summary>What was written, to fill in a field whose value is known later.</summary>
    public Span<byte> MutableSpan => _buffer.AsSpan(0, Length);

    /// <summary>Forgets everything and keeps the buffer.</summary>
    public void Clear() => Length = 0;

    /// <summary>A copy of what was written.</summary>
    public byte[] ToArray() => WrittenSpan.ToArray();

    /// <summary>One byte.</summary>
    public void WriteByte(byte value) => Reserve(1)[0] = value;

    /// <summary>Bytes as they are.</summary>
    public void WriteBytes(ReadOnlySpan<byte> bytes) => bytes.CopyTo(Reserve(bytes.Length));

    /// <summary>Two bytes, little-endian.</summary>
    public void WriteUInt16(ushort value) =>
        BinaryPrimitives.WriteUInt16LittleEndian(Reserve(sizeof(ushort)), value);

    /// <summary>Four bytes, little-endian.</summary>
    public void WriteUInt32(uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Reserve(sizeof(uint)), value);

    /// <summary>Eight bytes, little-endian.</summary>
    public void WriteUInt64(ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(Reserve(sizeof(ulong)), value);

    /// <summary>A BLAKE3 object id: 32 bytes.</summary>
    public void WriteId(ObjectId id) => id.CopyHashTo(Reserve(ObjectId.HashSizeBytes));

    /// <summary>An unsigned LEB128 number in its shortest form.</summary>
    public void WriteVarint(ulong value)
    {
        while (value >= 0x80)
        {
            WriteByte((byte)(value | 0x80));
            value >>= 7;
        }

        WriteByte((byte)value);
    }

    /// <summary>A length and that many bytes.</summary>
    public void WriteSized(ReadOnlySpan<byte> bytes)
    {
        WriteVarint((ulong)bytes.Length);
        WriteBytes(bytes);
    }

    /// <summary>Length of a number as a varint, 1 to 10.</summary>
    public static int VarintSizeBytes(ulong value) =>
        value == 0 ? 1 : (63 - System.Numerics.BitOperations.LeadingZeroCount(value)) / 7 + 1;

    /// <summary>Takes the next <paramref name="count"/> bytes to be filled by the caller.</summary>
    public Span<byte> Reserve(int count)
    {
        Grow(count);
        var span = _buffer.AsSpan(Length, count);
        Length += count;
        return span;
    }

    /// <inheritdoc/>
    public void Advance(int count) => Length += count;

    /// <inheritdoc/>
    public Memory<byte> GetMemory(int sizeHint = 0)
    {
        Grow(Math.Max(sizeHint, 1));
        return _buffer.AsMemory(Length);
    }

    /// <inheritdoc/>
    public Span<byte> GetSpan(int sizeHint = 0) => GetMemory(sizeHint).Span;

    private void Grow(int count)
    {
        if (_buffer.Length - Length < count)
        {
            Array.Resize(ref _buffer, Math.Max(_buffer.Length * 2, Length + count));
        }
    }
}
