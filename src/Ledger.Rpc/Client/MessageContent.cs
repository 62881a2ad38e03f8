using System.Net;
using Google.Protobuf;
using Ledger.Rpc.Protocol;

namespace Ledger.Rpc.Client;

/// <summary>A body of one message; it can be sent again, on another connection.</summary>
/// <param name="message">The message; not changed while the call lasts.</param>
internal sealed class MessageContent(IMessage message) : HttpContent
{
    /// <inheritdoc/>
    protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
        SerializeToStreamAsync(stream, context, CancellationToken.None);

    /// <inheritdoc/>
    protected override async Task SerializeToStreamAsync(
        Stream stream, TransportContext? context, CancellationToken cancellationToken)
    {
        var frame = new byte[FrameWriter.SizeOf(message)];
        FrameWriter.Write(message, frame);
        await stream.WriteAsync(frame, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override bool TryComputeLength(out long length)
    {
        // Not said, as other clients do not: a length would have to hold for every frame.
        length = 0;
        return false;
    }
}
