using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Microsoft.Extensions.Logging;

namespace Ledger;

/// <summary>One user's data on one device: a directory with any number of ledgers. Safe for concurrent use.</summary>
/// <remarks>
/// One process at a time opens a repository. Dispose of it to close it cleanly; if the process ends otherwise,
/// everything acknowledged is there when it is opened again, and opening takes a little longer.
/// </remarks>
public sealed partial class Repository : IAsyncDisposable
{
    private readonly LedgerRuntime _runtime;
    private readonly RepositoryOptions _options;
    private readonly RepositoryDirectory _directory;
    private readonly ILogger _logger;
    private readonly AsyncLock _opening = new();
    private readonly SortedDictionary<string, LedgerStore> _ledgers = new(StringComparer.Ordinal);

    // By the directory of the store; owned by the ledgers.
    private readonly Dictionary<string, SegmentStore> _stores = new(StringComparer.Ordinal);
    private bool _isDisposed;

    private Repository(LedgerRuntime runtime, RepositoryOptions options, RepositoryDirectory directory)
    {
        (_runtime, _options, _directory) = (runtime, options, directory);
        _logger = options.LoggerFactory.CreateLogger("Ledger");
    }

    /// <summary>This device's random name: 32 lower-case hexadecimal digits.</summary>
    public string DeviceId => _directory.File.Device.ToString();

    /// <summary>Opens the repository in a directory, or makes one when the directory is missing or empty.</summary>
    /// <param name="directory">A path; relative ones begin at the process's working directory.</param>
    /// <param name="options">How it is opened; null for the defaults.</param>
    /// <param name="cancellationToken">Has an effect until the directory is opened.</param>
    /// <exception cref="StoreUnavailableException">
    /// The directory holds something else, another process has it open, or the disk refuses; it was left as it is.
    /// </exception>
    /// <exception cref="CorruptObjectException">The repository's own file is damaged.</exception>
    /// <exception cref="FormatTooNewException">A newer version of Ledger made it.</exception>
    public static async Task<Repository> OpenAsync(
        string directory, RepositoryOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        options ??= new RepositoryOptions();
        var runtime = options.Runtime ?? SystemRuntime.Create();
        await runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        var opened = await runtime.Offload(
            static state => RepositoryDirectory.Open(state.runtime, state.directory, state.options),
            (runtime, directory, options));
        return new Repository(runtime, options, opened);
    }

    /// <summary>Opens an application's ledger, and makes it when there is none of that name.</summary>
    /// <param name="name">1 to 255 bytes of UTF-8; never used as a path.</param>
    /// <param name="cancellationToken">Cancels the opening.</param>
    /// <returns>The same ledger for the same name; it is closed with the repository.</returns>
    /// <exception cref="StoreUnavailableException">The ledger's store cannot be opened or made.</exception>
    /// <exception cref="CorruptObjectException">
    /// The ledger's store is damaged in a way that it cannot be read.
    /// </exception>
    public async Task<ILedger> GetLedgerAsync(string name, CancellationToken cancellationToken = default)
    {
        CheckName(name);
        ThrowIfDisposed();
        await _runtime.Enter();
        using var turn = await _opening.AcquireAsync(cancellationToken);
        ThrowIfDisposed();
        if (_ledgers.TryGetValue(name, out var known))
        {
            await BeginSyncAsync(known, cancellationToken);
            return known;
        }

        var path = _directory.PathOf(name);
        var store = await OpenStoreAsync(path, cancellationToken);
        var createdMs = Math.Clamp(_runtime.WallClockMs(), 0, Authorship.WallClockMsMax);
        var created = _directory.File.SettingsOf(name, createdMs);
        var ledger = await OpenLedgerAsync(store, created, cancellationToken);
        _ledgers.Add(name, ledger);
        await BeginSyncAsync(ledger, cancellationToken);
        return ledger;
    }

    /// <summary>Whether there is a ledger of this name; opens it when there is, and makes nothing.</summary>
    /// <param name="name">1 to 255 bytes of UTF-8.</param>
    /// <param name="cancellationToken">Cancels the opening.</param>
    /// <exception cref="StoreUnavailableException">The ledger's store cannot be opened.</exception>
    /// <exception cref="CorruptObjectException">
    /// The ledger's store is damaged in a way that it cannot be read.
    /// </exception>
    public async Task<bool> LedgerExistsAsync(string name, CancellationToken cancellationToken = default)
    {
        CheckName(name);
        ThrowIfDisposed();
        await _runtime.Enter();
        using var turn = await _opening.AcquireAsync(cancellationToken);
        ThrowIfDisposed();
        if (_ledgers.ContainsKey(name))
        {
            return true;
        }

        var path = _directory.PathOf(name);
        return await HasStoreAsync(path) && await TryOpenAsync(path, cancellationToken);
    }

    /// <summary>The names of the ledgers, in ordinal order.</summary>
    /// <exception cref="StoreUnavailableException">A ledger's store cannot be opened.</exception>
    public async Task<IReadOnlyList<string>> ListLedgersAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        await _runtime.Enter();
        using var turn = await _opening.AcquireAsync(cancellationToken);
        ThrowIfDisposed();
        foreach (var path in await ListUnopenedAsync())
        {
            await TryOpenAsync(path, cancellationToken);
        }

        return [.. _ledgers.Keys];
    }

    /// <summary>Completes when everything acknowledged so far, in every ledger, survives power loss.</summary>
    /// <exception cref="OutcomeUnknownException">A flush failed.</exception>
    public async Task FlushAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        await _runtime.Enter();
        using var turn = await _opening.AcquireAsync(cancellationToken);
        ThrowIfDisposed();
        foreach (var ledger in _ledgers.Values)
        {
            await ledger.Services.Store.FlushAsync(cancellationToken);
        }
    }

    /// <summary>Reads everything, checks every checksum and hash, and that all of it fits together.</summary>
    /// <remarks>Work may go on meanwhile; what is added then is not looked at. What is wrong is not repaired.</remarks>
    /// <param name="progress">Told how far it is, now and then; null for nobody.</param>
    /// <param name="cancellationToken">Ends the walk.</param>
    /// <returns>What was checked and found.</returns>
    public async Task<VerifyReport> VerifyAsync(
        IProgress<VerifyReport>? progress = null, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        await _runtime.Enter();
        (LedgerStore Ledger, SegmentStore? Store)[] ledgers;
        var tally = new VerifyTally(progress);
        using (await _opening.AcquireAsync(cancellationToken))
        {
            ThrowIfDisposed();
            await OpenAllAsync(tally, cancellationToken);
            ledgers =
            [
                .. _ledgers.Values.Select(
                    ledger => (ledger, _stores.GetValueOrDefault(_directory.PathOf(ledger.Name)))),
            ];
        }

        foreach (var (ledger, store) in ledgers)
        {
            if (store is not null)
            {
                await VerifyStoreAsync(ledger.Name, store, tally, cancellationToken);
            }

            await new LedgerVerification(ledger.Services, ledger.Name, tally).RunAsync(cancellationToken);
        }

        return tally.ToReport();
    }

    /// <summary>Closes the repository: waits for what is on its way, and closes the stores. Idempotent.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, true))
        {
            return;
        }

        await _runtime.Enter();
        using var turn = await _opening.AcquireAsync(CancellationToken.None);
        try
        {
            await (_sync?.DisposeAsync() ?? ValueTask.CompletedTask);
        }
        finally
        {
            await CloseAsync();
        }
    }

    private async Task CloseAsync()
    {
        var closed = _ledgers.Values.Select(ledger => ledger.DisposeAsync().AsTask()).ToArray();
        await Task.WhenAny(Task.WhenAll(closed));
        await _runtime.Offload(
            static directory =>
            {
                directory.Dispose();
                return true;
            },
            _directory);

        // Only now: whatever a ledger could not do, the directory is free again.
        await Task.WhenAll(closed);
    }

    private static async Task VerifyStoreAsync(
        string ledger, SegmentStore store, VerifyTally tally, CancellationToken cancellationToken)
    {
        if (store.Recovery.Damage is { } damage)
        {
            tally.AddProblem($"The store of ledger '{ledger}' is damaged. {damage}");
        }

        if (store.Recovery.TornTail is { } tornTail)
        {
            tally.AddNotice($"The store of ledger '{ledger}' was cut when it was opened. {tornTail}");
        }

        var (logBytes, problems) = await store.VerifyAsync(cancellationToken);
        tally.LogBytes += logBytes;
        foreach (var problem in problems)
        {
            tally.AddProblem(problem);
        }
    }

    private static void CheckName(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        var sizeBytes = CommitCodec.StrictUtf8.GetByteCount(name);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeBytes, SettingsRow.NameSizeBytesMax, nameof(name));
    }

    /// <summary>Opens every ledger; one that is damaged too badly for that is a problem, and stops no other.</summary>
    private async Task OpenAllAsync(VerifyTally tally, CancellationToken cancellationToken)
    {
        foreach (var path in await ListUnopenedAsync())
        {
            try
            {
                await TryOpenAsync(path, cancellationToken);
            }
            catch (LedgerException problem) when (problem is CorruptObjectException or FormatTooNewException)
            {
                tally.AddProblem($"The ledger in '{path}' cannot be opened. {problem.Message}");
            }
        }
    }

    private async Task<IReadOnlyList<string>> ListUnopenedAsync()
    {
        var open = _ledgers.Keys.Select(_directory.PathOf).ToHashSet(StringComparer.Ordinal);
        var paths = await _runtime.Offload(static directory => directory.ListStores(), _directory);
        return [.. paths.Where(path => !open.Contains(path))];
    }

    /// <summary>Opens the ledger whose store is in a directory.</summary>
    /// <returns>False when a crash came before it was made; the next one to ask for it makes it.</returns>
    /// <exception cref="CorruptObjectException">It is that of a ledger whose store is elsewhere.</exception>
    private async Task<bool> TryOpenAsync(string path, CancellationToken cancellationToken)
    {
        var store = await OpenStoreAsync(path, cancellationToken);
        var isLedger = false;
        try
        {
            if (await LedgerStore.ReadSettingsAsync(store, cancellationToken) is { } settings)
            {
                isLedger = _directory.PathOf(settings.Name) == path
                    ? true
                    : throw new CorruptObjectException(
                        $"the store in '{path}' is a copy: that of the ledger '{settings.Name}' is in " +
                        $"'{_directory.PathOf(settings.Name)}'");
            }
        }
        finally
        {
            if (!isLedger)
            {
                await store.DisposeAsync();
            }
        }

        if (isLedger)
        {
            var ledger = await OpenLedgerAsync(store, created: null, cancellationToken);
            _ledgers.Add(ledger.Name, ledger);
        }

        return isLedger;
    }

    private ValueTask<bool> HasStoreAsync(string path) => _runtime.Offload(
        static state => state._directory.HasStore(state.path), (_directory, path));

    private Task<LedgerStore> OpenLedgerAsync(
        IObjectStore store, SettingsRow? created, CancellationToken cancellationToken) => LedgerStore.OpenAsync(
        _runtime, store, created,
        new LedgerStoreOptions(
            _directory.File.Device, _options.Durability, _options.NodeCacheSizeBytes, _logger)
        {
            IsReadOnly = store is ScratchObjectStore,
            WriteBackLimits = _options.WriteBackLimits,
            Bugs = _options.Bugs,
        },
        cancellationToken);

    private async Task<IObjectStore> OpenStoreAsync(string path, CancellationToken cancellationToken)
    {
        var isThere = await HasStoreAsync(path);
        if (_options.ReadOnly && !isThere)
        {
            // A ledger that was never made reads as an empty one.
            return new ScratchObjectStore(new MemoryObjectStore());
        }

        if (!isThere)
        {
            await _runtime.Offload(
                static directory =>
                {
                    directory.PrepareForStores();
                    return true;
                },
                _directory);
        }

        var options = _options.StoreOptions with
        {
            ReadOnly = _options.ReadOnly,
            CreateIfMissing = !_options.ReadOnly,
            Bugs = _options.Bugs,
        };
        var store = await SegmentStore.OpenAsync(_runtime, path, options, cancellationToken);
        _stores[path] = store;
        if (store.Recovery.Damage is { } damage)
        {
            LogMessages.StoreDamaged(_logger, path, damage);
        }

        return _options.ReadOnly || store.Recovery.Damage is not null ? new ScratchObjectStore(store) : store;
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);
}
