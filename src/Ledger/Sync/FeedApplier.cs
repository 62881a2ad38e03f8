using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;

namespace Ledger.Sync;

/// <summary>Takes entries of the feed in: commits, the catalog, what cannot be applied, and the anchor.</summary>
/// <remarks>
/// Everything that a run of entries brings, and the anchor behind them, is one record: after a crash either all of it
/// is here or the entries are read again. Received commits become heads later (<see cref="HeadInstaller"/>).
/// </remarks>
/// <param name="context">The ledger's.</param>
/// <param name="state">The ledger's.</param>
/// <param name="holds">Keeps the trees of commits that are to become heads.</param>
internal sealed class FeedApplier(SyncContext context, SyncState state, PendingTrees holds)
{
    private readonly CatalogApplier _pages = new(context);

    /// <summary>Takes in entries of one page, ascending by position and above the anchor, in a turn.</summary>
    /// <param name="incarnation">Of the cloud.</param>
    /// <param name="run">One or more.</param>
    /// <param name="cancellationToken">Leaves everything as it was.</param>
    /// <returns>The page; null for the catalog and pages that are not known.</returns>
    public async Task<PageId?> ApplyAsync(
        CloudIncarnation incarnation, IReadOnlyList<OpenedEntry> run, CancellationToken cancellationToken)
    {
        var last = run[^1].Entry;
        var anchor = new FeedAnchor(incarnation, last.Position, last.Entry.Id);
        await SaveEarlyAsync(anchor, cancellationToken);
        await using var lease = context.Store.BeginWrite();
        var tracker = new ChainTracker(
            state.Chains, Math.Clamp(context.Runtime.WallClockMs(), 0, Authorship.WallClockMsMax),
            context.Has(PlantedBugs.SyncSkipChainCheck));
        var page = await context.FindPageAsync(last.Page, cancellationToken);
        await _pages.DeleteEarlierAsync(page, run, lease, cancellationToken);
        var taken = page is { } id ? await PageIntake.BeginAsync(context, lease, id, cancellationToken) : null;
        SelfRow? self = null;
        var isNameTaken = false;
        foreach (var entry in run)
        {
            if (state.Outgoing is { } outgoing && outgoing.Row.Id == entry.Entry.Entry.Id && entry.Header is not null)
            {
                self = EntrySender.SetDone(lease, state.Self, outgoing);
                taken?.MarkUploaded(await BugHeadsAsync(outgoing, cancellationToken));
            }
            else if (entry.Header is { } header && header.Device == state.Self.Device)
            {
                isNameTaken |= header.Sequence >= state.Self.Next;
            }

            if (entry.Header is not null)
            {
                tracker.Add(entry.Header, entry.Hash);
            }

            var problem = entry.Problem ?? await ApplyAsync(entry, taken, lease, cancellationToken);
            taken?.Passed(entry.Entry.Position);
            if (problem is not null)
            {
                Quarantine(entry, problem, lease);
            }
        }

        lease.SetRow(SyncRowKeys.Anchor, SyncState.Encode(anchor));
        foreach (var (device, chain) in tracker.Changed)
        {
            lease.SetRow(SyncRowKeys.Chain(device), chain.Encode());
        }

        taken?.SetRows();
        await lease.CommitAsync(Durability.Buffered, cancellationToken);
        state.Anchor = anchor;
        if (self is not null && state.Outgoing is { } sent)
        {
            context.Report.Count(counts => counts with
            {
                EntriesSent = counts.EntriesSent + 1,
                BytesSent = counts.BytesSent + sent.Content.Length,
            });
            (state.Self, state.Outgoing) = (self, null);
        }

        state.SetChains(tracker.Changed);
        taken?.Show(holds);
        context.Report.Count(counts => counts with
        {
            EntriesReceived = counts.EntriesReceived + run.Count,
            BytesReceived = counts.BytesReceived + run.Sum(entry => (long)entry.Entry.Entry.Content.Length),
        });
        if (isNameTaken && !context.Has(PlantedBugs.SyncKeepStaleDevice))
        {
            await state.TakeNewNameAsync(cancellationToken);
        }

        return page;
    }

    /// <summary>Applies, in turns, all that was waiting when the ledger was opened.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        var pages = new SortedSet<PageId>();
        await foreach (var (key, value) in context.Store.ScanRowsAsync(SyncRowKeys.Waiting, cancellationToken))
        {
            pages.Add(SyncRowKeys.ReadPage(key.Span));
            var sizeBytes = WaitingRow.Decode(value.Span).SizeBytes;
            context.Report.Count(counts => counts.Wait(1, sizeBytes, context.Runtime.Time.GetTimestamp()));
        }

        foreach (var page in pages)
        {
            using var turn = await context.Turns.AcquireAsync(cancellationToken);
            await ApplyWaitingAsync(page, cancellationToken);
        }
    }

    /// <summary>Applies commits that were waiting and whose parents are here now, in a turn.</summary>
    public async Task ApplyWaitingAsync(PageId page, CancellationToken cancellationToken)
    {
        for (var isMoving = true; isMoving;)
        {
            await using var lease = context.Store.BeginWrite();
            var taken = await PageIntake.BeginAsync(context, lease, page, cancellationToken);
            isMoving = await taken.RetryWaitingAsync(cancellationToken);
            if (isMoving)
            {
                taken.SetRows();
                await lease.CommitAsync(Durability.Buffered, cancellationToken);
                taken.Show(holds);
            }
        }
    }

    // A planted fault: everything here counts as uploaded.
    private async ValueTask<IReadOnlyList<CommitId>> BugHeadsAsync(
        Outgoing outgoing, CancellationToken cancellationToken)
    {
        if (!context.Has(PlantedBugs.SyncMarkAllUploaded))
        {
            return [];
        }

        var heads = await context.ReadHeadsAsync(outgoing.Row.Page, outgoing.Row.Incarnation, cancellationToken);
        return [.. heads.Select(head => head.Id)];
    }

    // A planted fault: the anchor is a record of its own, before what it covers.
    private async ValueTask SaveEarlyAsync(FeedAnchor anchor, CancellationToken cancellationToken)
    {
        if (context.Has(PlantedBugs.SyncAnchorTooEarly))
        {
            await using var lease = context.Store.BeginWrite();
            lease.SetRow(SyncRowKeys.Anchor, SyncState.Encode(anchor));
            await lease.CommitAsync(Durability.Flushed, cancellationToken);
        }
    }

    /// <summary>Applies an entry that was opened.</summary>
    /// <returns>Why it could not be applied, or null.</returns>
    private async ValueTask<string?> ApplyAsync(
        OpenedEntry entry, PageIntake? taken, IObjectWriter lease, CancellationToken cancellationToken)
    {
        if (entry.Header?.Kind == EntryKind.Catalog)
        {
            return await ApplyCatalogAsync(entry, lease, cancellationToken);
        }

        if (entry.Commits.Count == 0)
        {
            return null;
        }

        if (taken is null)
        {
            return "No record of the catalog has told which page this entry is of.";
        }

        try
        {
            await taken.AddAsync(entry, cancellationToken);
            return null;
        }
        catch (CorruptObjectException problem) when (!context.Has(PlantedBugs.SyncQuarantineStopsFeed))
        {
            return problem.Message;
        }
    }

    private async ValueTask<string?> ApplyCatalogAsync(
        OpenedEntry entry, IObjectWriter lease, CancellationToken cancellationToken)
    {
        if (entry.Entry.Page != context.Keys.Catalog)
        {
            return "A record of the catalog is not in the catalog.";
        }

        if (entry.Record is not { Kind: CatalogKind.Created or CatalogKind.Deleted } record)
        {
            return null;
        }

        var id = new byte[PageId.SizeBytes];
        record.Page.CopyTo(id);
        lease.SetRow(SyncRowKeys.Name(context.Keys.NameOf(record.Page)), id);
        await _pages.TakeAsync(entry, record, lease, cancellationToken);
        return null;
    }

    private static void Quarantine(OpenedEntry entry, string problem, IObjectWriter lease)
    {
        var (position, name, sent) = entry.Entry;
        lease.SetRow(
            SyncRowKeys.Quarantined(position),
            new QuarantineRow(
                sent.Id, name, sent.Device, sent.Sequence, SyncProblemKind.Quarantined, problem).Encode());
    }
}
