using System.Runtime.CompilerServices;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>Keeps a ledger and its cloud equal: takes the feed in, lets heads be merged, uploads. For ever.</summary>
/// <remarks>
/// Four loops: one reads the feed, one shows what was received once its values are here, one notices what is new here,
/// one uploads. Each tries again by itself after what may pass, and each takes a turn while it changes rows of
/// synchronisation. Disposing stops them and leaves everything to be continued by the next engine.
/// </remarks>
internal sealed class SyncEngine : IAsyncDisposable
{
    private readonly SyncContext _context;
    private readonly SyncState _state;
    private readonly PendingTrees _trees = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly SyncDownload _download;
    private readonly SyncHeads _heads;
    private readonly SyncUpload _upload;
    private readonly FeedApplier _applier;
    private Task[] _loops = [];
    private bool _hasEnded;
    private bool _isDisposed;

    private SyncEngine(SyncContext context)
    {
        _context = context;
        _state = new SyncState(context.Services);
        _heads = new SyncHeads(context, _trees);
        _applier = new FeedApplier(context, _state, _trees);
        _download = new SyncDownload(context, _state, _heads, _applier);
        _upload = new SyncUpload(context, _state, _heads, _download);
    }

    /// <summary>
    /// True when the feed was taken in to its end, everything is shown, and the cloud has everything.
    /// </summary>
    public bool IsIdle => _download.IsCaughtUp && !_heads.IsBusy && !_upload.IsBusy;

    /// <summary>Why nothing moves until the user decides.</summary>
    public SyncBlock Block => _context.Report.Block.Block;

    /// <summary>Begins to synchronise a ledger.</summary>
    /// <param name="ledger">Open for writing; disposed after the engine.</param>
    /// <param name="keys">The ledger's.</param>
    /// <param name="cloud">Owned by the caller.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    public static async Task<SyncEngine> StartAsync(
        LedgerStore ledger, SyncKeys keys, ICloudProvider cloud, CancellationToken cancellationToken)
    {
        ledger.Services.ThrowIfReadOnly();
        var engine = new SyncEngine(new SyncContext(ledger, keys, cloud));
        await engine._context.Runtime.Enter();
        await engine._state.LoadAsync(cancellationToken);
        ledger.Services.Moved.Follow();
        var isLoaded = false;
        try
        {
            await engine._applier.LoadAsync(cancellationToken);
            await engine._upload.LoadAsync(cancellationToken);
            isLoaded = true;
        }
        finally
        {
            if (!isLoaded)
            {
                ledger.Services.Moved.Unfollow();
            }
        }

        engine.Run();
        return engine;
    }

    /// <summary>Forgets what is known of the cloud of a ledger that no engine runs on; durable.</summary>
    public static async Task ForgetCloudAsync(LedgerStore ledger, CancellationToken cancellationToken)
    {
        ledger.Services.ThrowIfReadOnly();
        var state = new SyncState(ledger.Services);
        await state.LoadAsync(cancellationToken);
        await state.ForgetCloudAsync(cancellationToken);
    }

    /// <summary>
    /// Folds every journal, asks the cloud what is new, and completes when both sides have everything.
    /// </summary>
    public async Task SyncNowAsync(CancellationToken cancellationToken)
    {
        await _context.Runtime.Enter();
        ThrowIfEnded();
        await FoldAsync(cancellationToken);
        _upload.NoticeMoved();
        _download.Reconnect();
        await WaitForIdleAsync(cancellationToken);
    }

    /// <summary>How the ledger and its cloud stand to each other now.</summary>
    public Task<SyncStatus> GetStatusAsync(CancellationToken cancellationToken) =>
        new SyncStatusReader(_context, _state).ReadAsync(
            ReadPhase(), _upload.PageCount, _heads.PageCount, cancellationToken);

    /// <summary>
    /// The status, and again whenever something has changed or commits have waited for too long; several changes may
    /// come as one. Ends after <see cref="SyncPhase.Stopped"/>.
    /// </summary>
    public async IAsyncEnumerable<SyncStatus> WatchStatusAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await _context.Runtime.Enter();
        while (true)
        {
            var version = _context.Changed.Version;
            var quiet = _context.Report.TimeToWaitingProblem(_context.Runtime.Time);
            var status = await GetStatusAsync(cancellationToken);
            yield return status;
            if (status.Phase == SyncPhase.Stopped)
            {
                yield break;
            }

            await _context.Runtime.Enter();
            await SyncLoop.WaitAsync(_context, version, quiet, cancellationToken);
        }
    }

    /// <summary>
    /// Takes the cloud as it is: everything in it is taken in anew, and every local commit that it lacks is sent.
    /// </summary>
    /// <remarks>What the user decides when the cloud was erased, replaced or rolled back. Local data stays.</remarks>
    public async Task RepairAsync(CancellationToken cancellationToken)
    {
        await _context.Runtime.Enter();
        ThrowIfEnded();
        _download.IsHeld = true;
        try
        {
            _download.Reconnect();
            using var turn = await _context.Turns.AcquireAsync(cancellationToken);
            ThrowIfEnded();
            await _state.ForgetCloudAsync(cancellationToken);
            _context.Report.Count(counts => counts with { Waiting = 0, WaitingSizeBytes = 0, WaitingSince = null });
            _context.Report.ForgetProblems();

            // Not given up half way: what the cloud lacks is also to be sent.
            await _upload.LoadAsync(CancellationToken.None);
        }
        finally
        {
            _download.IsHeld = false;
            _context.Changed.Pulse();
        }
    }

    /// <summary>Completes when there is nothing to do.</summary>
    /// <exception cref="SyncBlockedException">Nothing moves until the user decides.</exception>
    /// <exception cref="ObjectDisposedException">The engine was disposed of meanwhile, or before.</exception>
    public async Task WaitForIdleAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            var version = _context.Changed.Version;
            ThrowIfEnded();
            if (IsIdle)
            {
                return;
            }

            if (_context.Report.Block is ({ } block and not SyncBlock.None, { } reason))
            {
                throw new SyncBlockedException(block, reason);
            }

            await _context.Changed.WaitAsync(version, cancellationToken);
        }
    }

    /// <summary>Stops; idempotent. What is on its way is sent again by the next engine.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, true))
        {
            return;
        }

        await _context.Runtime.Enter();
        _context.Services.Moved.Unfollow();
        _context.Services.Fetcher = null;
        _stop.Cancel();
        foreach (var loop in _loops)
        {
            await loop;
        }

        // Whoever waits is told.
        _context.Changed.Pulse();
        _heads.Dispose();
        _trees.Dispose();
        _stop.Dispose();
    }

    private SyncPhase ReadPhase() =>
        Volatile.Read(ref _isDisposed) || Volatile.Read(ref _hasEnded) ? SyncPhase.Stopped
        : _context.Report.Block.Block != SyncBlock.None ? SyncPhase.Blocked
        : !_download.IsReading ? SyncPhase.Connecting
        : !_download.IsCaughtUp ? SyncPhase.Downloading
        : IsIdle ? SyncPhase.Idle
        : SyncPhase.Uploading;

    private void Run()
    {
        var stop = _stop.Token;
        _context.Services.IsPartial = true;
        _context.Services.Fetcher = new ValueFetcher(_context, stop);
        _loops =
        [
            NoteEndAsync(_download.RunAsync(stop)), NoteEndAsync(_heads.RunAsync(stop)),
            NoteEndAsync(_upload.FollowAsync(stop)), NoteEndAsync(_upload.RunAsync(stop)),
        ];
    }

    // A loop ends when it is stopped, or by a fault of the program: then nothing comes that could wake who waits.
    private async Task NoteEndAsync(Task loop)
    {
        await loop;
        Volatile.Write(ref _hasEnded, true);
        _context.Changed.Pulse();
    }

    private void ThrowIfEnded()
    {
        ObjectDisposedException.ThrowIf(Volatile.Read(ref _isDisposed), this);
        if (Volatile.Read(ref _hasEnded))
        {
            throw new InvariantException(
                $"Synchronisation of ledger '{_context.Ledger.Name}' was stopped by a fault of the program. " +
                _context.Report.Failure);
        }
    }

    private async Task FoldAsync(CancellationToken cancellationToken)
    {
        var pages = new SortedSet<PageId>();
        var prefix = RowKeys.AllJournals;
        await foreach (var (key, _) in _context.Store.ScanRowsAsync(prefix, cancellationToken))
        {
            pages.Add(new PageId(key.Span.Slice(1, PageId.SizeBytes)));
        }

        foreach (var id in pages)
        {
            var page = await _context.Ledger.OpenStateAsync(id, cancellationToken);
            try
            {
                Branch[] branches;
                lock (page.Gate)
                {
                    branches = [.. page.Branches];
                }

                foreach (var branch in branches)
                {
                    await page.Commits.FoldAsync(branch, cancellationToken);
                }
            }
            catch (PageDeletedException)
            {
                // Its journal is gone with it.
            }
            finally
            {
                _context.Ledger.Release(page);
            }
        }
    }
}
