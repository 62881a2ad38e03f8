using Ledger.Rpc.Protocol;

namespace Ledger.Rpc.Serving;

/// <summary>What a handler knows of a call.</summary>
/// <param name="metadata">What the caller sent with it.</param>
/// <param name="user">Who calls, as the host found out; null when nobody knows.</param>
/// <param name="token">Cancelled when the caller is gone or its time is over.</param>
internal sealed class RpcContext(RpcMetadata metadata, object? user, CancellationToken token)
{
    /// <summary>What the caller sent with the call.</summary>
    public RpcMetadata Metadata { get; } = metadata;

    /// <summary>Who calls, as the host found out; null when nobody knows.</summary>
    public object? User { get; } = user;

    /// <summary>Cancelled when the caller is gone or its time is over.</summary>
    public CancellationToken Token { get; } = token;

    /// <summary>What goes to the caller with how the call ended.</summary>
    public RpcMetadata Trailers { get; } = [];

    /// <summary>Where a large answer takes its memory; null for any.</summary>
    public ByteBudget? Answers { get; set; }

    /// <summary>Ends the call at once, whether or not its caller takes what was sent; null when nothing does.</summary>
    public Action? Abort { get; init; }

    /// <summary>Work of the call that may go on when the caller has its answer; null when there is none.</summary>
    public Task? Left { get; set; }
}
