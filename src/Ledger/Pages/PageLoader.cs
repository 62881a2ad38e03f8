using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages.Rows;
using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>What the rows of a page say.</summary>
/// <param name="Incarnation">Incarnation that its rows have, or will have.</param>
/// <param name="IsStored">Whether its row is stored and live.</param>
/// <param name="Floor">The last timestamp issued before the id was last deleted.</param>
/// <param name="LastTimestamp">Below this no timestamp may be issued.</param>
/// <param name="Branches">One or more, with their journals.</param>
internal sealed record LoadedPage(
    uint Incarnation, bool IsStored, HybridTimestamp Floor, HybridTimestamp LastTimestamp,
    IReadOnlyList<Branch> Branches);

/// <summary>Reads the rows of a page and rebuilds its journals.</summary>
internal static class PageLoader
{
    /// <summary>Reads a page; one that was never stored, or was deleted, is empty.</summary>
    /// <exception cref="CorruptObjectException">A row is damaged.</exception>
    /// <exception cref="FormatTooNewException">A row or a head is of a newer version.</exception>
    public static async Task<LoadedPage> LoadAsync(
        LedgerServices services, PageId id, CancellationToken cancellationToken)
    {
        var row = await ReadPageRowAsync(services.Store, id, cancellationToken);
        if (row is null or { IsDeleted: true })
        {
            var floor = row?.Floor ?? HybridTimestamp.Zero;
            return new LoadedPage(row?.Incarnation ?? 1, IsStored: false, floor, floor, [NewBranch()]);
        }

        var stale = new List<ReadOnlyMemory<byte>>();
        var branches = await ReadHeadsAsync(services, id, row.Incarnation, stale, cancellationToken);
        await ReadJournalsAsync(services, id, row.Incarnation, branches, stale, cancellationToken);
        if (stale.Count > 0)
        {
            LogMessages.StaleRowsIgnored(services.Logger, id, stale.Count);
        }

        var last = branches.Values.Max(branch => branch.LastTimestamp);
        return new LoadedPage(
            row.Incarnation, IsStored: true, row.Floor, HybridTimestamp.Max(last, row.Floor), [.. branches.Values]);
    }

    /// <summary>A page's row, or null when it was never stored.</summary>
    public static async ValueTask<PageRow?> ReadPageRowAsync(
        IObjectStore store, PageId id, CancellationToken cancellationToken) =>
        await store.ReadRowAsync(RowKeys.Page(id), cancellationToken) is { } content
            ? PageRow.Decode(content.Span)
            : null;

    private static Branch NewBranch() => new(0, Commit.Genesis, 0);

    private static async Task<SortedDictionary<uint, Branch>> ReadHeadsAsync(
        LedgerServices services, PageId id, uint incarnation, List<ReadOnlyMemory<byte>> stale,
        CancellationToken cancellationToken)
    {
        var branches = new SortedDictionary<uint, Branch>();
        await foreach (var (key, value) in services.Store.ScanRowsAsync(RowKeys.Heads(id), cancellationToken))
        {
            var head = HeadRow.Decode(value.Span);
            if (head.Incarnation != incarnation)
            {
                stale.Add(key);
                continue;
            }

            var number = RowKeys.ReadBranch(key.Span);
            var commit = await services.Graph.ReadAsync(head.Commit, cancellationToken);
            branches.Add(number, new Branch(number, commit, head.Covered));
        }

        // Until the first fold or transaction the page stands on genesis and has no head row.
        if (branches.Count == 0)
        {
            branches.Add(0, NewBranch());
        }

        return branches;
    }

    private static async Task ReadJournalsAsync(
        LedgerServices services, PageId id, uint incarnation, SortedDictionary<uint, Branch> branches,
        List<ReadOnlyMemory<byte>> stale, CancellationToken cancellationToken)
    {
        await foreach (var (key, value) in services.Store.ScanRowsAsync(RowKeys.Journals(id), cancellationToken))
        {
            var place = RowKeys.ReadJournalPlace(key.Span);
            if (place.Incarnation != incarnation || !branches.TryGetValue(place.Branch, out var branch) ||
                place.Sequence <= branch.Covered)
            {
                stale.Add(key);
                continue;
            }

            branch.Restore(place.Sequence, JournalRow.Decode(value));
        }
    }
}
