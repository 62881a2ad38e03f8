using Ledger.Rpc.Protocol;

namespace Ledger.Rpc.Client;

/// <summary>What goes with a call, beside its messages.</summary>
/// <param name="Metadata">Sent with it; null for none.</param>
/// <param name="Timeout">How long it may take; null for the channel's own, or none when it follows something.</param>
internal sealed record RpcCallOptions(RpcMetadata? Metadata = null, TimeSpan? Timeout = null)
{
    /// <summary>Nothing.</summary>
    public static RpcCallOptions None { get; } = new();

    /// <summary>Names a store.</summary>
    public static RpcCallOptions OfStore(string store) => new(new RpcMetadata { { GrpcHeaders.Store, store } });
}
