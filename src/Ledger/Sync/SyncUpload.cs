using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Pages.Rows;
using Ledger.Runtime;

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

    private readonly Backoff _resending = new(context.Runtime);
    private long _garbled;
    private PageId? _composed;

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
                return _pages.Count > 0 || state.Outgoing is not null || state.HasToSendValues;
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
            download.Look(page);
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

        if (state.Garbled == _garbled)
        {
            _resending.Reset();
        }
        else
        {
            // It goes again in another entry, ever more seldom to a cloud that garbles each.
            _garbled = state.Garbled;
            await context.Runtime.Delay(_resending.Next(), cancellationToken);
        }

        var isBlocked = false;
        foreach (var (page, upload) in List())
        {
            var seen = upload.Version;
            switch (upload.HasToWait(context.Runtime) ? null : await ComposeAsync(page, upload, cancellationToken))
            {
                case true:
                    _composed = page;
                    return;
                case false:
                    Forget(page, seen);
                    break;
                default:
                    isBlocked = true;
                    break;
            }
        }

        if (state.HasToSendValues)
        {
            await SendValuesAsync(cancellationToken);
            backoff.Reset();
            context.Report.SetFailure("upload", null);
            context.Changed.Pulse();
            return;
        }

        await SyncLoop.WaitAsync(context, version, isBlocked ? LookInterval : null, cancellationToken);
    }

    private async Task SendValuesAsync(CancellationToken cancellationToken)
    {
        var failure = await new ValueResender(context, state, _sender).SendAsync(
            KnowsCloud(), cancellationToken);
        if (failure is not null)
        {
            LogMessages.SyncFailed(context.Services.Logger, context.Ledger.Name, failure);
        }
    }

    // Whether what is sent goes to the cloud that is being read now.
    private Func<bool> KnowsCloud()
    {
        var connection = download.Connections;
        return () => download.IsReading && download.Connections == connection;
    }

    /// <summary>Composes the next entry of a page.</summary>
    /// <returns>False when the cloud has everything; null when the page must wait.</returns>
    private async Task<bool?> ComposeAsync(PageId page, PageUpload upload, CancellationToken cancellationToken)
    {
        var outcome = default(bool?);
        LedgerException? failure = null;
        try
        {
            if (await IsReadyAsync(page, upload, cancellationToken))
            {
                using var turn = await context.Turns.AcquireAsync(cancellationToken);
                var isConditional = upload.Refusals < RefusalsMax;
                outcome = await _composer.ComposeAsync(page, isConditional, cancellationToken) is not null;
            }
        }
        catch (LedgerException exception) when (IsOfOnePage(exception))
        {
            failure = exception;
        }

        // That an entry could be composed says nothing yet: its values are read when it is sent.
        if (failure is not null || outcome == false)
        {
            Note(upload, failure);
        }

        return outcome;
    }

    private static bool IsOfOnePage(LedgerException exception) =>
        exception is CorruptObjectException or MissingObjectException or FormatTooNewException;

    // What is damaged in one page holds up no other one.
    private void Note(PageUpload upload, LedgerException? failure)
    {
        lock (_gate)
        {
            if (failure is null)
            {
                upload.Backoff = null;
            }
            else
            {
                upload.Backoff ??= new Backoff(context.Runtime);
                (upload.FailedAt, upload.Delay) = (context.Runtime.Time.GetTimestamp(), upload.Backoff.Next());
            }

            if (_pages.Values.All(each => each.Backoff is null))
            {
                context.Report.SetFailure("pages", null);
            }
        }

        if (failure is not null)
        {
            LogMessages.SyncFailed(context.Services.Logger, context.Ledger.Name, failure);
            context.Report.SetFailure("pages", failure.Message);
            context.Changed.Pulse();
        }
    }

    private async Task SendAsync(Outgoing outgoing, CancellationToken cancellationToken)
    {
        var connection = download.Connections;
        FeedPosition? end;
        try
        {
            end = await _sender.SendAsync(outgoing, KnowsCloud(), cancellationToken);
        }
        catch (LedgerException exception) when (IsOfOnePage(exception))
        {
            // A value that it names cannot be read: it was never appended, for blobs come first.
            await _sender.DropAsync(outgoing, cancellationToken);
            Note(UploadOf(outgoing.Row.Page), exception);
            return;
        }

        if (end is null)
        {
            (_sent, _sentIn) = (outgoing.Row.Id, connection);
        }

        var upload = UploadOf(outgoing.Row.Page);
        lock (_gate)
        {
            (upload.Refusals, upload.NeededEnd) = end is { } moved ? (upload.Refusals + 1, moved) : (0, default);
        }

        if (end is null)
        {
            Note(upload, null);
        }
    }

    private PageUpload UploadOf(PageId page)
    {
        lock (_gate)
        {
            if (!_pages.TryGetValue(page, out var upload))
            {
                // An entry of it was composed by an earlier life: there may be more.
                _pages.Add(page, upload = new PageUpload());
            }

            return upload;
        }
    }

    // Begins behind the page that was composed last: one that is written without end has no precedence.
    private List<(PageId Page, PageUpload Upload)> List()
    {
        lock (_gate)
        {
            var behind = _pages.Where(pair => _composed is { } last && pair.Key.CompareTo(last) > 0);
            return [.. behind.Concat(_pages).Select(pair => (pair.Key, pair.Value)).DistinctBy(pair => pair.Key)];
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

        /// <summary>After a failure of this page alone; null when there was none.</summary>
        public Backoff? Backoff { get; set; }

        public long FailedAt { get; set; }

        public TimeSpan Delay { get; set; }

        public bool HasToWait(LedgerRuntime runtime) =>
            Backoff is not null && runtime.Time.GetElapsedTime(FailedAt) < Delay;
    }
}
