using System.Net;
using Google.Protobuf;
using Ledger.Rpc.Protocol;

namespace Ledger.Rpc.Client;

/// <summary>A body that is written while the call lasts; it can be sent once.</summary>
internal sealed class PushContent : HttpContent
{
    private readonly TaskCompletionSource<Stream> _stream = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Sends a message; waits while the server does not read.</summary>
    public async Task WriteAsync(IMessage message, CancellationToken cancellationToken)
    {
        var stream = await _stream.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        var frame = new byte[FrameWriter.SizeOf(message)];
        FrameWriter.Write(message, frame);
        await stream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Ends the body.</summary>
    public void Complete() => _done.TrySetResult();

    /// <summary>Wakes who waits to write to a call that will never begin.</summary>
    public void Fail(Exception error) => _stream.TrySetException(error);

    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        if (_stream.Task.IsCompleted)
        {
            throw SentAlready();
        }

        // The headers go out with the first bytes: without this, whoever reads before anything is written would wait
        // with them for the next ping.
        await stream.FlushAsync(cancellationToken).ConfigureAwait(false);
        if (!_stream.TrySetResult(stream))
        {
            throw SentAlready();
        }

        await _done.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        length = 0;
        return false;
    }

    private static IOException SentAlready() => new("The messages of the call are sent already, and cannot be again.");
}
