using Ledger.Streams;

namespace Ledger.Server.Services;

/// <summary>The database that the daemon's stores are in.</summary>
internal interface IStoreDatabase : IAsyncDisposable
{
    /// <summary>A store in it, which opens on first use and is the caller's to dispose of.</summary>
    /// <param name="name">The store; checked by the call.</param>
    /// <param name="create">Whether it is made when it is missing.</param>
    StreamStore Store(string name, bool create);

    /// <summary>Names of the stores there are, ascending without case.</summary>
    /// <exception cref="Objects.StoreUnavailableException">The database does not answer.</exception>
    ValueTask<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken);

    /// <summary>Asks the database for something.</summary>
    /// <exception cref="Objects.StoreUnavailableException">It does not answer.</exception>
    ValueTask CheckHealthAsync(CancellationToken cancellationToken);
}
