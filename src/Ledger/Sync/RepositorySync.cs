using Ledger.Pages;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>
/// Synchronises the ledgers of a repository with the user's cloud, for as long as it is not disposed of.
/// </summary>
/// <remarks>
/// Everything that may pass is tried again for ever; what the user must decide is in the status. Ledgers that are
/// opened later take part from then on. Safe for concurrent use.
/// </remarks>
public sealed class RepositorySync : IAsyncDisposable
{
    private readonly LedgerRuntime _runtime;
    private readonly ICloudProvider _cloud;
    private readonly ReadOnlyMemory<byte> _secret;
    private readonly Action<RepositorySync> _disposed;
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, SyncEngine> _engines = new(StringComparer.Ordinal);
    private bool _isDisposed;

    internal RepositorySync(
        LedgerRuntime runtime, ICloudProvider cloud, string location, ReadOnlyMemory<byte> secret,
        Action<RepositorySync> disposed)
    {
        (_runtime, _cloud, Cloud, _secret, _disposed) = (runtime, cloud, location, secret, disposed);
    }

    /// <summary>Where the cloud is.</summary>
    public string Cloud { get; }

    /// <summary>The ledgers that take part, in ordinal order.</summary>
    public IReadOnlyList<string> Ledgers
    {
        get
        {
            lock (_gate)
            {
                return [.. _engines.Keys];
            }
        }
    }

    /// <summary>Asks once whether the cloud is there, for those who do not want to wait for one that is not.</summary>
    /// <param name="cancellationToken">Ends the asking.</param>
    /// <exception cref="CloudUnavailableException">It is not.</exception>
    /// <exception cref="ObjectDisposedException">It was stopped.</exception>
    public async Task CheckCloudAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);
        await _runtime.Enter();
        await using var connection = await _cloud.ConnectAsync(default, [], null, cancellationToken);
    }

    /// <summary>Asks the cloud what is new, and completes when it and every ledger have everything.</summary>
    /// <param name="cancellationToken">Ends the waiting, not the synchronisation: without a cloud it takes for
    /// ever.</param>
    /// <exception cref="SyncBlockedException">Nothing moves until the user decides.</exception>
    /// <exception cref="ObjectDisposedException">It was stopped, before or meanwhile.</exception>
    public async Task SyncNowAsync(CancellationToken cancellationToken = default)
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);
        foreach (var engine in List())
        {
            await engine.SyncNowAsync(cancellationToken);
        }
    }

    /// <summary>How a ledger and its cloud stand to each other now.</summary>
    public Task<SyncStatus> GetStatusAsync(string ledger, CancellationToken cancellationToken = default) =>
        EngineOf(ledger).GetStatusAsync(cancellationToken);

    /// <summary>The status of a ledger, and again whenever something has changed, until it is stopped.</summary>
    public IAsyncEnumerable<SyncStatus> WatchStatusAsync(
        string ledger, CancellationToken cancellationToken = default) =>
        EngineOf(ledger).WatchStatusAsync(cancellationToken);

    /// <summary>
    /// Takes the cloud as it is: everything in it is taken in anew, and what it lacks and this device has is sent.
    /// </summary>
    /// <remarks>
    /// For a cloud that was erased, restored or rolled back, and for entries that were put aside. Nothing local is
    /// lost. The device goes on under a new name.
    /// </remarks>
    public Task RepairAsync(string ledger, CancellationToken cancellationToken = default) =>
        EngineOf(ledger).RepairAsync(cancellationToken);

    /// <summary>Stops; idempotent. What is on its way is sent again the next time.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
        }

        await _runtime.Enter();
        foreach (var engine in List())
        {
            await engine.DisposeAsync();
        }

        await _cloud.DisposeAsync();
        _disposed(this);
    }

    /// <summary>A ledger takes part from now on; nothing happens when it does already.</summary>
    internal async Task AddAsync(LedgerStore ledger, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_isDisposed || _engines.ContainsKey(ledger.Name))
            {
                return;
            }
        }

        var keys = new SyncKeys(_secret.Span, _secret.Span, 0, ledger.Name);
        var engine = await SyncEngine.StartAsync(ledger, keys, _cloud, cancellationToken);
        lock (_gate)
        {
            if (!_isDisposed)
            {
                _engines.Add(ledger.Name, engine);
                return;
            }
        }

        // It was stopped meanwhile, and that has not seen this one.
        await engine.DisposeAsync();
    }

    private SyncEngine[] List()
    {
        lock (_gate)
        {
            return [.. _engines.Values];
        }
    }

    private SyncEngine EngineOf(string ledger)
    {
        ArgumentNullException.ThrowIfNull(ledger);
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);
        lock (_gate)
        {
            return _engines.TryGetValue(ledger, out var engine)
                ? engine
                : throw new ArgumentException($"Ledger '{ledger}' is not open, or there is none.", nameof(ledger));
        }
    }
}
