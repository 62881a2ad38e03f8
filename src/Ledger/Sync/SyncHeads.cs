using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages;

namespace Ledger.Sync;

/// <summary>
/// Shows what was received once its values are here, and keeps pages open while their heads are merged.
/// </summary>
/// <param name="context">The ledger's.</param>
/// <param name="trees">Trees of what was received.</param>
internal sealed class SyncHeads(SyncContext context, PendingTrees trees) : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SortedSet<PageId> _pages = [];
    private readonly Dictionary<PageId, PageState> _merging = [];
    private readonly Dictionary<PageId, (Backoff Backoff, long Since, TimeSpan Delay)> _retries = [];
    private readonly EagerValues _values = new(context);
    private readonly HeadInstaller _installer = new(context, trees);

    /// <summary>True while something received is not shown.</summary>
    public bool IsBusy
    {
        get
        {
            lock (_gate)
            {
                return _pages.Count > 0;
            }
        }
    }

    /// <summary>Pages with something that is not shown.</summary>
    public int PageCount
    {
        get
        {
            lock (_gate)
            {
                return _pages.Count;
            }
        }
    }

    /// <summary>A page has received something, or has several heads.</summary>
    public void Add(PageId page)
    {
        lock (_gate)
        {
            _pages.Add(page);
        }

        context.Changed.Pulse();
    }

    /// <summary>A page has several heads: it is kept open until they are merged.</summary>
    public void KeepOpen(PageId page)
    {
        lock (_gate)
        {
            if (_merging.ContainsKey(page) || !_pages.Add(page))
            {
                return;
            }
        }

        context.Changed.Pulse();
    }

    /// <summary>Whether the merge that a page needs has failed.</summary>
    public bool HasMergeFailed(PageId page)
    {
        lock (_gate)
        {
            return _merging.TryGetValue(page, out var state) && state.Merger.HasFailed;
        }
    }

    /// <summary>A page has moved: perhaps it has one head again.</summary>
    public void Look(PageId id)
    {
        PageState? page;
        lock (_gate)
        {
            if (!_merging.TryGetValue(id, out page) || IsApart(page))
            {
                return;
            }

            _merging.Remove(id);
        }

        context.Ledger.Release(page);
    }

    /// <summary>Runs until it is stopped.</summary>
    public Task RunAsync(CancellationToken stop) => SyncLoop.RunAsync(context, StepAsync, Failed, stop);

    /// <summary>Lets go of the pages that were kept open.</summary>
    public void Dispose()
    {
        PageState[] pages;
        lock (_gate)
        {
            pages = [.. _merging.Values];
            _merging.Clear();
        }

        foreach (var page in pages)
        {
            context.Ledger.Release(page);
        }
    }

    private static bool IsApart(PageState page)
    {
        lock (page.Gate)
        {
            return page.IsUsable && page.Branches.Count > 1;
        }
    }

    private void Failed(Exception exception)
    {
        LogMessages.SyncFailed(context.Services.Logger, context.Ledger.Name, exception);
        context.Report.SetFailure("values", exception.Message);
        context.Changed.Pulse();
    }

    private async Task StepAsync(Backoff backoff, CancellationToken cancellationToken)
    {
        var version = context.Changed.Version;
        var isBlocked = context.Report.Block.Block is SyncBlock.Foreign or SyncBlock.RolledBack;
        PageId[] pages;
        lock (_gate)
        {
            pages = [.. _pages.Where(page => !isBlocked && WaitOf(page) == TimeSpan.Zero)];
        }

        if (pages.Length == 0)
        {
            await SyncLoop.WaitAsync(context, version, isBlocked ? null : NextWait(), cancellationToken);
            return;
        }

        foreach (var page in pages)
        {
            Exception? failure;
            try
            {
                failure = await ShowAsync(page, cancellationToken);
            }
            catch (Exception exception) when (IsOfOnePage(exception))
            {
                failure = exception;
            }

            Note(page, failure);
        }
    }

    private static bool IsOfOnePage(Exception exception) =>
        exception is CloudUnavailableException or MissingObjectException or CorruptObjectException
            or FormatTooNewException;

    // What fails for one page holds up no other one.
    private void Note(PageId page, Exception? failure)
    {
        lock (_gate)
        {
            if (failure is null)
            {
                _retries.Remove(page);
            }
            else
            {
                var backoff = _retries.TryGetValue(page, out var retry) ? retry.Backoff : new Backoff(context.Runtime);
                _retries[page] = (backoff, context.Runtime.Time.GetTimestamp(), backoff.Next());
            }

            if (_retries.Count == 0)
            {
                context.Report.SetFailure("values", null);
            }
        }

        if (failure is not null)
        {
            Failed(failure);
        }
    }

    private TimeSpan WaitOf(PageId page)
    {
        if (!_retries.TryGetValue(page, out var retry))
        {
            return TimeSpan.Zero;
        }

        var rest = retry.Delay - context.Runtime.Time.GetElapsedTime(retry.Since);
        return rest > TimeSpan.Zero ? rest : TimeSpan.Zero;
    }

    private TimeSpan? NextWait()
    {
        lock (_gate)
        {
            return _pages.Count == 0 ? null : _pages.Min(WaitOf) + TimeSpan.FromMilliseconds(1);
        }
    }

    /// <summary>Shows what is ready of a page.</summary>
    /// <returns>Why something is not; the others are shown all the same.</returns>
    private async Task<Exception?> ShowAsync(PageId id, CancellationToken cancellationToken)
    {
        var page = await context.Ledger.OpenStateAsync(id, cancellationToken);
        Exception? failure = null;
        try
        {
            var row = await context.ReadPageAsync(id, page.Incarnation, cancellationToken);
            var ready = new HashSet<CommitId>();
            foreach (var commit in row.Pending)
            {
                try
                {
                    await _values.CompleteAsync(page, commit, cancellationToken);
                    ready.Add(commit);
                }
                catch (Exception exception) when (IsOfOnePage(exception))
                {
                    failure = exception;
                }
            }

            using (await context.Turns.AcquireAsync(cancellationToken))
            {
                await _installer.InstallAsync(page, ready.Contains, cancellationToken);
                await RemoveShownAsync(id, cancellationToken);
            }
        }
        catch (PageDeletedException)
        {
            using var turn = await context.Turns.AcquireAsync(cancellationToken);
            await RemoveShownAsync(id, cancellationToken);
        }
        finally
        {
            Keep(page);
            context.Changed.Pulse();
        }

        return failure;
    }

    /// <summary>A page that has shown everything needs nothing; in a turn, whose successors add it again.</summary>
    private async ValueTask RemoveShownAsync(PageId id, CancellationToken cancellationToken)
    {
        // Not of the life that was looked at: it may have ended, and the next one have received something.
        var (incarnation, _, _) = await context.ReadLifeAsync(id, cancellationToken);
        var row = await context.ReadPageAsync(id, incarnation, cancellationToken);
        if (row.Pending.Count == 0)
        {
            lock (_gate)
            {
                _pages.Remove(id);
            }
        }
    }

    /// <summary>Keeps a page open while it has several heads.</summary>
    private void Keep(PageState page)
    {
        var isKept = false;
        lock (_gate)
        {
            isKept = IsApart(page) && _merging.TryAdd(page.Id, page);
        }

        if (!isKept)
        {
            context.Ledger.Release(page);
        }
    }
}
