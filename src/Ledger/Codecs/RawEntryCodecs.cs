using System.Buffers;
using System.IO.Compression;
using System.Text;

namespace Ledger.Codecs;

/// <summary>Bytes as they are; a search does not find them.</summary>
public sealed class BytesEntryCodec : IEntryCodec<ReadOnlyMemory<byte>>
{
    /// <inheritdoc/>
    public void Encode(ReadOnlyMemory<byte> value, IBufferWriter<byte> destination) =>
        (destination ?? throw new ArgumentNullException(nameof(destination))).Write(value.Span);

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Decode(ReadOnlyMemory<byte> payload) => payload.ToArray();

    /// <inheritdoc/>
    public string? TextOf(ReadOnlyMemory<byte> payload) => null;
}

/// <summary>Text as UTF-8.</summary>
public sealed class TextEntryCodec : IEntryCodec<string>
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <inheritdoc/>
    /// <exception cref="SchemaException">The text has half a surrogate pair in it.</exception>
    public void Encode(string value, IBufferWriter<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        try
        {
            Strict.GetBytes(value, destination);
        }
        catch (EncoderFallbackException error)
        {
            throw new SchemaException("The text has half a surrogate pair in it.", 0, error);
        }
    }

    /// <inheritdoc/>
    public string Decode(ReadOnlyMemory<byte> payload)
    {
        try
        {
            return Strict.GetString(payload.Span);
        }
        catch (DecoderFallbackException error)
        {
            throw new SchemaException("The payload is not text in UTF-8.", 0, error);
        }
    }

    /// <inheritdoc/>
    public string? TextOf(ReadOnlyMemory<byte> payload) => payload.IsEmpty ? null : Decode(payload).Replace('\0', ' ');
}

/// <summary>What another codec writes, compressed when that makes it smaller.</summary>
/// <remarks>The first byte is 0 for what follows as it is and 1 for Brotli.</remarks>
/// <param name="inner">The other codec.</param>
/// <param name="sizeBytesMax">The largest payload that is unpacked; more is refused before it is read.</param>
/// <typeparam name="T">The value.</typeparam>
public sealed class BrotliEntryCodec<T>(IEntryCodec<T> inner, int sizeBytesMax = 64 << 20) : IEntryCodec<T>
{
    private const int Quality = 5;
    private const int Window = 22;
    private const byte Plain = 0;
    private const byte Packed = 1;

    /// <inheritdoc/>
    public void Encode(T value, IBufferWriter<byte> destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var plain = new ArrayBufferWriter<byte>();
        inner.Encode(value, plain);
        var packed = new byte[plain.WrittenCount];
        var isSmaller = BrotliEncoder.TryCompress(plain.WrittenSpan, packed, out var sizeBytes, Quality, Window)
            && sizeBytes < plain.WrittenCount;
        destination.Write([isSmaller ? Packed : Plain]);
        destination.Write(isSmaller ? packed.AsSpan(0, sizeBytes) : plain.WrittenSpan);
    }

    /// <inheritdoc/>
    public T Decode(ReadOnlyMemory<byte> payload) => inner.Decode(Unpack(payload));

    /// <inheritdoc/>
    public string? TextOf(ReadOnlyMemory<byte> payload) => inner.TextOf(Unpack(payload));

    private ReadOnlyMemory<byte> Unpack(ReadOnlyMemory<byte> payload)
    {
        if (payload.IsEmpty || payload.Span[0] > Packed)
        {
            throw new SchemaException("The payload was not written by the compressing codec.", 0);
        }

        if (payload.Span[0] == Plain)
        {
            return payload[1..];
        }

        var unpacked = new ArrayBufferWriter<byte>();
        using var decoder = new BrotliDecoder();
        var rest = payload.Span[1..];
        while (true)
        {
            var status = decoder.Decompress(rest, unpacked.GetSpan(), out var used, out var written);
            unpacked.Advance(written);
            rest = rest[used..];
            if (status == OperationStatus.Done && rest.IsEmpty)
            {
                return unpacked.WrittenMemory;
            }

            if (status != OperationStatus.DestinationTooSmall || unpacked.WrittenCount > sizeBytesMax)
            {
                throw new SchemaException(
                    $"The compressed payload is damaged, or has more than {sizeBytesMax} bytes.", 0);
            }
        }
    }
}
