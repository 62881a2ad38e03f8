using Ledger.Streams;

namespace Ledger.Server.Services;

/// <summary>The database that the daemon's stores are in.</summary>
internal interface IStoreDatabase : IAsyncDisposable
{
    /// <summary>Whether the first store that is opened makes the database.</summary>
    bool IsMadeByOpening { get; }

    /// <summary>Opens a store in it, which is the caller's to dispose of.</summary>
    /// <param name="name">The store; checked by the call.</param>
    /// <param name="create">Whether it is made when it is missing.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>Null when it is missing.</returns>
    /// <exception cref="ArgumentException">It is not the name of a store.</exception>
    /// <exception cref="Objects.StoreUnavailableException">The database does not answer.</exception>
    ValueTask<StreamStore?> OpenAsync(string name, bool create, CancellationToken cancellationToken);

    /// <summary>What stores of it promise.</summary>
    /// <param name="name">The store, which need not be there.</param>
    /// <exception cref="ArgumentException">It is not the name of a store.</exception>
    StreamStoreCapabilities CapabilitiesOf(string name);

    /// <summary>Names of the stores there are, ascending without case.</summary>
    /// <exception cref="Objects.StoreUnavailableException">The database does not answer.</exception>
    ValueTask<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Asks the database for something.</summary>
    /// <exception cref="Objects.StoreUnavailableException">It does not answer.</exception>
    ValueTask CheckHealthAsync(CancellationToken cancellationToken);
}
