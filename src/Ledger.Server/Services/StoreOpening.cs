using Ledger.Objects;
using Ledger.Streams;

namespace Ledger.Server.Services;

/// <summary>Opens stores.</summary>
internal static class StoreOpening
{
    /// <summary>Opens a store, or closes it.</summary>
    /// <param name="store">A store that was not used before.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>The store; null when it is missing.</returns>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public static async ValueTask<StreamStore?> OpenAsync(StreamStore store, CancellationToken cancellationToken)
    {
        var isOpen = false;
        try
        {
            await store.EnsureCreatedAsync(cancellationToken);
            isOpen = true;
            return store;
        }
        catch (StoreUnavailableException missing) when (missing.Reason == StoreUnavailableReason.Missing)
        {
            return null;
        }
        finally
        {
            if (!isOpen)
            {
                await store.DisposeAsync();
            }
        }
    }
}
