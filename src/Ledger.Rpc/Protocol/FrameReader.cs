using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using Google.Protobuf;

namespace Ledger.Rpc.Protocol;

/// <summary>Reads messages from a body: each a flag, four bytes of length, and the message.</summary>
/// <remarks>
/// For one reader at a time. Memory follows what has arrived, not what a length claims; a length beyond the limit is
/// refused before anything is kept for it.
/// </remarks>
/// <param name="body">Where the bytes come from; not disposed.</param>
/// <param name="messageBytesMax">Bytes of a message, compressed and not.</param>
/// <param name="encoding">How flagged messages are compressed; null when the peer did not say.</param>
/// <param name="budget">Where large messages take their memory, until the next one or the end; null for any.</param>
internal sealed class FrameReader(Stream body, int messageBytesMax, string? encoding, ByteBudget? budget = null)
    : IDisposable
{
    /// <summary>Bytes before a message.</summary>
    public const int PrefixBytes = 5;

    private const int FirstBytes = 4 << 10;
    private const int GrowthBytes = 64 << 10;

    // The bytes, and the message that is made of them.
    private const int SharesOfMessage = 2;

    private IDisposable? _share;
    private bool _isPooled = true;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(FirstBytes);
    private int _start;
    private int _end;

    private int Available => _end - _start;

    /// <summary>The next message; null at the end of the body.</summary>
    /// <exception cref="RpcException">It is too large, or the body is no sequence of messages.</exception>
    public async ValueTask<TMessage?> ReadAsync<TMessage>(
        MessageParser<TMessage> parser, CancellationToken cancellationToken)
        where TMessage : class, IMessage<TMessage>
    {
        if (!await FillAsync(PrefixBytes, cancellationToken).ConfigureAwait(false))
        {
            return Available == 0 ? null : throw Truncated();
        }

        var flag = _buffer[_start];
        var length = BinaryPrimitives.ReadUInt32BigEndian(_buffer.AsSpan(_start + 1));
        if (length > messageBytesMax)
        {
            throw TooLarge(length);
        }

        _start += PrefixBytes;
        if (budget is not null && length > ByteBudget.SmallBytes)
        {
            await FillLargeAsync(budget, (int)length, cancellationToken).ConfigureAwait(false);
        }
        else
        {
            await FillWholeAsync((int)length, cancellationToken).ConfigureAwait(false);
        }

        var frame = new ReadOnlyMemory<byte>(_buffer, _start, (int)length);
        _start += (int)length;
        try
        {
            return flag switch
            {
                0 => parser.ParseFrom(frame.Span),
                1 => parser.ParseFrom(await DecompressAsync(frame, cancellationToken).ConfigureAwait(false)),
                _ => throw new RpcException(RpcCode.Internal, $"A message has the unknown flag {flag}."),
            };
        }
        catch (InvalidProtocolBufferException error)
        {
            throw new RpcException(RpcCode.Internal, "A message is not of its type.", null, error);
        }
        finally
        {
            Shrink();
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Replace([], isPooled: false);
        _share?.Dispose();
    }

    private static RpcException Truncated() => new(RpcCode.Internal, "The body ends within a message.");

    private RpcException TooLarge(long length) => new(
        RpcCode.ResourceExhausted, $"A message has {length} bytes or more; the limit is {messageBytesMax}.");

    /// <summary>Reads a large message: a little of it, and the rest when there is memory for all of it.</summary>
    private async ValueTask FillLargeAsync(ByteBudget memory, int count, CancellationToken cancellationToken)
    {
        await FillWholeAsync(ByteBudget.SmallBytes, cancellationToken).ConfigureAwait(false);
        _share?.Dispose();
        _share = await memory.TakeAsync((long)SharesOfMessage * count, cancellationToken).ConfigureAwait(false);
        using var arrival = new ArrivalTime(ArrivalTime.OfLarge, cancellationToken);
        arrival.Begin();
        if (!await arrival.GuardAsync(FillAsync(count, arrival.Token, true), $"A message of {count} bytes")
            .ConfigureAwait(false))
        {
            throw Truncated();
        }
    }

    private async ValueTask FillWholeAsync(int count, CancellationToken cancellationToken)
    {
        if (!await FillAsync(count, cancellationToken).ConfigureAwait(false))
        {
            throw Truncated();
        }
    }

    // A large message was copied when it was parsed: its bytes are not kept while it is worked on.
    private void Shrink()
    {
        if (_buffer.Length > 2 * ByteBudget.SmallBytes && Available <= FirstBytes)
        {
            var smaller = ArrayPool<byte>.Shared.Rent(FirstBytes);
            _buffer.AsSpan(_start, Available).CopyTo(smaller);
            (_start, _end) = (0, Available);
            Replace(smaller, isPooled: true);
        }
    }

    // What a pool keeps, it keeps for long: large ones are not its.
    private void Replace(byte[] buffer, bool isPooled)
    {
        if (_isPooled && _buffer.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_buffer);
        }

        (_buffer, _isPooled) = (buffer, isPooled);
    }

    /// <summary>Reads until so many bytes are there; false when the body ends before.</summary>
    private async ValueTask<bool> FillAsync(
        int count, CancellationToken cancellationToken, bool isAdmitted = false)
    {
        while (Available < count)
        {
            if (_start > 0)
            {
                _buffer.AsSpan(_start, Available).CopyTo(_buffer);
                (_start, _end) = (0, Available);
            }

            if (_end == _buffer.Length)
            {
                var larger = isAdmitted
                    ? GC.AllocateUninitializedArray<byte>(count)
                    : ArrayPool<byte>.Shared.Rent(Math.Min(Math.Max(count, FirstBytes), (2 * _end) + GrowthBytes));
                _buffer.AsSpan(0, _end).CopyTo(larger);
                Replace(larger, !isAdmitted);
            }

            var read = await body.ReadAsync(_buffer.AsMemory(_end), cancellationToken).ConfigureAwait(false);
            if (read == 0)
            {
                return false;
            }

            _end += read;
        }

        return true;
    }

    private async ValueTask<byte[]> DecompressAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
    {
        if (encoding is null or "identity")
        {
            throw new RpcException(RpcCode.Internal, "A message is compressed, and no header says how.");
        }

        using var packed = new MemoryStream(frame.ToArray(), writable: false);
        using var gzip = new GZipStream(packed, CompressionMode.Decompress);
        using var plain = new MemoryStream();
        var part = ArrayPool<byte>.Shared.Rent(GrowthBytes);
        try
        {
            for (int read; (read = gzip.Read(part)) > 0;)
            {
                plain.Write(part, 0, read);
                if (budget is not null && _share is null && plain.Length > ByteBudget.SmallBytes)
                {
                    _share = await budget.TakeAsync((long)SharesOfMessage * messageBytesMax, cancellationToken)
                        .ConfigureAwait(false);
                }

                if (plain.Length > messageBytesMax)
                {
                    throw TooLarge(plain.Length);
                }
            }
        }
        catch (InvalidDataException error)
        {
            throw new RpcException(RpcCode.Internal, "A message is not compressed as its header says.", null, error);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(part);
        }

        return plain.ToArray();
    }
}
