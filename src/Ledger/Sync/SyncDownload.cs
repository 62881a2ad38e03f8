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

    private readonly EntryOpener _opener = new(context);
    private readonly Lock _gate = new();
    private CancellationTokenSource? _connection;
    private bool _isCaughtUp;

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

    /// <summary>Runs until it is stopped.</summary>
    public Task RunAsync(CancellationToken stop) => SyncLoop.RunAsync(context, ConnectAsync, Failed, stop);

    /// <summary>Asks the cloud anew what there is.</summary>
    public void Reconnect()
    {
        CancellationTokenSource? connection;
        lock (_gate)
        {
            _isCaughtUp = false;
            connection = _connection;
        }

        connection?.Cancel();
    }

    private void Failed(Exception exception)
    {
        SetCaughtUp(false);
        LogMessages.SyncFailed(context.Services.Logger, context.Ledger.Name, exception);
    }

    private void SetCaughtUp(bool isCaughtUp)
    {
        lock (_gate)
        {
            _isCaughtUp = isCaughtUp;
        }

        context.Changed.Pulse();
    }

    private async Task ConnectAsync(Backoff backoff, CancellationToken stop)
    {
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
                _connection = null;
            }
        }
    }

    private async Task FollowAsync(Backoff backoff, CancellationToken cancellationToken)
    {
        var cursor = new FeedCursor(context.Keys.Ledger, state.Anchor?.Position ?? FeedPosition.Start);
        await using var connection = await context.Cloud.ConnectAsync(
            state.Self.Device, [cursor], null, cancellationToken);
        backoff.Reset();
        while (true)
        {
            switch (await connection.ReadAsync(cancellationToken))
            {
                case CloudEvent.Entries entries:
                    await TakeAsync(connection.Incarnation, entries.Items, cancellationToken);
                    context.Changed.Pulse();
                    break;
                case CloudEvent.CaughtUp:
                    SetCaughtUp(true);
                    break;
                default:
                    return;
            }
        }
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
            while (start < news.Count && news[start].Page == page && run.Count < RunEntriesMax)
            {
                run.Add(await _opener.OpenAsync(news[start++], cancellationToken));
            }

            PageId? known;
            using (await context.Turns.AcquireAsync(cancellationToken))
            {
                known = await applier.ApplyAsync(incarnation, run, cancellationToken);
                if (known is { } waiting)
                {
                    await applier.ApplyWaitingAsync(waiting, cancellationToken);
                }
            }

            if (known is { } moved)
            {
                heads.Add(moved);
            }
        }
    }
}
