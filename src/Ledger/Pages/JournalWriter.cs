using Ledger.Pages.Rows;
using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>
/// Writes groups of plain writes to the log and makes them visible; the worker of a page's write queue.
/// </summary>
/// <param name="services">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class JournalWriter(LedgerServices services, PageState page)
{
    /// <summary>Writes a group as one atomic record; when it throws, nothing of it became visible.</summary>
    public async Task WriteAsync(IReadOnlyList<QueuedWrite> group)
    {
        try
        {
            await (group[0] is ExclusiveWrite exclusive ? exclusive.RunAsync() : WriteJournalAsync(group));
        }
        catch (InvariantException fault)
        {
            page.Stop(fault);
            throw;
        }
    }

    private async Task WriteJournalAsync(IReadOnlyList<QueuedWrite> group)
    {
        var writes = Accept(group);
        if (writes.Count == 0)
        {
            return;
        }

        await using var lease = services.Store.BeginWrite();
        foreach (var write in writes)
        {
            if (write.Bytes is { } bytes)
            {
                write.Value = await services.Values.WriteAsync(lease, bytes, write.Priority, CancellationToken.None);
            }

            write.Row = write.Row with { Change = write.Key is { } key ? new(key, write.Value) : null };
            var place = new JournalPlace(page.Incarnation, write.Branch.Number, write.Sequence);
            lease.SetRow(RowKeys.JournalEntry(page.Id, place), write.Row.Encode());
        }

        if (!page.IsStored)
        {
            lease.SetRow(RowKeys.Page(page.Id), page.NewRow().Encode());
        }

        // From here on the writes belong to all who wait for them: nobody's token stops them.
        await lease.CommitAsync(writes[0].Durability, CancellationToken.None);
        lock (page.Gate)
        {
            page.MarkStored();
            foreach (var write in writes)
            {
                write.Branch.Active.Apply(write.Sequence, write.Row);
            }
        }

        page.Changed.Pulse();
        services.Folds.Touch(page);
    }

    /// <summary>Gives those that may go on their place and time.</summary>
    private List<JournalWrite> Accept(IReadOnlyList<QueuedWrite> group)
    {
        var accepted = new List<JournalWrite>(group.Count);
        lock (page.Gate)
        {
            page.ThrowIfUnusable();
            foreach (var write in group.Cast<JournalWrite>())
            {
                if (write.CancellationToken.IsCancellationRequested)
                {
                    write.Fail(new OperationCanceledException(write.CancellationToken));
                    continue;
                }

                // A page that is not stored has no keys: removing some is no change, and stores nothing.
                if (!page.IsStored && accepted.Count == 0 && !write.IsPut)
                {
                    continue;
                }

                write.Branch = write.Branch.Living;
                write.Sequence = write.Branch.NextSequence();
                write.Row = new JournalRow(page.Clock.Issue(), page.WallClockMs(), null);
                accepted.Add(write);
            }
        }

        return accepted;
    }
}
