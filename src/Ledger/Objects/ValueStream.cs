using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>A value as a stream that can be read and sought, asynchronously only; for one caller at a time.</summary>
/// <remarks>Throws what <see cref="ValueReader"/> throws. Reading loads the chunks that it touches.</remarks>
/// <param name="runtime">Entered by every asynchronous call.</param>
/// <param name="reader">Reads the value; owned by the stream.</param>
internal sealed class ValueStream(LedgerRuntime runtime, ValueReader reader) : Stream
{
    private long _position;
    private bool _disposed;

    /// <inheritdoc/>
    public override bool CanRead => !_disposed;

    /// <inheritdoc/>
    public override bool CanSeek => !_disposed;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return reader.SizeBytes;
        }
    }

    /// <inheritdoc/>
    public override long Position
    {
        get
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _position;
        }

        set
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        await runtime.Enter();
        ObjectDisposedException.ThrowIf(_disposed, this);
        var count = await reader.ReadAsync(_position, buffer, cancellationToken);
        _position += count;
        return count;
    }

    /// <inheritdoc/>
    public override async Task<int> ReadAsync(
        byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        await runtime.Enter();
        return await ReadAsync(buffer.AsMemory(offset, count), cancellationToken);
    }

    /// <inheritdoc/>
    public override async Task CopyToAsync(Stream destination, int bufferSize, CancellationToken cancellationToken)
    {
        ValidateCopyToArguments(destination, bufferSize);
        await runtime.Enter();
        var buffer = new byte[bufferSize];
        while (true)
        {
            var count = await ReadAsync(buffer, cancellationToken);
            if (count == 0)
            {
                return;
            }

            await destination.WriteAsync(buffer.AsMemory(0, count), cancellationToken);
            await runtime.Enter();
        }
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin)
    {
        var start = origin switch
        {
            SeekOrigin.Begin => 0,
            SeekOrigin.Current => Position,
            SeekOrigin.End => Length,
            _ => throw new ArgumentOutOfRangeException(nameof(origin), origin, "Unknown origin of a seek."),
        };
        var position = checked(start + offset);
        if (position < 0)
        {
            throw new IOException($"A seek to {position} is before the start of the value.");
        }

        Position = position;
        return position;
    }

    /// <inheritdoc/>
    public override void Flush()
    {
        // Nothing is written, so nothing waits.
    }

    /// <inheritdoc/>
    public override async Task FlushAsync(CancellationToken cancellationToken) => await runtime.Enter();

    /// <summary>Not supported: the value is read asynchronously.</summary>
    public override int Read(byte[] buffer, int offset, int count) => throw AsynchronousOnly();

    /// <summary>Not supported: the value is read asynchronously.</summary>
    public override int Read(Span<byte> buffer) => throw AsynchronousOnly();

    /// <summary>Not supported: the value is read asynchronously.</summary>
    public override int ReadByte() => throw AsynchronousOnly();

    /// <summary>Not supported: the value is read asynchronously.</summary>
    public override void CopyTo(Stream destination, int bufferSize) => throw AsynchronousOnly();

    /// <summary>Not supported: the value is read with tasks.</summary>
    public override IAsyncResult BeginRead(
        byte[] buffer, int offset, int count, AsyncCallback? callback, object? state) => throw AsynchronousOnly();

    /// <summary>Not supported: a value never changes.</summary>
    public override void SetLength(long value) => throw ReadOnly();

    /// <summary>Not supported: a value never changes.</summary>
    public override void Write(byte[] buffer, int offset, int count) => throw ReadOnly();

    /// <summary>Not supported: a value never changes.</summary>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        throw ReadOnly();

    /// <summary>Not supported: a value never changes.</summary>
    public override ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => throw ReadOnly();

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await runtime.Enter();
        await base.DisposeAsync();
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _disposed = true;
        base.Dispose(disposing);
    }

    private static NotSupportedException AsynchronousOnly() =>
        new("A value is read asynchronously: use ReadAsync or CopyToAsync.");

    private static NotSupportedException ReadOnly() => new("A value never changes: put a new one under the key.");
}
