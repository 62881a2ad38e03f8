using System.Collections.Concurrent;
using Ledger.Objects;
using Ledger.Rpc;
using Ledger.Runtime;
using Ledger.Streams;

namespace Ledger.Server.Services;

/// <summary>The stores of the daemon's database, each opened once; names are without case.</summary>
/// <remarks>Safe from any thread. Its stores are its own to dispose of.</remarks>
public sealed class StoreCatalog : IAsyncDisposable
{
    /// <summary>Stores of a database unless the configuration says otherwise.</summary>
    public const int StoresMaxDefault = 1_000;

    // Another process may make a store; nobody tells us.
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    private readonly IStoreDatabase _database;
    private readonly ConcurrentDictionary<string, StreamStore> _open = new(StringComparer.OrdinalIgnoreCase);
    private readonly SemaphoreSlim _making = new(1);
    private readonly AsyncSignal _made = new();
    private volatile bool _isDisposed;

    private StoreCatalog(IStoreDatabase database) => _database = database;

    /// <summary>Stores at most; an append that would make one more is refused. May change at any time.</summary>
    public int StoresMax { get; set; } = StoresMaxDefault;

    /// <summary>The stores in a SQLite file, which is made when it is missing.</summary>
    /// <param name="path">The file.</param>
    /// <param name="fullText">Whether stores index words.</param>
    /// <param name="runtime">The seams; those of production when null.</param>
    public static StoreCatalog OfSqlite(string path, bool fullText = false, LedgerRuntime? runtime = null) =>
        new(new SqliteDatabase(path, fullText, runtime ?? LedgerRuntime.CreateSystem()));

    /// <summary>The stores in a PostgreSQL database.</summary>
    /// <param name="connectionString">Of Npgsql, or a URI.</param>
    /// <param name="schema">The schema that has the tables.</param>
    /// <param name="fullText">Whether stores index words.</param>
    /// <param name="runtime">The seams; those of production when null.</param>
    public static StoreCatalog OfPostgres(
        string connectionString, string schema = "public", bool fullText = false, LedgerRuntime? runtime = null) =>
        new(new PostgresDatabase(connectionString, schema, fullText, runtime ?? LedgerRuntime.CreateSystem()));

    /// <summary>The store, or null when there is none; nothing is made.</summary>
    /// <exception cref="ArgumentException">It is not the name of a store.</exception>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public async ValueTask<StreamStore?> FindAsync(string store, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_open.TryGetValue(store, out var found))
        {
            return found;
        }

        // One at a time: connections that come to a new file of SQLite together are in each other's way.
        await _making.WaitAsync(cancellationToken);
        try
        {
            return await FindAloneAsync(store, cancellationToken);
        }
        finally
        {
            _making.Release();
        }
    }

    /// <summary>The store, which is made when it is missing; whoever calls has checked that this is allowed.</summary>
    /// <exception cref="ArgumentException">It is not the name of a store.</exception>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public async ValueTask<StreamStore> OpenAsync(string store, CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        if (_open.TryGetValue(store, out var found))
        {
            return found;
        }

        await _making.WaitAsync(cancellationToken);
        try
        {
            if (await FindAloneAsync(store, cancellationToken) is { } late)
            {
                return late;
            }

            var names = await _database.ListAsync(cancellationToken);
            if (names.Count >= StoresMax)
            {
                throw new RpcException(
                    RpcCode.ResourceExhausted, "There are as many stores as 'limits.stores' allows.");
            }

            var made = await TryOpenAsync(_database.Store(store, create: true), cancellationToken);
            Invariant.Check(made is not null);
            _made.Pulse();
            return made;
        }
        finally
        {
            _making.Release();
        }
    }

    /// <summary>Names of the stores there are, ascending without case.</summary>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public ValueTask<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return _database.ListAsync(cancellationToken);
    }

    /// <summary>Asks the database, whether or not a store is open.</summary>
    /// <exception cref="StoreUnavailableException">It does not answer.</exception>
    public ValueTask CheckHealthAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        return _database.CheckHealthAsync(cancellationToken);
    }

    /// <summary>Waits until there is a store of that name; for those who follow one before it is made.</summary>
    public async ValueTask<StreamStore> WaitAsync(string store, CancellationToken cancellationToken)
    {
        while (true)
        {
            var seen = _made.Version;
            if (await FindAsync(store, cancellationToken) is { } found)
            {
                return found;
            }

            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            over.CancelAfter(LookInterval);
            try
            {
                await _made.WaitAsync(seen, over.Token);
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // Look again.
            }
        }
    }

    /// <summary>What stores of this database promise, whether or not there is one.</summary>
    internal StreamStoreCapabilities CapabilitiesOf(string store) => _database.Store(store, false).Capabilities;

    /// <summary>Closes the stores and the database; waits for what is being done.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _made.Pulse();
        foreach (var store in _open.Values)
        {
            await store.DisposeAsync();
        }

        await _database.DisposeAsync();
        _making.Dispose();
    }

    private async ValueTask<StreamStore?> FindAloneAsync(string store, CancellationToken cancellationToken) =>
        _open.TryGetValue(store, out var found)
            ? found : await TryOpenAsync(_database.Store(store, create: false), cancellationToken);

    private async ValueTask<StreamStore?> TryOpenAsync(StreamStore store, CancellationToken cancellationToken)
    {
        var kept = store;
        var isOpen = false;
        try
        {
            await store.EnsureCreatedAsync(cancellationToken);
            kept = _open.GetOrAdd(store.Name, store);
            isOpen = kept == store && !_isDisposed;
        }
        catch (StoreUnavailableException missing) when (missing.Reason == StoreUnavailableReason.Missing)
        {
            return null;
        }
        finally
        {
            if (!isOpen)
            {
                // Another call came first, it is not there, or everything is being closed.
                await store.DisposeAsync();
            }
        }

        return kept;
    }
}
