using Ledger.Server.Identities;

namespace Ledger.Server.Services;

/// <summary>What a handler knows of a call, whichever protocol it came by.</summary>
/// <param name="Identity">Who calls; null when nobody knows, which only health allows.</param>
/// <param name="Store">The store that the header names, as it was sent; null when there is none.</param>
/// <param name="Token">Cancelled when the caller is gone or its time is over.</param>
public sealed record ServiceCall(Identity? Identity, string? Store, CancellationToken Token)
{
    /// <summary>Ends the call at once, whether or not its caller takes what was sent; null when nothing does.</summary>
    internal Action? Abort { get; init; }
}
