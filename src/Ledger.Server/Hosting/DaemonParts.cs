using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using Ledger.Objects;
using Ledger.Rpc.Protocol;
using Ledger.Runtime;
using Ledger.Server.Configuration;
using Ledger.Server.Hooks;
using Ledger.Server.Logging;
using Ledger.Server.Services;
using Ledger.Server.Telemetry;
using Microsoft.Extensions.Logging;

namespace Ledger.Server.Hosting;

/// <summary>What the daemon consists of besides its listeners, opened and closed in order.</summary>
internal sealed class DaemonParts : IAsyncDisposable
{
    private readonly DaemonLog _log;
    private readonly HookHost _hooks;
    private readonly PrometheusMetrics? _metrics;
    private readonly TelemetryExport? _export;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentQueue<(ListenerKind Kind, EndPoint EndPoint)> _bound = [];
    private volatile DaemonState _state;
    private int _subscriptions;

    /// <summary>Makes the parts; nothing is opened.</summary>
    /// <param name="state">What it works with at first.</param>
    /// <param name="log">Where its parts log.</param>
    /// <param name="database">What the stores are in; null for the configured one.</param>
    public DaemonParts(DaemonState state, DaemonLog log, IStoreDatabase? database = null)
    {
        _state = state;
        _log = log;
        Stopping = _stopping.Token;
        Loggers = new LoggerFactory([log], new LoggerFilterOptions { MinLevel = LogLevel.Trace });
        Logger = Loggers.CreateLogger("Ledger.Server");
        Audit = new AuditLog(Loggers.CreateLogger("Ledger.Audit"));
        Catalog = CatalogOf(state.Options, database);
        Catalog.StoresMax = state.Options.Limits.Stores;
        Answers = new ByteBudget(state.Options.Limits.LargeBytes / 3);
        Requests = new ByteBudget(state.Options.Limits.LargeBytes / 3 * 2);
        Service = new LedgerService(Catalog, _stopping.Token);
        _hooks = new HookHost(
            async (store, token) =>
            {
                var held = await Catalog.OpenAsync(store, token);
                return new HookStore(held.Store, held);
            },
            LedgerRuntime.CreateSystem(),
            Loggers.CreateLogger("Ledger.Hooks"));
        HookAdmin = new HookAdmin(_hooks, Catalog);
        _metrics = state.Options.HttpListen is null ? null : new PrometheusMetrics();
        _export = TelemetryExport.Start(
            state.Options.Telemetry, DaemonVersion.Text,
            $"{Environment.MachineName}:{Environment.ProcessId.ToString(CultureInfo.InvariantCulture)}");
    }

    /// <summary>What it works with now.</summary>
    public DaemonState State => _state;

    /// <summary>Where its parts log.</summary>
    public ILoggerFactory Loggers { get; }

    /// <summary>What the daemon says about itself.</summary>
    public ILogger Logger { get; }

    /// <summary>Who was refused.</summary>
    public AuditLog Audit { get; }

    /// <summary>The stores.</summary>
    public StoreCatalog Catalog { get; }

    /// <summary>What calls do.</summary>
    public LedgerService Service { get; }

    /// <summary>Where large requests take their memory, over gRPC and over HTTP.</summary>
    public ByteBudget Requests { get; }

    /// <summary>The same of answers: who does not take them is in no writer's way.</summary>
    public ByteBudget Answers { get; }

    /// <summary>What operators ask of hooks.</summary>
    public HookAdmin HookAdmin { get; }

    /// <summary>Cancelled when the daemon stops: what follows something ends.</summary>
    public CancellationToken Stopping { get; }

    /// <summary>What was measured, in the text of Prometheus.</summary>
    public string MetricsText => _metrics?.Write() ?? "";

    /// <summary>When it began.</summary>
    public DateTimeOffset Started { get; } = TimeProvider.System.GetUtcNow();

    /// <summary>Notes an address that is listened at.</summary>
    public void Bound(Listener listener, EndPoint endPoint) => _bound.Enqueue((listener.Kind, endPoint));

    /// <summary>The addresses that one kind of listener has.</summary>
    public IReadOnlyList<EndPoint> AddressesOf(ListenerKind kind) =>
        [.. _bound.Where(bound => (bound.Kind & kind) != 0).Select(bound => bound.EndPoint)];

    /// <summary>Opens the database, which must answer in time, and starts the hooks.</summary>
    /// <exception cref="StoreUnavailableException">It does not.</exception>
    /// <exception cref="ConfigurationException">A hook cannot be used.</exception>
    public async Task OpenAsync(CancellationToken cancellationToken)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        late.CancelAfter(State.Options.StartTimeout);
        try
        {
            await Catalog.CheckHealthAsync(late.Token);
        }
        catch (OperationCanceledException error) when (!cancellationToken.IsCancellationRequested)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Unreachable,
                $"The database did not answer within {State.Options.StartTimeout} ('start_timeout').", error);
        }

        await ReplaceHooksAsync(State.Options.Hooks);
    }

    /// <summary>Why calls cannot be served; null when they can.</summary>
    public async Task<string?> FindTroubleAsync(CancellationToken cancellationToken)
    {
        if (Stopping.IsCancellationRequested)
        {
            return "The daemon is stopping.";
        }

        try
        {
            await Catalog.CheckHealthAsync(cancellationToken);
            return null;
        }
        catch (StoreUnavailableException)
        {
            // Not the exception's own text, which has paths and hosts: anybody may ask.
            return "The database does not answer.";
        }
    }

    /// <summary>Takes over the configuration as a whole or not at all.</summary>
    /// <param name="restrict">Lets only those use the sockets who may, or fails.</param>
    /// <returns>The keys that changed.</returns>
    /// <exception cref="ConfigurationException">It was not taken over.</exception>
    public async Task<IReadOnlyList<string>> ReloadAsync(Action<DaemonState> restrict)
    {
        var previous = _state;
        var configuration = previous.Configuration;
        var next = DaemonState.Prepare(configuration.Reload(configuration.Environment), previous);
        try
        {
            if (next.Authenticator.IsOpen)
            {
                // Before anybody may call: a socket is its owner's first.
                restrict(next);
            }

            // This may still fail, and then changes nothing; what follows cannot.
            await ReplaceHooksAsync(next.Options.Hooks);
        }
        catch (ConfigurationException)
        {
            next.Rates.Dispose();
            restrict(previous);
            throw;
        }

        _state = next;
        if (!next.Authenticator.IsOpen)
        {
            restrict(next);
        }

        Catalog.StoresMax = next.Options.Limits.Stores;
        _log.Level = next.Options.LogLevel;
        previous.Rates.Dispose();
        try
        {
            _log.Reopen();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            DaemonEvents.ConfigurationWarning(Logger, $"The log goes on in the old file: {error.Message}");
        }

        foreach (var warning in next.Warnings())
        {
            DaemonEvents.ConfigurationWarning(Logger, warning);
        }

        DaemonEvents.Reloaded(Logger);
        return next.ChangesFrom(previous);
    }

    /// <summary>Takes one of the places for subscriptions; disposing of it gives it back.</summary>
    /// <returns>Null when there is none left.</returns>
    public IDisposable? TrySubscribe()
    {
        if (Interlocked.Increment(ref _subscriptions) <= State.Options.Limits.Subscriptions)
        {
            return new Place(this);
        }

        Interlocked.Decrement(ref _subscriptions);
        return null;
    }

    /// <summary>Ends what would go on for ever.</summary>
    public Task EndFollowingAsync() => _stopping.CancelAsync();

    /// <summary>Ends the hooks, which are given some seconds for what they have sent.</summary>
    public async Task DrainHooksAsync() => await _hooks.DisposeAsync();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await EndFollowingAsync();
        await DrainHooksAsync();
        await Catalog.DisposeAsync();
        _export?.Dispose();
        _metrics?.Dispose();
        Audit.Dispose();
        _state.Rates.Dispose();
        _stopping.Dispose();
        Loggers.Dispose();
    }

    private static StoreCatalog CatalogOf(DaemonOptions options, IStoreDatabase? database)
    {
        var (address, idleTime) = (options.Database.Address, options.Limits.StoreIdleTimeout);
        return (database, options.Database.Type) switch
        {
            ({ } given, _) => new StoreCatalog(given, LedgerRuntime.CreateSystem(), idleTime),
            (_, "postgres") => StoreCatalog.OfPostgres(address, idleTime: idleTime),
            _ => StoreCatalog.OfSqlite(address, idleTime: idleTime),
        };
    }

    private async Task ReplaceHooksAsync(IReadOnlyList<HookOptions> hooks)
    {
        try
        {
            await _hooks.ReplaceAsync(hooks);
        }
        catch (Exception error) when (error is ArgumentException or IOException or UnauthorizedAccessException
            or CryptographicException)
        {
            throw new ConfigurationException($"'hooks': {error.Message}");
        }
    }

    /// <summary>A place for a subscription.</summary>
    private sealed class Place(DaemonParts parts) : IDisposable
    {
        /// <inheritdoc/>
        public void Dispose() => Interlocked.Decrement(ref parts._subscriptions);
    }
}
