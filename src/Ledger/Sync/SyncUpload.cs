using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Pages.Rows;

namespace Ledger.Sync;

/// <summary>
/// Uploads what the cloud does not have, one entry after the other, when there is nothing to take in first.
/// </summary>
/// <param name="context">The ledger's.</param>
/// <param name="state">The ledger's.</param>
/// <param name="heads">Knows what waits to be merged.</param>
/// <param name="download">Knows whether the feed was taken in.</param>
internal sealed class SyncUpload(SyncContext context, SyncState state, SyncHeads heads, SyncDownload download)
{
    /// <summary>Refusals after which an entry is appended wherever the page's part of the feed ends.</summary>
    public const int RefusalsMax = 5;

    /// <summary>How long an upload waits for heads to be merged.</summary>
    public static readonly TimeSpan MergeWaitMax = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly SortedDictionary<PageId, PageUpload> _pages = [];
    private readonly EntryComposer _composer = new(context, state);
    private readonly EntrySender _sender = new(context, state);

    // Appended during this connection: what breaks it off makes the fate unknown again.
    private EntryId _sent;
    private long _sentIn;

    /// <summary>True while there is something to upload.</summary>
    public bool IsBusy
    {
        get
        {
            lock (_gate)
            {
                return _pages.Count > 0 || state.Outgoing is not null;
            }
        }
    }

    /// <summary>Pages with something to upload, perhaps.</summary>
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

    /// <summary>Finds out which pages have something that the cloud does not have, or several heads.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        await foreach (var (key, value) in context.Store.ScanRowsAsync(RowKeys.Pages, cancellationToken))
        {
            if (!PageRow.Decode(value.Span).IsDeleted)
            {
                Add(RowKeys.ReadPage(key.Span));
            }
        }

        await foreach (var (key, value) in context.Store.ScanRowsAsync(SyncRowKeys.Pages, cancellationToken))
        {
            Add(SyncRowKeys.ReadPage(key.Span));
            if (SyncPageRow.Decode(value.Span).Pending.Count > 0)
            {
                heads.Add(SyncRowKeys.ReadPage(key.Span));
            }
        }
    }

    /// <summary>Notices what is new here, until it is stopped.</summary>
    public Task FollowAsync(CancellationToken stop) => SyncLoop.RunAsync(
        context,
        async (_, cancellationToken) =>
        {
            var version = context.Services.Moved.Changed.Version;
            NoticeMoved();
            await context.Services.Moved.Changed.WaitAsync(version, cancellationToken);
        },
        Failed, stop);

    /// <summary>Takes note of what has moved so far.</summary>
    public void NoticeMoved()
    {
        foreach (var page in context.Services.Moved.Take())
        {
            Add(page);
            heads.Look(page);
        }
    }

    /// <summary>Uploads until it is stopped.</summary>
    public Task RunAsync(CancellationToken stop) => SyncLoop.RunAsync(context, StepAsync, Failed, stop);

    private void Add(PageId page)
    {
        lock (_gate)
        {
            if (_pages.TryGetValue(page, out var upload))
            {
                upload.Version++;
            }
            else
            {
                _pages.Add(page, new PageUpload());
            }
        }

        context.Changed.Pulse();
    }

    private void Failed(Exception exception)
    {
        LogMessages.SyncFailed(context.Services.Logger, context.Ledger.Name, exception);
        context.Report.SetFailure("upload", exception.Message);
        context.Changed.Pulse();
    }

    private async Task StepAsync(Backoff backoff, CancellationToken cancellationToken)
    {
        var version = context.Changed.Version;
        if (!download.IsCaughtUp)
        {
            await context.Changed.WaitAsync(version, cancellationToken);
            return;
        }

        if (state.Outgoing is { } outgoing)
        {
            if (download.Connections == _sentIn && outgoing.Row.Id == _sent)
            {
                // The cloud has it, and it is on its way back.
                await context.Changed.WaitAsync(version, cancellationToken);
                return;
            }

            await SendAsync(outgoing, cancellationToken);
            backoff.Reset();
            context.Report.SetFailure("upload", null);
            context.Changed.Pulse();
            return;
        }

        var isBlocked = false;
        foreach (var (page, upload) in List())
        {
            var seen = upload.Version;
            if (!await IsReadyAsync(page, upload, cancellationToken))
            {
                isBlocked = true;
                continue;
            }

            using (await context.Turns.AcquireAsync(cancellationToken))
            {
                if (await _composer.ComposeAsync(page, upload.Refusals < RefusalsMax, cancellationToken) is not null)
                {
                    return;
                }
            }

            Forget(page, seen);
        }

        await SyncLoop.WaitAsync(context, version, isBlocked ? LookInterval : null, cancellationToken);
    }

    private async Task SendAsync(Outgoing outgoing, CancellationToken cancellationToken)
    {
        var connection = download.Connections;
        var end = await _sender.SendAsync(outgoing, cancellationToken);
        if (end is null)
        {
            (_sent, _sentIn) = (outgoing.Row.Id, connection);
        }

        lock (_gate)
        {
            if (!_pages.TryGetValue(outgoing.Row.Page, out var upload))
            {
                // It was composed by an earlier life: there may be more.
                _pages.Add(outgoing.Row.Page, upload = new PageUpload());
            }

            (upload.Refusals, upload.NeededEnd) = end is { } moved ? (upload.Refusals + 1, moved) : (0, default);
        }
    }

    private List<(PageId Page, PageUpload Upload)> List()
    {
        lock (_gate)
        {
            return [.. _pages.Select(pair => (pair.Key, pair.Value))];
        }
    }

    private void Forget(PageId page, long seen)
    {
        lock (_gate)
        {
            if (_pages.TryGetValue(page, out var upload) && upload.Version == seen)
            {
                _pages.Remove(page);
            }
        }

        context.Changed.Pulse();
    }

    /// <summary>Whether a page may be uploaded now: one head, or heads that will not be one soon.</summary>
    private async ValueTask<bool> IsReadyAsync(
        PageId page, PageUpload upload, CancellationToken cancellationToken)
    {
        var (incarnation, _, _) = await context.ReadLifeAsync(page, cancellationToken);
        var row = await context.ReadPageAsync(page, incarnation, cancellationToken);
        var current = await context.ReadHeadsAsync(page, incarnation, cancellationToken);
        var isApart = current.Count > 1 || row.Pending.Count > 0;
        var isBehind = row.End < upload.NeededEnd;
        if (!isApart && !isBehind)
        {
            upload.BlockedSince = null;
            return true;
        }

        if (current.Count > 1 && row.Pending.Count == 0)
        {
            heads.KeepOpen(page);
        }

        upload.BlockedSince ??= context.Runtime.Time.GetTimestamp();
        var isLate = context.Runtime.Time.GetElapsedTime(upload.BlockedSince.Value) >= MergeWaitMax;
        return isLate || (!isBehind && row.Pending.Count == 0 &&
            (context.Services.Policies.For(page).Policy == MergePolicy.None || heads.HasMergeFailed(page)));
    }

    private sealed class PageUpload
    {
        public long Version { get; set; }

        public int Refusals { get; set; }

        public FeedPosition NeededEnd { get; set; }

        public long? BlockedSince { get; set; }
    }
}
