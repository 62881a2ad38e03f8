using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages.Merging;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Trees;
using Microsoft.Extensions.Logging;

namespace Ledger.Pages;

/// <summary>A ledger in a store: opens pages, and keeps those that are in use. Safe for concurrent use.</summary>
internal sealed class LedgerStore : ILedger, IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly Dictionary<PageId, PageState> _pages = [];
    private readonly LedgerServices _services;
    private bool _isDisposed;

    private LedgerStore(LedgerRuntime runtime, IObjectStore store, SettingsRow settings, LedgerStoreOptions options)
    {
        Name = settings.Name;
        var tree = new Tree(
            store, settings.Salt, options.NodeCacheSizeBytes, options.WriteBackLimits, options.IsReadOnly);
        var heads = new LivingHeads(tree.Dirty, options.IsReadOnly);
        _services = new LedgerServices
        {
            Runtime = runtime,
            Store = store,
            Tree = tree,
            Heads = heads,
            WriteBacks = new WriteBackLoop(runtime, tree.WriteBack, heads, options.Logger),
            Graph = new CommitGraph(runtime, store),
            Values = new PageValues(runtime, store, new ContentChunker(settings.Chunks)),
            References = new ReferenceTable(runtime),
            Hold = Hold,
            Release = Release,
            IsAlone = IsAlone,
            Folds = new FoldLoop(runtime, options.Logger, Hold, Release),
            Device = options.Device,
            Durability = options.Durability,
            Logger = options.Logger,
            IsReadOnly = options.IsReadOnly,
            Bugs = options.Bugs,
        };
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <summary>What the pages share.</summary>
    internal LedgerServices Services => _services;

    /// <summary>Pages that are in memory now.</summary>
    internal int OpenPageCount
    {
        get
        {
            lock (_gate)
            {
                return _pages.Count;
            }
        }
    }

    /// <summary>Opens the ledger in a store, or makes it there.</summary>
    /// <param name="runtime">The seams.</param>
    /// <param name="store">Owned by the ledger from now on, also when this fails.</param>
    /// <param name="created">
    /// The settings that a new ledger gets; those that are stored win. Null: it must exist.
    /// </param>
    /// <param name="options">How it is opened.</param>
    /// <param name="cancellationToken">Cancels the opening.</param>
    /// <exception cref="StoreUnavailableException">The store holds no ledger and none is to be made.</exception>
    public static async Task<LedgerStore> OpenAsync(
        LedgerRuntime runtime, IObjectStore store, SettingsRow? created, LedgerStoreOptions options,
        CancellationToken cancellationToken)
    {
        LedgerStore? opened = null;
        try
        {
            var settings = await ReadSettingsAsync(store, cancellationToken);
            if (settings is null)
            {
                settings = created ?? throw new StoreUnavailableException(
                    StoreUnavailableReason.NotARepository, "The store holds no ledger.");
                await using var lease = store.BeginWrite();
                lease.SetRow(RowKeys.Settings, settings.Encode());
                await lease.CommitAsync(Durability.Flushed, cancellationToken);
            }

            var isPartial = await store.ReadRowAsync(RowKeys.SyncAnchor, cancellationToken) is not null;
            opened = new LedgerStore(runtime, store, settings, options);
            opened._services.IsPartial = isPartial;
            return opened;
        }
        finally
        {
            if (opened is null)
            {
                await store.DisposeAsync();
            }
        }
    }

    /// <summary>The settings of the ledger in a store, or null when it holds none.</summary>
    public static async ValueTask<SettingsRow?> ReadSettingsAsync(
        IObjectStore store, CancellationToken cancellationToken) =>
        await store.ReadRowAsync(RowKeys.Settings, cancellationToken) is { } content
            ? SettingsRow.Decode(content.Span)
            : null;

    /// <inheritdoc/>
    public async Task<IPage> GetPageAsync(PageId id, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        await _services.Runtime.Enter();
        var page = await OpenStateAsync(id, cancellationToken);
        return new PageConnection(_services, page, Hold, Release);
    }

    /// <inheritdoc/>
    public async Task<IPage> CreatePageAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        _services.ThrowIfReadOnly();
        await _services.Runtime.Enter();
        var bytes = new byte[PageId.SizeBytes];
        _services.Runtime.Random.Fill(bytes);
        var page = await OpenStateAsync(new PageId(bytes), cancellationToken);
        PageConnection? connection = null;
        try
        {
            await page.Commits.CreateAsync();
            return connection = new PageConnection(_services, page, Hold, Release);
        }
        finally
        {
            if (connection is null)
            {
                Release(page);
            }
        }
    }

    /// <inheritdoc/>
    public async Task<bool> PageExistsAsync(PageId id, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        await _services.Runtime.Enter();
        return await PageLoader.ReadPageRowAsync(_services.Store, id, cancellationToken) is { IsDeleted: false };
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<PageId> ListPagesAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        return ReadPagesAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<bool> DeletePageAsync(PageId id, CancellationToken cancellationToken = default)
    {
        ThrowIfDisposed();
        _services.ThrowIfReadOnly();
        await _services.Runtime.Enter();
        return await DeletePageAsync(id, next: 0, cancellationToken);
    }

    /// <summary>Deletes a page, here or because it was deleted elsewhere.</summary>
    /// <param name="id">The page.</param>
    /// <param name="next">See <see cref="PageCommits.DeleteAsync"/>; 0 for a deletion here.</param>
    /// <param name="cancellationToken">Cancels the wait for what is on its way.</param>
    internal async Task<bool> DeletePageAsync(PageId id, uint next, CancellationToken cancellationToken)
    {
        var page = await OpenStateAsync(id, cancellationToken);
        try
        {
            return await page.Commits.DeleteAsync(() => Forget(page), cancellationToken, next);
        }
        finally
        {
            Release(page);
        }
    }

    /// <inheritdoc/>
    public void SetConflictResolver(MergePolicy policy, IConflictResolver? resolver = null, TimeSpan? timeout = null)
    {
        ThrowIfDisposed();
        _services.Policies.Set(MergeSettings.Create(policy, resolver, timeout));
        RestartMerges(null);
    }

    /// <inheritdoc/>
    public void SetConflictResolver(
        PageId page, MergePolicy policy, IConflictResolver? resolver = null, TimeSpan? timeout = null)
    {
        ThrowIfDisposed();
        _services.Policies.Set(page, MergeSettings.Create(policy, resolver, timeout));
        RestartMerges(page);
    }

    /// <summary>
    /// Waits for what is on its way, stores the trees of the heads, and closes the store. Journals stay as they are:
    /// they are durable.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        PageState[] pages;
        lock (_gate)
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            pages = [.. _pages.Values];
        }

        await _services.Runtime.Enter();
        try
        {
            await StopAsync(pages);
        }
        finally
        {
            // Whatever went wrong: the next process can open the store.
            await _services.Store.DisposeAsync();
        }
    }

    private async Task StopAsync(PageState[] pages)
    {
        try
        {
            await _services.Folds.DisposeAsync();
            foreach (var page in pages)
            {
                page.Close();
                await page.Merger.StopAsync();
                await page.Commits.DrainAsync();
            }
        }
        finally
        {
            try
            {
                await _services.WriteBacks.DisposeAsync();
            }
            finally
            {
                await _services.References.DisposeAsync();
            }
        }
    }

    private void RestartMerges(PageId? only)
    {
        PageState[] pages;
        lock (_gate)
        {
            pages = [.. _pages.Values.Where(page => only is not { } id || page.Id == id)];
        }

        foreach (var page in pages)
        {
            page.Merger.Restart();
        }
    }

    private async IAsyncEnumerable<PageId> ReadPagesAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await _services.Runtime.Enter();
        await foreach (var (key, value) in _services.Store.ScanRowsAsync(RowKeys.Pages, cancellationToken))
        {
            if (!PageRow.Decode(value.Span).IsDeleted)
            {
                yield return RowKeys.ReadPage(key.Span);
                await _services.Runtime.Enter();
            }
        }
    }

    /// <summary>The state of a page, read and held for the caller until <see cref="Release"/>.</summary>
    internal async ValueTask<PageState> OpenStateAsync(PageId id, CancellationToken cancellationToken)
    {
        PageState? page;
        lock (_gate)
        {
            ThrowIfDisposed();
            if (!_pages.TryGetValue(id, out page))
            {
                page = new PageState(_services, id);
                _pages.Add(id, page);
            }

            page.Users++;
        }

        var isLoaded = false;
        try
        {
            await page.LoadAsync(cancellationToken);
            page.Merger.Touch();
            isLoaded = true;
            return page;
        }
        finally
        {
            if (!isLoaded)
            {
                Release(page);
            }
        }
    }

    private void Hold(PageState page)
    {
        lock (_gate)
        {
            page.Users++;
        }
    }

    /// <summary>Lets go of a page.</summary>
    internal void Release(PageState page)
    {
        bool isAlone;
        lock (_gate)
        {
            page.Users--;
            Invariant.Check(page.Users >= 0);
            isAlone = page.Users == 1;
            if (page.Users == 0)
            {
                Forget(page);
            }
        }

        if (isAlone)
        {
            // Perhaps it is the merger that is left, which is not worth keeping a page open for.
            page.Merger.Leave();
        }
    }

    private bool IsAlone(PageState page)
    {
        lock (_gate)
        {
            return page.Users == 1;
        }
    }

    /// <summary>Whoever opens the page from now on reads its rows anew.</summary>
    private void Forget(PageState page)
    {
        lock (_gate)
        {
            if (_pages.TryGetValue(page.Id, out var known) && known == page)
            {
                _pages.Remove(page.Id);
                _services.Heads.Close(page.Id);
            }
        }
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);
}

/// <summary>How a ledger is opened.</summary>
/// <param name="Device">This device.</param>
/// <param name="Durability">What an acknowledged write has survived, unless a call says otherwise.</param>
/// <param name="NodeCacheSizeBytes">Bound on the memory of the node cache.</param>
/// <param name="Logger">Where log messages go.</param>
internal sealed record LedgerStoreOptions(
    DeviceId Device, Durability Durability, long NodeCacheSizeBytes, ILogger Logger)
{
    /// <summary>Refuses writes; the store keeps in memory what reading derives.</summary>
    public bool IsReadOnly { get; init; }

    /// <summary>When new trees are stored.</summary>
    public WriteBackLimits WriteBackLimits { get; init; } = WriteBackLimits.Default;

    /// <summary>Faults that a test planted.</summary>
    public PlantedBugs Bugs { get; init; }
}
