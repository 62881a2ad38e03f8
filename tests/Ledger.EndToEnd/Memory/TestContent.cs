using System.Buffers.Binary;

namespace Ledger.EndToEnd.Memory;

/// <summary>Bytes that no compression or deduplication can shorten, made while they are read.</summary>
/// <param name="sizeBytes">How many.</param>
internal sealed class TestContent(long sizeBytes) : Stream
{
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => sizeBytes;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override int Read(Span<byte> buffer)
    {
        var count = (int)Math.Min(buffer.Length, sizeBytes - _position);
        for (var i = 0; i < count;)
        {
            var word = WordAt(_position / sizeof(ulong));
            if (_position % sizeof(ulong) == 0 && count - i >= sizeof(ulong))
            {
                BinaryPrimitives.WriteUInt64LittleEndian(buffer[i..], word);
                i += sizeof(ulong);
                _position += sizeof(ulong);
            }
            else
            {
                buffer[i++] = (byte)(word >> (int)(8 * (_position++ % sizeof(ulong))));
            }
        }

        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
        new(Read(buffer.Span));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        Task.FromResult(Read(buffer.AsSpan(offset, count)));

    public override void Flush()
    {
        // Nothing is written.
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>A word is a function of its index alone: how reads are split does not show in the content.</summary>
    private static ulong WordAt(long index)
    {
        var mixed = unchecked((ulong)index * 0x9E37_79B9_7F4A_7C15);
        mixed = unchecked((mixed ^ (mixed >> 30)) * 0xBF58_476D_1CE4_E5B9);
        mixed = unchecked((mixed ^ (mixed >> 27)) * 0x94D0_49BB_1331_11EB);
        return mixed ^ (mixed >> 31);
    }
}
