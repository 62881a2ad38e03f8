using Ledger.Objects.Segments;
using Ledger.Pages;

namespace Ledger.Sync;

/// <summary>Reads a ledger's feed from the anchor on, and takes it in.</summary>
/// <param name="context">The ledger's.</param>
/// <param name="state">The ledger's.</param>
/// <param name="heads">Told of what was received.</param>
/// <param name="applier">Takes entries in.</param>
internal sealed class SyncDownload(SyncContext context, SyncState state, SyncHeads heads, FeedApplier applier)
{
    private const int RunEntriesMax = 256;

    // A run is one record, which must not grow beyond what a store takes: a commit adds about 125 bytes to it. Its
    // changes are in memory.
    private const int RunCommitsMax = 4096;
    private const long RunSizeBytesMax = 4 << 20;

    private readonly EntryOpener _opener = new(context);
    private readonly Lock _gate = new();
    private CancellationTokenSource? _connection;
    private long _connections;

    // How often somebody wanted to know anew what there is: only a connection made after that can say.
    private long _wanted;
    private bool _isCaughtUp;
    private bool _isReading;
    private bool _isHeld;

    /// <summary>True when everything that the cloud has given out was taken in, since the last connecting.</summary>
    public bool IsCaughtUp
    {
        get
        {
            lock (_gate)
            {
                return _isCaughtUp;
            }
        }
    }

    /// <summary>Connections so far: another number is another one.</summary>
    public long Connections => Volatile.Read(ref _connections);

    /// <summary>True while the cloud is connected and its feed is read.</summary>
    public bool IsReading
    {
        get
        {
            lock (_gate)
            {
                return _isReading;
            }
        }
    }

    /// <summary>True while nothing is to be connected to.</summary>
    public bool IsHeld
    {
        get => Volatile.Read(ref _isHeld);
        set => Volatile.Write(ref _isHeld, value);
    }

    /// <summary>Runs until it is stopped.</summary>
    public Task RunAsync(CancellationToken stop) => SyncLoop.RunAsync(context, ConnectAsync, Failed, stop);

    /// <summary>Asks the cloud anew what there is.</summary>
    public void Reconnect()
    {
        CancellationTokenSource? connection;
        lock (_gate)
        {
            _isCaughtUp = false;
            _wanted++;
            connection = _connection;
        }

        connection?.Cancel();
    }

    /// <summary>A page has moved here: what waits of it may be applied when entries come next.</summary>
    public void Look(PageId page) => applier.Look(page);

    // Only now: to connect is not to get somewhere.
    private void Succeeded(Backoff backoff)
    {
        backoff.Reset();
        context.Report.SetFailure("download", null);
    }

    private void Failed(Exception exception)
    {
        SetCaughtUp(false);
        LogMessages.SyncFailed(context.Services.Logger, context.Ledger.Name, exception);
        context.Report.SetFailure("download", exception.Message);
        context.Changed.Pulse();
    }

    private void SetCaughtUp(bool isCaughtUp, long wanted = -1)
    {
        lock (_gate)
        {
            _isCaughtUp = isCaughtUp && wanted == _wanted;
        }

        context.Changed.Pulse();
    }

    private async Task ConnectAsync(Backoff backoff, CancellationToken stop)
    {
        for (var version = context.Changed.Version; IsHeld; version = context.Changed.Version)
        {
            await context.Changed.WaitAsync(version, stop);
        }

        using var end = CancellationTokenSource.CreateLinkedTokenSource(stop);
        lock (_gate)
        {
            (_connection, _isCaughtUp) = (end, false);
        }

        try
        {
            await FollowAsync(backoff, end.Token);
        }
        catch (OperationCanceledException) when (end.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            // Somebody wants to know now.
        }
        finally
        {
            lock (_gate)
            {
                (_connection, _isReading, _isCaughtUp) = (null, false, false);
            }
        }
    }

    private async Task FollowAsync(Backoff backoff, CancellationToken cancellationToken)
    {
        var wanted = Volatile.Read(ref _wanted);
        var cursor = new FeedCursor(context.Keys.Ledger, state.Anchor?.Position ?? FeedPosition.Start);
        await using var connection = await context.Cloud.ConnectAsync(
            state.Self.Device, [cursor], null, cancellationToken);
        Interlocked.Increment(ref _connections);
        await CheckAsync(connection, cancellationToken);
        lock (_gate)
        {
            _isReading = true;
        }

        applier.Late.Connect();
        await TakeLateAsync(connection.Incarnation, cancellationToken);

        // What was broken off before.
        await applier.ApplyWaitingAsync(heads.Add, cancellationToken);

        while (true)
        {
            await PauseAsync(cancellationToken);
            switch (await connection.ReadAsync(cancellationToken))
            {
                case CloudEvent.Entries entries:
                    await TakeAsync(connection.Incarnation, entries.Items, cancellationToken);
                    await TakeLateAsync(connection.Incarnation, cancellationToken);
                    Succeeded(backoff);
                    context.Changed.Pulse();
                    break;
                case CloudEvent.CaughtUp:
                    Succeeded(backoff);
                    SetCaughtUp(true, wanted);
                    break;
                default:
                    return;
            }
        }
    }

    /// <summary>
    /// Compares the cloud with what was taken in and sent before; does not return where nothing may move.
    /// </summary>
    private async Task CheckAsync(ICloudConnection connection, CancellationToken cancellationToken)
    {
        var feed = connection.Feeds[0];
        var found = context.Has(PlantedBugs.SyncSkipAnchorCheck)
            ? AnchorState.Intact
            : FeedAnchor.Compare(state.Anchor, connection.Incarnation, feed);
        if (found is AnchorState.Foreign or AnchorState.RolledBack)
        {
            await BlockAsync(found, cancellationToken);
        }

        var isOurs = feed.LastSequence is not { } last || last < state.Self.Next ||
            (state.Outgoing is { } outgoing && last == outgoing.Row.Sequence);
        if (!isOurs && !context.Has(PlantedBugs.SyncKeepStaleDevice))
        {
            // A restored backup, or a clone: it must not write under this name again.
            using var turn = await context.Turns.AcquireAsync(cancellationToken);
            await state.TakeNewNameAsync(cancellationToken);
        }
    }

    /// <summary>Nothing moves until the user decides, which ends the connection.</summary>
    private async Task BlockAsync(AnchorState found, CancellationToken cancellationToken)
    {
        context.Report.Block = found == AnchorState.Foreign
            ? (SyncBlock.Foreign,
                "This is another cloud than before, or it was erased or restored. Nothing is sent or taken in until " +
                "you repair, reset or erase; local data is kept.")
            : (SyncBlock.RolledBack,
                $"The cloud does not have entry {state.Anchor?.Entry} any more, which was taken in before. " +
                "Nothing is sent or taken in until you repair, reset or erase; local data is kept.");
        context.Changed.Pulse();
        try
        {
            await context.Runtime.Delay(Timeout.InfiniteTimeSpan, cancellationToken);
        }
        finally
        {
            context.Report.Block = default;
        }
    }

    /// <summary>While too much waits nothing more is taken in.</summary>
    private async Task PauseAsync(CancellationToken cancellationToken)
    {
        if (context.Report.Counts.WaitingSizeBytes <= SyncReport.WaitingSizeBytesMax)
        {
            return;
        }

        try
        {
            context.Report.Block = (
                SyncBlock.TooMuchWaiting,
                $"{context.Report.Counts.WaitingSizeBytes} bytes of commits wait for others that have not come, more " +
                $"than {SyncReport.WaitingSizeBytesMax}. Nothing more is taken in until they are applied, or you " +
                "repair.");
            context.Changed.Pulse();
            for (var version = context.Changed.Version;
                context.Report.Counts.WaitingSizeBytes > SyncReport.WaitingSizeBytesMax;
                version = context.Changed.Version)
            {
                await context.Changed.WaitAsync(version, cancellationToken);
            }
        }
        finally
        {
            context.Report.Block = default;
        }
    }

    /// <summary>Reads entries again that came before the record of their page.</summary>
    private async Task TakeLateAsync(CloudIncarnation incarnation, CancellationToken cancellationToken)
    {
        while (await applier.Late.TakeAsync(cancellationToken) is var (name, page, positions))
        {
            var isRead = false;
            try
            {
                var run = await ReadAgainAsync(incarnation, name, positions, cancellationToken);
                isRead = true;
                if (run.Count < positions.Count)
                {
                    // They stay aside, and stay in the status.
                    applier.Late.Withhold(name);
                }

                using (await context.Turns.AcquireAsync(cancellationToken))
                {
                    await applier.ApplyLateAsync(page, run, CancellationToken.None);
                    heads.Add(page);
                }

                await applier.ApplyWaitingAsync(heads.Add, cancellationToken);
            }
            finally
            {
                if (!isRead)
                {
                    applier.Late.Add(name);
                }
            }
        }
    }

    private async Task<List<OpenedEntry>> ReadAgainAsync(
        CloudIncarnation incarnation, PageName name, SortedSet<FeedPosition> positions,
        CancellationToken cancellationToken)
    {
        var run = new List<OpenedEntry>();
        if (positions.Count == 0)
        {
            return run;
        }

        var cursor = new FeedCursor(context.Keys.Ledger, new FeedPosition(positions.Min.Value - 1));
        await using var connection = await context.Cloud.ConnectAsync(
            state.Self.Device, [cursor], new HashSet<PageName> { name }, cancellationToken);
        if (connection.Incarnation != incarnation)
        {
            throw new CloudUnavailableException(
                CloudProblem.Unreachable, "The cloud became another one while entries were read again.");
        }

        var left = new SortedSet<FeedPosition>(positions);
        while (left.Count > 0)
        {
            switch (await connection.ReadAsync(cancellationToken))
            {
                case CloudEvent.Entries entries:
                    foreach (var item in entries.Items.OrderBy(item => item.Position))
                    {
                        if (item.Page == name && left.Remove(item.Position))
                        {
                            run.Add(await _opener.OpenAsync(item, cancellationToken));
                        }
                    }

                    break;
                case CloudEvent.CaughtUp:
                    return run;
                default:
                    throw new CloudUnavailableException(
                        CloudProblem.Unreachable, "The connection ended while entries were read again.");
            }
        }

        return run;
    }

    private async Task TakeAsync(
        CloudIncarnation incarnation, IReadOnlyList<FeedEntry> items, CancellationToken cancellationToken)
    {
        // What was taken in comes again now and then, and not always in order.
        var isTrusted = context.Has(PlantedBugs.SyncTrustDelivery);
        var after = state.Anchor?.Position ?? FeedPosition.Start;
        var news = isTrusted
            ? [.. items]
            : items.Where(item => item.Position > after).DistinctBy(item => item.Position)
                .OrderBy(item => item.Position).ToList();
        for (var start = 0; start < news.Count;)
        {
            var page = news[start].Page;
            var run = new List<OpenedEntry>();
            var (commits, sizeBytes) = (0, 0L);
            while (start < news.Count && news[start].Page == page && run.Count < RunEntriesMax &&
                commits < RunCommitsMax && sizeBytes < RunSizeBytesMax)
            {
                var opened = await _opener.OpenAsync(news[start++], cancellationToken);
                run.Add(opened);
                commits += opened.Commits.Count;
                sizeBytes += opened.SizeBytes;
            }

            using (await context.Turns.AcquireAsync(cancellationToken))
            {
                // Not given up half way: what is in the store is also to be shown.
                if (await applier.ApplyAsync(incarnation, run, CancellationToken.None) is { } moved)
                {
                    heads.Add(moved);
                }
            }

            await applier.ApplyWaitingAsync(heads.Add, cancellationToken);
        }
    }
}
