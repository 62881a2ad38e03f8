using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>One end of a connection in memory: asynchronous only, at most 256 KiB under way each way.</summary>
internal sealed class MemoryConnection : Stream
{
    private const int PartSizeMax = 16 * 1024;
    private const int PartsMax = 16;

    private readonly AsyncQueue<byte[]> _incoming;
    private readonly AsyncQueue<byte[]> _outgoing;
    private ReadOnlyMemory<byte> _unread;
    private bool _isDisposed;

    private MemoryConnection(AsyncQueue<byte[]> incoming, AsyncQueue<byte[]> outgoing) =>
        (_incoming, _outgoing) = (incoming, outgoing);

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    /// <summary>Both ends of a new connection.</summary>
    public static (MemoryConnection Client, MemoryConnection Server) NewPair()
    {
        var toServer = new AsyncQueue<byte[]>(PartsMax);
        var toClient = new AsyncQueue<byte[]>(PartsMax);
        return (new MemoryConnection(toClient, toServer), new MemoryConnection(toServer, toClient));
    }

    public override async ValueTask<int> ReadAsync(
        Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_unread.IsEmpty && !buffer.IsEmpty)
        {
            var next = await _incoming.DequeueAsync(cancellationToken);
            _unread = next.IsEnd ? default : next.Item;
        }

        var part = _unread[..Math.Min(_unread.Length, buffer.Length)];
        part.CopyTo(buffer);
        _unread = _unread[part.Length..];
        return part.Length;
    }

    public override async ValueTask WriteAsync(
        ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        while (!buffer.IsEmpty)
        {
            var part = buffer[..Math.Min(buffer.Length, PartSizeMax)];
            buffer = buffer[part.Length..];
            try
            {
                await _outgoing.EnqueueAsync(part.ToArray(), cancellationToken);
            }
            catch (InvalidOperationException exception)
            {
                throw new IOException("The other side has closed the connection.", exception);
            }
        }
    }

    public override Task<int> ReadAsync(
        byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
        // What was written is under way already.
    }

    public override int Read(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("A connection in memory is read asynchronously.");

    public override void Write(byte[] buffer, int offset, int count) =>
        throw new NotSupportedException("A connection in memory is written asynchronously.");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_isDisposed)
        {
            _isDisposed = true;
            _outgoing.Complete();
            _incoming.Complete();
        }

        base.Dispose(disposing);
    }
}
