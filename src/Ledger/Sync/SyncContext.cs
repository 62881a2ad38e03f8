using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>What the parts of a ledger's synchronisation share.</summary>
/// <param name="Ledger">The ledger.</param>
/// <param name="Keys">Its keys.</param>
/// <param name="Cloud">Where it synchronises with.</param>
internal sealed record SyncContext(LedgerStore Ledger, SyncKeys Keys, ICloudProvider Cloud)
{
    /// <summary>What the ledger's pages share.</summary>
    public LedgerServices Services => Ledger.Services;

    /// <summary>The seams.</summary>
    public LedgerRuntime Runtime => Services.Runtime;

    /// <summary>Objects and rows.</summary>
    public IObjectStore Store => Services.Store;

    /// <summary>
    /// Held while rows of synchronisation are read and written anew; never across a call to the cloud.
    /// </summary>
    public AsyncLock Turns { get; } = new();

    /// <summary>Pulsed whenever anything has moved.</summary>
    public AsyncSignal Changed { get; } = new();

    /// <summary>What was done, and what keeps more from being done.</summary>
    public SyncReport Report { get; } = new();

    /// <summary>Whether a test has planted a fault.</summary>
    public bool Has(PlantedBugs bug) => Services.Bugs.HasFlag(bug);

    /// <summary>The incarnation that a page's commits must name, and whether the page is deleted.</summary>
    public async ValueTask<(uint Incarnation, bool IsStored, bool IsDeleted)> ReadLifeAsync(
        PageId page, CancellationToken cancellationToken)
    {
        var row = await PageLoader.ReadPageRowAsync(Store, page, cancellationToken);
        return (row?.Incarnation ?? 1, row is { IsDeleted: false }, row is { IsDeleted: true });
    }

    /// <summary>What is known of a page in the cloud.</summary>
    public async ValueTask<SyncPageRow> ReadPageAsync(
        PageId page, uint incarnation, CancellationToken cancellationToken)
    {
        var row = await ReadStoredPageAsync(page, cancellationToken) ?? SyncPageRow.New(incarnation);
        return row.Incarnation == incarnation
            ? row
            : SyncPageRow.New(incarnation) with { IsAnnounced = row.IsAnnounced, End = row.End };
    }

    /// <summary>The row of a page in the cloud as it is stored, of whichever life; null for none.</summary>
    public async ValueTask<SyncPageRow?> ReadStoredPageAsync(PageId page, CancellationToken cancellationToken) =>
        await Store.ReadRowAsync(SyncRowKeys.Page(page), cancellationToken) is { } content
            ? SyncPageRow.Decode(content.Span)
            : null;

    /// <summary>
    /// The row of an earlier life of a page which the cloud has and which has ended here: the cloud is to be told.
    /// </summary>
    /// <param name="page">The page.</param>
    /// <param name="incarnation">Of its present life, or of the next one when it is deleted.</param>
    /// <param name="cancellationToken">Cancels the read.</param>
    /// <returns>Null when there is no such life.</returns>
    public async ValueTask<SyncPageRow?> ReadEndedAsync(
        PageId page, uint incarnation, CancellationToken cancellationToken) =>
        await ReadStoredPageAsync(page, cancellationToken) is { IsInCloud: true } row && row.Incarnation < incarnation
            ? row
            : null;

    /// <summary>The page that has a name in the cloud; null when no catalog record has told it.</summary>
    public async ValueTask<PageId?> FindPageAsync(PageName name, CancellationToken cancellationToken)
    {
        if (name == Keys.NameOf(PageId.Root))
        {
            return PageId.Root;
        }

        return await Store.ReadRowAsync(SyncRowKeys.Name(name), cancellationToken) is { } content
            ? new PageId(content.Span)
            : null;
    }

    /// <summary>
    /// Puts a problem into a record. Of very many only the first are kept, and the others are counted in one more row.
    /// </summary>
    public void SetProblem(IObjectWriter lease, FeedPosition position, QuarantineRow row)
    {
        var rest = Report.AddProblems(1) - SyncReport.ProblemsMax;
        if (rest <= 0)
        {
            lease.SetRow(SyncRowKeys.Quarantined(position), row.Encode());
            return;
        }

        var reason = $"{rest} more entries were put aside, or have commits dated ahead; they are not kept one by one.";
        lease.SetRow(
            SyncRowKeys.Quarantined(FeedPosition.Last),
            new QuarantineRow(default, default, default, rest, SyncProblemKind.Quarantined, reason).Encode());
    }

    /// <summary>The committed heads of a page, without genesis.</summary>
    public async ValueTask<List<Commits.Commit>> ReadHeadsAsync(
        PageId page, uint incarnation, CancellationToken cancellationToken)
    {
        var heads = new List<Commits.Commit>();
        await foreach (var (_, value) in Store.ScanRowsAsync(RowKeys.Heads(page), cancellationToken))
        {
            var row = HeadRow.Decode(value.Span);
            if (row.Incarnation == incarnation && row.Commit != Commits.Commit.Genesis.Id)
            {
                heads.Add(await Services.Graph.ReadAsync(row.Commit, cancellationToken));
            }
        }

        return heads;
    }
}
