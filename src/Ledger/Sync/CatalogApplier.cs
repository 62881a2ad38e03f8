using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;

namespace Ledger.Sync;

/// <summary>Makes and deletes pages that other devices have made and deleted. In turns.</summary>
/// <remarks>
/// Each page's own record comes before the one with the anchor: taking a record in twice changes nothing.
/// </remarks>
/// <param name="context">The ledger's.</param>
internal sealed class CatalogApplier(SyncContext context)
{
    /// <summary>Takes in a record about a page.</summary>
    public async ValueTask TakeAsync(
        OpenedEntry entry, CatalogRecord record, IObjectWriter lease, CancellationToken cancellationToken)
    {
        var (incarnation, isStored, isDeleted) = await context.ReadLifeAsync(record.Page, cancellationToken);
        if (record.Kind == CatalogKind.Deleted && record.Incarnation > incarnation)
        {
            await DeleteAsync(entry, record.Page, record.Incarnation, lease, cancellationToken);
            incarnation = record.Incarnation;
        }
        else if (record.Kind == CatalogKind.Created && record.Incarnation == incarnation && !isStored && !isDeleted)
        {
            await CreateAsync(record.Page, cancellationToken);
        }

        if (record.Kind == CatalogKind.Created && record.Incarnation < incarnation)
        {
            // A life that has ended here. The row of it stays, so that whoever has the page is told.
            var stored = await context.ReadStoredPageAsync(record.Page, cancellationToken)
                ?? SyncPageRow.New(record.Incarnation);
            lease.SetRow(SyncRowKeys.Page(record.Page), (stored with { IsAnnounced = true }).Encode());
            context.Services.Moved.Add(record.Page);
        }
        else if (record.Incarnation == incarnation || record.Kind == CatalogKind.Created)
        {
            var row = await context.ReadPageAsync(record.Page, incarnation, cancellationToken);
            lease.SetRow(SyncRowKeys.Page(record.Page), (row with { IsAnnounced = true }).Encode());
        }
    }

    /// <summary>Commits of a later life of a page have come: the present one was deleted elsewhere.</summary>
    public async ValueTask DeleteEarlierAsync(
        PageId? page, IReadOnlyList<OpenedEntry> run, IObjectWriter lease, CancellationToken cancellationToken)
    {
        if (page is not { } id || context.Has(PlantedBugs.SyncIgnoreIncarnation))
        {
            return;
        }

        if (run.MaxBy(entry => entry.Incarnation) is not { } next)
        {
            // What was put aside, the cloud does not give again.
            return;
        }

        var (incarnation, _, _) = await context.ReadLifeAsync(id, cancellationToken);
        if (next.Incarnation > incarnation)
        {
            await DeleteAsync(next, id, next.Incarnation, lease, cancellationToken);
        }
    }

    private async ValueTask CreateAsync(PageId id, CancellationToken cancellationToken)
    {
        var page = await context.Ledger.OpenStateAsync(id, cancellationToken);
        try
        {
            await page.Commits.CreateAsync();
        }
        finally
        {
            context.Ledger.Release(page);
        }
    }

    private async ValueTask DeleteAsync(
        OpenedEntry entry, PageId id, uint next, IObjectWriter lease, CancellationToken cancellationToken)
    {
        var lost = await CountLostAsync(id, cancellationToken);
        await context.Ledger.DeletePageAsync(id, next, cancellationToken);
        if (lost > 0)
        {
            var (position, name, sent) = entry.Entry;
            lease.SetRow(
                SyncRowKeys.Quarantined(position),
                new QuarantineRow(
                    sent.Id, name, sent.Device, sent.Sequence, SyncProblemKind.DeletedWithEdits,
                    $"Device {sent.Device} deleted page {id}, of which {lost} commits were only here. They are kept " +
                    "in the store, and no page shows them.").Encode());
        }
    }

    /// <summary>Commits of a page that the cloud does not have, its journal made one of them.</summary>
    private async ValueTask<int> CountLostAsync(PageId id, CancellationToken cancellationToken)
    {
        var (incarnation, isStored, _) = await context.ReadLifeAsync(id, cancellationToken);
        if (!isStored)
        {
            return 0;
        }

        var page = await context.Ledger.OpenStateAsync(id, cancellationToken);
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
        finally
        {
            context.Ledger.Release(page);
        }

        var row = await context.ReadPageAsync(id, incarnation, cancellationToken);
        var heads = await context.ReadHeadsAsync(id, incarnation, cancellationToken);
        var uploaded = new List<Commit>();
        foreach (var commit in row.Uploaded)
        {
            uploaded.Add(await context.Services.Graph.ReadAsync(commit, cancellationToken));
        }

        var missing = await Unsynced.ListAsync(context.Services.Graph, heads, uploaded, cancellationToken);
        return missing.Count;
    }
}
