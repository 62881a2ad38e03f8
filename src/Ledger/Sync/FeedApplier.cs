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
    private readonly LateEntries _late = new(context);

    /// <summary>Entries that came before the record of their page.</summary>
    public LateEntries Late => _late;

    // Pages of which something that waits may be applied now.
    private readonly Lock _gate = new();
    private readonly SortedSet<PageId> _looked = [];

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
        using var taken = page is { } id ? await PageIntake.BeginAsync(context, lease, id, cancellationToken) : null;
        SelfRow? self = null;
        var (isNameTaken, garbled) = (false, 0);
        foreach (var entry in run)
        {
            if (state.Outgoing is { } outgoing && outgoing.Row.Id == entry.Entry.Entry.Id)
            {
                // Also when it came back as nobody can open it: its number is used, and its commits go again.
                self = EntrySender.SetDone(lease, state.Self, outgoing);
                garbled += entry.Header is null ? 1 : 0;
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

        // In the same record: nobody writes under a name that was seen to be somebody else's.
        var renamed = isNameTaken && !context.Has(PlantedBugs.SyncKeepStaleDevice) ? state.SetNewName(lease) : null;
        taken?.SetRows();
        await lease.CommitAsync(renamed is null ? Durability.Buffered : Durability.Flushed, cancellationToken);
        state.Anchor = anchor;
        state.Garbled += garbled;
        if (self is not null && state.Outgoing is { } sent)
        {
            context.Report.Count(counts => counts with
            {
                EntriesSent = counts.EntriesSent + 1,
                BytesSent = counts.BytesSent + sent.Content.Length,
            });
            (state.Self, state.Outgoing) = (self, null);
        }

        if (renamed is not null)
        {
            state.SetRenamed(renamed);
        }

        state.SetChains(tracker.Changed);
        taken?.Show(holds);
        context.Report.Count(counts => counts with
        {
            EntriesReceived = counts.EntriesReceived + run.Count,
            BytesReceived = counts.BytesReceived + run.Sum(entry => (long)entry.Entry.Entry.Content.Length),
        });
        if (page is { } moved && taken is { HasApplied: true })
        {
            Look(moved);
        }

        return page;
    }

    /// <summary>Applies, in turns, all that was waiting when the ledger was opened.</summary>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        await _late.LoadAsync(cancellationToken);
        var pages = new SortedSet<PageId>();
        await foreach (var (key, value) in context.Store.ScanRowsAsync(SyncRowKeys.Waiting, cancellationToken))
        {
            pages.Add(SyncRowKeys.ReadPage(key.Span));
            var sizeBytes = WaitingRow.Decode(value.Span).SizeBytes;
            context.Report.Count(counts => counts.Wait(1, sizeBytes, context.Runtime.Time.GetTimestamp()));
        }

        await foreach (var (key, value) in context.Store.ScanRowsAsync(SyncRowKeys.Quarantine, cancellationToken))
        {
            var isRest = SyncRowKeys.ReadPosition(key.Span) == FeedPosition.Last;
            context.Report.AddProblems(isRest ? QuarantineRow.Decode(value.Span).Sequence : 1);
        }

        foreach (var page in pages)
        {
            Look(page);
        }

        await ApplyWaitingAsync(_ => { }, cancellationToken);
    }

    /// <summary>Notes that commits of a page that wait, if any, may have got their parents. At any time.</summary>
    public void Look(PageId page)
    {
        if (context.Report.Counts.Waiting > 0)
        {
            lock (_gate)
            {
                _looked.Add(page);
            }
        }
    }

    /// <summary>
    /// Applies commits that were waiting and whose parents are here now: parents first, in turns of its own.
    /// </summary>
    /// <param name="received">Told of each page that has received something.</param>
    /// <param name="cancellationToken">Ends it between two records; the next call goes on.</param>
    public async Task ApplyWaitingAsync(Action<PageId> received, CancellationToken cancellationToken)
    {
        while (FirstLooked() is { } page)
        {
            IReadOnlyList<WaitingCommit> waiting;
            using (await context.Turns.AcquireAsync(cancellationToken))
            {
                waiting = await PageIntake.ListWaitingAsync(context, page, cancellationToken);
            }

            for (var next = 0; next < waiting.Count;)
            {
                using var turn = await context.Turns.AcquireAsync(cancellationToken);

                // Not given up half way: what is in the store is also to be shown.
                next = await ApplyWaitingAsync(page, waiting, next, CancellationToken.None);
                received(page);
            }

            lock (_gate)
            {
                _looked.Remove(page);
            }
        }
    }

    private PageId? FirstLooked()
    {
        lock (_gate)
        {
            return _looked.Count == 0 ? null : _looked.Min;
        }
    }

    private async Task<int> ApplyWaitingAsync(
        PageId page, IReadOnlyList<WaitingCommit> waiting, int start, CancellationToken cancellationToken)
    {
        await using var lease = context.Store.BeginWrite();
        using var taken = await PageIntake.BeginAsync(context, lease, page, cancellationToken);
        var (next, isMoving) = await taken.RetryWaitingAsync(waiting, start, cancellationToken);
        if (isMoving)
        {
            taken.SetRows();
            await lease.CommitAsync(Durability.Buffered, cancellationToken);
            taken.Show(holds);
        }

        return next;
    }

    /// <summary>
    /// Takes in entries that were put aside because their page was not known, in a turn; what cannot be applied stays
    /// aside.
    /// </summary>
    /// <param name="page">The page that they are of.</param>
    /// <param name="run">Ascending by position.</param>
    /// <param name="cancellationToken">Leaves everything as it was.</param>
    public async Task ApplyLateAsync(
        PageId page, IReadOnlyList<OpenedEntry> run, CancellationToken cancellationToken)
    {
        await using var lease = context.Store.BeginWrite();
        await _pages.DeleteEarlierAsync(page, run, lease, cancellationToken);
        using var taken = await PageIntake.BeginAsync(context, lease, page, cancellationToken);
        foreach (var entry in run)
        {
            lease.DeleteRow(SyncRowKeys.Quarantined(entry.Entry.Position));
            var problem = entry.Problem ?? await ApplyAsync(entry, taken, lease, cancellationToken);
            taken.Passed(entry.Entry.Position);
            if (problem is not null)
            {
                Quarantine(entry, problem, lease);
            }
        }

        taken.SetRows();
        await lease.CommitAsync(Durability.Buffered, cancellationToken);
        taken.Show(holds);
        lock (_gate)
        {
            _looked.Add(page);
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
            _late.Add(entry.Entry.Page);
            return LateEntries.Reason;
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

        // What waits of a page that was deleted waits for nothing.
        Look(record.Page);
        return null;
    }

    private void Quarantine(OpenedEntry entry, string problem, IObjectWriter lease)
    {
        var (position, name, sent) = entry.Entry;
        LogMessages.EntryQuarantined(context.Services.Logger, context.Ledger.Name, problem);
        context.SetProblem(
            lease, position,
            new QuarantineRow(sent.Id, name, sent.Device, sent.Sequence, SyncProblemKind.Quarantined, problem));
    }
}
