using System.Collections.Concurrent;
using System.Data.Common;
using Ledger.Objects;
using Ledger.Rpc;
using Ledger.Runtime;
using Ledger.Streams;

namespace Ledger.Server.Services;

/// <summary>The stores of the daemon's database, each opened once and closed when nobody uses it for a while.</summary>
/// <remarks>Safe from any thread. Names are without case. Its stores are its own to dispose of.</remarks>
public sealed class StoreCatalog : IAsyncDisposable
{
    /// <summary>Stores of a database unless the configuration says otherwise.</summary>
    public const int StoresMaxDefault = 1_000;

    /// <summary>How long a store that nobody uses stays open unless the configuration says otherwise.</summary>
    public static readonly TimeSpan IdleTimeDefault = TimeSpan.FromMinutes(10);

    // Another process may make a store; nobody tells us.
    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(1);

    // On the scheduler that it began on, whatever became of it.
    private const ConfigureAwaitOptions Quietly =
        ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext;

    private readonly IStoreDatabase _database;
    private readonly LedgerRuntime _runtime;
    private readonly TimeSpan _idleTime;
    private readonly ConcurrentDictionary<string, HeldStore> _open = new(StringComparer.OrdinalIgnoreCase);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Task<bool>> _looks = new(StringComparer.OrdinalIgnoreCase);
    private readonly SemaphoreSlim _making = new(1);
    private readonly SemaphoreSlim _first = new(1);
    private readonly AsyncSignal _made = new();
    private readonly CancellationTokenSource _over = new();
    private readonly Task _sweeping;
    private volatile bool _hasOpened;
    private volatile bool _isDisposed;

    /// <summary>The stores of a database, which becomes the catalog's own.</summary>
    internal StoreCatalog(IStoreDatabase database, LedgerRuntime runtime, TimeSpan? idleTime = null)
    {
        (_database, _runtime, _idleTime) = (database, runtime, idleTime ?? IdleTimeDefault);
        _sweeping = SweepAsync(_over.Token);
    }

    /// <summary>Stores at most; an append that would make one more is refused. May change at any time.</summary>
    public int StoresMax { get; set; } = StoresMaxDefault;

    /// <summary>The stores in a SQLite file, which is made when it is missing.</summary>
    /// <param name="path">The file.</param>
    /// <param name="fullText">Whether stores index words.</param>
    /// <param name="runtime">The seams; those of production when null.</param>
    /// <param name="idleTime">How long a store that nobody uses stays open; the default when null.</param>
    public static StoreCatalog OfSqlite(
        string path, bool fullText = false, LedgerRuntime? runtime = null, TimeSpan? idleTime = null)
    {
        runtime ??= LedgerRuntime.CreateSystem();
        return new(new SqliteDatabase(path, fullText, runtime), runtime, idleTime);
    }

    /// <summary>The stores in a PostgreSQL database.</summary>
    /// <param name="connectionString">Of Npgsql, or a URI.</param>
    /// <param name="schema">The schema that has the tables.</param>
    /// <param name="fullText">Whether stores index words.</param>
    /// <param name="runtime">The seams; those of production when null.</param>
    /// <param name="idleTime">How long a store that nobody uses stays open; the default when null.</param>
    public static StoreCatalog OfPostgres(
        string connectionString, string schema = "public", bool fullText = false, LedgerRuntime? runtime = null,
        TimeSpan? idleTime = null)
    {
        runtime ??= LedgerRuntime.CreateSystem();
        return new(new PostgresDatabase(connectionString, schema, fullText, runtime), runtime, idleTime);
    }

    /// <summary>The store, or null when there is none; nothing is made.</summary>
    /// <remarks>A store that hangs or is missing delays only those who ask for the same one.</remarks>
    /// <exception cref="ArgumentException">It is not the name of a store.</exception>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public async ValueTask<HeldStore?> FindAsync(string store, CancellationToken cancellationToken = default)
    {
        for (var others = 0; ;)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (_open.TryGetValue(store, out var found) && found.TryHold())
            {
                return found;
            }

            var look = Look(store, out var isOwn);
            if (await look.WaitAsync(cancellationToken))
            {
                continue;
            }

            // Somebody else's look may have begun before the store was made; the next one has not.
            if (isOwn || ++others == 2)
            {
                return null;
            }
        }
    }

    /// <summary>The store, which is made when it is missing; whoever calls has checked that this is allowed.</summary>
    /// <exception cref="ArgumentException">It is not the name of a store.</exception>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public async ValueTask<HeldStore> OpenAsync(string store, CancellationToken cancellationToken = default)
    {
        while (true)
        {
            if (await FindAsync(store, cancellationToken) is { } found)
            {
                return found;
            }

            // One at a time: they are counted.
            await _making.WaitAsync(cancellationToken);
            try
            {
                if (await FindAsync(store, cancellationToken) is { } late)
                {
                    return late;
                }

                var names = await _database.ListAsync(cancellationToken);
                if (names.Count >= StoresMax)
                {
                    throw new RpcException(
                        RpcCode.ResourceExhausted, "There are as many stores as 'limits.stores' allows.");
                }

                var isMade = await TryOpenAsync(store, create: true, cancellationToken);
                Invariant.Check(isMade);
                _made.Pulse();
            }
            finally
            {
                _making.Release();
            }
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
    public async ValueTask<HeldStore> WaitAsync(string store, CancellationToken cancellationToken)
    {
        while (true)
        {
            var seen = _made.Version;
            if (await FindAsync(store, cancellationToken) is { } found)
            {
                return found;
            }

            using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task made = _made.WaitAsync(seen, over.Token).AsTask();
            var pause = _runtime.Delay(LookInterval, over.Token);
            await Task.WhenAny(made, pause);
            over.Cancel();
            await Task.WhenAll(made, pause).ConfigureAwait(Quietly);
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>What stores of this database promise, whether or not there is one.</summary>
    internal StreamStoreCapabilities CapabilitiesOf(string store) => _database.CapabilitiesOf(store);

    /// <summary>Closes the stores and the database; waits for what is being done.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isDisposed)
        {
            return;
        }

        _isDisposed = true;
        _made.Pulse();
        _over.Cancel();
        await _sweeping;
        Task[] looks;
        lock (_gate)
        {
            looks = [.. _looks.Values];
        }

        await Task.WhenAll(looks).ConfigureAwait(Quietly);
        foreach (var held in _open.Values)
        {
            await held.Store.DisposeAsync();
        }

        await _database.DisposeAsync();
        _making.Dispose();
        _first.Dispose();
        _over.Dispose();
    }

    /// <summary>One look into the database for all who ask for the same store meanwhile.</summary>
    /// <returns>Whether it is there, and was opened.</returns>
    private Task<bool> Look(string store, out bool isOwn)
    {
        var own = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            isOwn = !_looks.TryGetValue(store, out var look);
            if (!isOwn)
            {
                return look!;
            }

            _looks.Add(store, own.Task);
        }

        _ = LookAsync(store, own);
        return own.Task;
    }

    // For all who wait: it ends when it ends, or with the catalog, and not when one of them gives up.
    private async Task LookAsync(string store, TaskCompletionSource<bool> result)
    {
        var looking = OpenExistingAsync(store);
        await ((Task)looking).ConfigureAwait(Quietly);
        lock (_gate)
        {
            _looks.Remove(store);
        }

        result.SetFromTask(looking);
        _ = result.Task.Exception;
    }

    private async Task<bool> OpenExistingAsync(string store) =>
        _open.ContainsKey(store) || await TryOpenAsync(store, create: false, _over.Token);

    /// <summary>Opens a store, which becomes one of the catalog's unless another came first.</summary>
    /// <returns>False when it is missing.</returns>
    private async Task<bool> TryOpenAsync(string name, bool create, CancellationToken cancellationToken)
    {
        StreamStore? store;
        var isAlone = !_hasOpened && _database.IsMadeByOpening;
        if (isAlone)
        {
            // Connections that come to a new file of SQLite together are in each other's way.
            await _first.WaitAsync(cancellationToken);
        }

        try
        {
            store = await _database.OpenAsync(name, create, cancellationToken);
        }
        finally
        {
            if (isAlone)
            {
                _first.Release();
            }
        }

        if (store is null)
        {
            return false;
        }

        _hasOpened = true;
        if (!_open.TryAdd(name, new HeldStore(store, _runtime)) || _isDisposed)
        {
            // Another call came first, or everything is being closed.
            await store.DisposeAsync();
        }

        return true;
    }

    private async Task SweepAsync(CancellationToken cancellationToken)
    {
        await _runtime.Enter();
        try
        {
            while (true)
            {
                var next = _idleTime;
                foreach (var (name, held) in _open)
                {
                    if (held.TryClose(_idleTime))
                    {
                        await CloseAsync(name, held);
                    }
                    else if (held.Unused is { } unused && _idleTime - unused < next)
                    {
                        next = _idleTime - unused;
                    }
                }

                await _runtime.Delay(next > TimeSpan.Zero ? next : TimeSpan.Zero, cancellationToken);
            }
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // Everything is being closed.
        }
    }

    private async ValueTask CloseAsync(string name, HeldStore held)
    {
        _open.TryRemove(new(name, held));
        try
        {
            await held.Store.DisposeAsync();
        }
        catch (Exception error) when (error is LedgerException or DbException)
        {
            // Nobody uses it, and the next call opens it anew and hears what is wrong.
        }
    }
}
