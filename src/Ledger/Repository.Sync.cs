using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Ledger.Sync;

namespace Ledger;

/// <summary>Synchronisation with the user's cloud: set up once, and started with each opening that wants it.</summary>
public sealed partial class Repository
{
    private RepositorySync? _sync;

    /// <summary>
    /// Makes a repository that belongs to the user of a secret, and knows the cloud. Nothing is taken in yet.
    /// </summary>
    /// <param name="directory">Missing or empty: a device that has a secret of its own cannot take another.</param>
    /// <param name="secret">From <see cref="InitSyncAsync"/> on another device.</param>
    /// <param name="importFrom">
    /// A closed repository whose present entries become one new commit in each page, under the joined secret; it is
    /// left as
    /// it is. Null for none.
    /// </param>
    /// <param name="options">How both are opened; null for the defaults.</param>
    /// <param name="cancellationToken">Leaves a repository without part of what was to be imported.</param>
    /// <returns>The new repository, open.</returns>
    /// <exception cref="StoreUnavailableException">The directory holds something, or the disk refuses.</exception>
    /// <exception cref="MissingObjectException">A value to be imported is not here: fetch it first.</exception>
    public static async Task<Repository> JoinAsync(
        string directory, SyncSecret secret, string? importFrom = null, RepositoryOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        ArgumentNullException.ThrowIfNull(secret);
        CloudLocation.Check(secret.Cloud);
        options ??= new RepositoryOptions();
        options = options with { Runtime = options.Runtime ?? SystemRuntime.Create(), Secret = secret.Secret };
        await options.Runtime.Enter();
        var isThere = await options.Runtime.Offload(
            static state => state.Files.FileExists(Path.Combine(state.directory, RepositoryFile.Name)),
            (options.Runtime.Files, directory));
        if (isThere)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.NotARepository,
                $"'{directory}' is a repository already, with a secret of its own: join in an empty directory, and " +
                "import the old one.");
        }

        var joined = await OpenAsync(directory, options, cancellationToken);
        var isWhole = false;
        try
        {
            await joined.WriteSyncFileAsync(SyncFile.Create(options.Runtime, secret.Cloud));
            if (importFrom is not null)
            {
                await RepositoryImport.RunAsync(importFrom, joined, options, cancellationToken);
            }

            isWhole = true;
            return joined;
        }
        finally
        {
            if (!isWhole)
            {
                await joined.DisposeAsync();
            }
        }
    }

    /// <summary>
    /// Sets up synchronisation of this repository with a cloud, and makes the cloud when there is none.
    /// </summary>
    /// <param name="cloud">Where it is: <c>dir:</c> and the path of a directory that the user's devices share.</param>
    /// <param name="cancellationToken">Cancels the setting up.</param>
    /// <returns>What the user's other devices need to join.</returns>
    /// <exception cref="InvalidOperationException">Another cloud is set up: see <see
    /// cref="ResetSyncAsync"/>.</exception>
    public async Task<SyncSecret> InitSyncAsync(string cloud, CancellationToken cancellationToken = default)
    {
        CloudLocation.Check(cloud);
        ThrowIfDisposed();
        await _runtime.Enter();
        var known = await ReadSyncFileAsync();
        if (known is not null && known.Cloud != cloud)
        {
            throw new InvalidOperationException(
                $"This repository synchronises with '{known.Cloud}'; reset it to use '{cloud}'.");
        }

        await SetUpAsync(known ?? SyncFile.Create(_runtime, cloud), cancellationToken);
        return new SyncSecret(_directory.File.Secret, cloud);
    }

    /// <summary>The secret and the cloud for other devices; null when synchronisation was never set up.</summary>
    public async Task<SyncSecret?> ReadSyncSecretAsync()
    {
        ThrowIfDisposed();
        await _runtime.Enter();
        return await ReadSyncFileAsync() is { } known ? new SyncSecret(_directory.File.Secret, known.Cloud) : null;
    }

    /// <summary>Begins to synchronise every ledger, those included that are opened later.</summary>
    /// <remarks>
    /// Nothing waits for the cloud. A ledger whose store is damaged takes no part, and keeps no other one from it.
    /// </remarks>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <returns>Dispose of it to stop; it ends with the repository in any case.</returns>
    /// <exception cref="InvalidOperationException">It was never set up, or is running.</exception>
    public async Task<RepositorySync> StartSyncAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        await _runtime.Enter();
        using var turn = await _opening.AcquireAsync(cancellationToken);
        ThrowIfDisposed();
        if (_sync is not null)
        {
            throw new InvalidOperationException("Synchronisation is running already.");
        }

        var known = await ReadSyncFileAsync() ?? throw new InvalidOperationException(
            "Synchronisation was not set up: initialise it, or join with a secret.");
        await OpenReadableAsync(cancellationToken);

        // It is not looked for: one that is away is waited for, as one that goes away later.
        var cloud = CloudLocation.Open(_runtime, known.Cloud);
        var sync = new RepositorySync(_runtime, cloud, known.Cloud, _directory.File.Secret, SyncEnded);
        var isStarted = false;
        try
        {
            foreach (var ledger in ListWritable())
            {
                await sync.AddAsync(ledger, cancellationToken);
            }

            isStarted = true;
            return _sync = sync;
        }
        finally
        {
            if (!isStarted)
            {
                await sync.DisposeAsync();
            }
        }
    }

    /// <summary>
    /// Goes on with another, or a new, cloud: what was known of the old one is forgotten, and everything local is sent.
    /// </summary>
    /// <param name="cloud">Where it is; made when there is none.</param>
    /// <param name="cancellationToken">Leaves some ledgers as they were.</param>
    /// <returns>What the user's other devices need.</returns>
    /// <exception cref="InvalidOperationException">Synchronisation is running: dispose of it first.</exception>
    public async Task<SyncSecret> ResetSyncAsync(string cloud, CancellationToken cancellationToken = default)
    {
        CloudLocation.Check(cloud);
        ThrowIfDisposed();
        await _runtime.Enter();
        using var turn = await _opening.AcquireAsync(cancellationToken);
        ThrowIfDisposed();
        ThrowIfSyncing();
        await OpenReadableAsync(cancellationToken);

        // The new cloud first: what is known of the old one is not forgotten for a place that cannot be used. A ledger
        // that has not forgotten it when the power fails finds another cloud than before, and says so.
        var known = await ReadSyncFileAsync() ?? SyncFile.Create(_runtime, cloud);
        await SetUpAsync(known with { Cloud = cloud }, cancellationToken);
        foreach (var ledger in ListWritable())
        {
            await SyncEngine.ForgetCloudAsync(ledger, cancellationToken);
        }

        return new SyncSecret(_directory.File.Secret, cloud);
    }

    /// <summary>
    /// Removes every ledger from this device, synchronised or not, for a device that takes the cloud's state as it is.
    /// </summary>
    /// <remarks>Open ledgers and pages are closed. What only this device has is gone for good.</remarks>
    /// <param name="cancellationToken">Has an effect until the first ledger is closed.</param>
    /// <exception cref="InvalidOperationException">Synchronisation is running: dispose of it first.</exception>
    /// <exception cref="LedgerException">
    /// A ledger could not be closed, or the disk refuses; the same call works when it no longer does.
    /// </exception>
    public async Task EraseLocalAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        await _runtime.Enter();
        using var turn = await _opening.AcquireAsync(cancellationToken);
        ThrowIfDisposed();
        ThrowIfSyncing();
        cancellationToken.ThrowIfCancellationRequested();

        // Each is closed, whatever happens to another, and none of them is handed out again.
        var closed = _ledgers.Values.Select(static ledger => ledger.DisposeAsync().AsTask()).ToArray();
        _ledgers.Clear();
        _stores.Clear();
        await Task.WhenAll(closed);
        await _runtime.Offload(
            static state => SmallFile.Guard(
                state._directory.SyncPath, () => state._directory.RemoveStores(state._runtime)),
            (_directory, _runtime));
    }

    /// <summary>Opens every ledger that can be opened: one that is damaged too badly for that stops no other.</summary>
    private async Task OpenReadableAsync(CancellationToken cancellationToken)
    {
        foreach (var path in await ListUnopenedAsync())
        {
            try
            {
                await TryOpenAsync(path, cancellationToken);
            }
            catch (LedgerException problem) when (problem is CorruptObjectException or FormatTooNewException)
            {
                Sync.LogMessages.LedgerLeftOut(_logger, path, problem);
            }
        }
    }

    // One that was opened for reading because it is damaged is left out; a repository that was opened so is refused.
    private IEnumerable<LedgerStore> ListWritable() =>
        _ledgers.Values.Where(ledger => _options.ReadOnly || !ledger.Services.IsReadOnly);

    private async ValueTask BeginSyncAsync(LedgerStore ledger, CancellationToken cancellationToken)
    {
        if (_sync is { } sync && !ledger.Services.IsReadOnly)
        {
            await sync.AddAsync(ledger, cancellationToken);
        }
    }

    private void ThrowIfSyncing()
    {
        if (_sync is not null)
        {
            throw new InvalidOperationException("Synchronisation is running: dispose of it first.");
        }
    }

    private void SyncEnded(RepositorySync sync)
    {
        if (_sync == sync)
        {
            _sync = null;
        }
    }

    private async Task SetUpAsync(SyncFile file, CancellationToken cancellationToken)
    {
        var cloud = await CloudLocation.CreateAsync(_runtime, file.Cloud, cancellationToken);
        await cloud.DisposeAsync();
        await WriteSyncFileAsync(file);
    }

    private async Task<SyncFile?> ReadSyncFileAsync() => await _runtime.Offload(
        static state => SmallFile.Guard(
            state.path, () => state.files.FileExists(state.path)
                ? SyncFile.Decode(SmallFile.Read(state.files, state.path, SyncFile.SizeBytesMax))
                : null),
        (files: _runtime.Files, path: _directory.SyncPath));

    private async Task WriteSyncFileAsync(SyncFile file) => await _runtime.Offload(
        static state => SmallFile.Guard(
            state.path,
            () =>
            {
                SmallFile.Replace(state.files, state.path, state.content);
                return true;
            }),
        (files: _runtime.Files, path: _directory.SyncPath, content: file.Encode()));
}
