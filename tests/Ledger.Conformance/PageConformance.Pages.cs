using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Conformance;

/// <summary>Making, listing and deleting pages, and what open and closed ones cost.</summary>
public abstract partial class PageConformance
{
    [Fact]
    public async Task Pages_that_are_created_differ_and_are_opened_again_by_id()
    {
        var ledger = await OpenLedgerAsync();
        await using var first = await ledger.CreatePageAsync();
        await using var second = await ledger.CreatePageAsync();
        await first.PutAsync("a", "1");

        await using var again = await ledger.GetPageAsync(first.Id);

        Assert.NotEqual(first.Id, second.Id);
        Assert.Equal(first.Id, again.Id);
        Assert.Equal("a=1", await again.ShowAsync());
        Assert.Equal(
            new[] { first.Id, second.Id }.Order(), await ledger.ListPagesAsync().ToListAsync());
    }

    [Fact]
    public async Task An_unknown_page_is_empty_and_stored_by_its_first_change_only()
    {
        var ledger = await OpenLedgerAsync();
        var ids = Enumerable.Range(1, 4).Select(number => new PageId(Fill(16 + number).AsSpan(0, 16))).ToList();
        foreach (var id in ids)
        {
            await using var page = await ledger.GetPageAsync(id);
            await page.DeleteAsync("absent");
            await page.ClearAsync();
            Assert.Equal("", await page.ShowAsync());
            await (await page.BeginTransactionAsync()).CommitAsync();
        }

        Assert.Empty(await ledger.ListPagesAsync().ToListAsync());
        Assert.False(await ledger.PageExistsAsync(ids[0]));
        Assert.False(await ledger.DeletePageAsync(ids[0]));
        await using (var page = await ledger.GetPageAsync(ids[0]))
        {
            await page.PutAsync("a", "1");
        }

        await using (var page = await ledger.GetPageAsync(ids[1]))
        {
            await CommitAsync(page, null, ("a", "1"));
        }

        Assert.True(await ledger.PageExistsAsync(ids[0]));
        Assert.Equal(ids[..2].Order(), await ledger.ListPagesAsync().ToListAsync());
    }

    [Fact]
    public async Task Deleting_a_page_ends_its_connections_and_leaves_its_snapshots()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", new string('x', 3000));
        var snapshot = await page.GetSnapshotAsync();
        await page.PutAsync("b", "journal");
        await using var watch = new WatchReader(await page.WatchAsync());
        var asked = watch.Ask();
        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("c", "1");

        Assert.True(await ledger.DeletePageAsync(PageId.Root));

        await Assert.ThrowsAsync<PageDeletedException>(() => page.PutAsync("a", "2"));
        await Assert.ThrowsAsync<PageDeletedException>(() => page.GetAsync("a"));
        await Assert.ThrowsAsync<PageDeletedException>(() => page.GetSnapshotAsync());
        await Assert.ThrowsAsync<PageDeletedException>(() => transaction.PutAsync("c", "2"));
        await Assert.ThrowsAsync<PageDeletedException>(() => transaction.CommitAsync());
        await Assert.ThrowsAsync<PageDeletedException>(() => asked);
        Assert.Equal($"a={new string('x', 3000)}", await snapshot.ShowAsync());
        Assert.Empty(await ledger.ListPagesAsync().ToListAsync());
        Assert.False(await ledger.PageExistsAsync(PageId.Root));
    }

    [Fact]
    public async Task Nothing_of_a_deleted_page_comes_back_when_its_id_is_used_again_also_after_a_restart()
    {
        var ledger = await OpenLedgerAsync();
        HybridTimestamp before;
        await using (var page = await ledger.GetPageAsync(PageId.Root))
        {
            await CommitAsync(page, null, ("old", "1"));
            await page.PutAsync("journal", "1");
            await ledger.DeletePageAsync(PageId.Root);
            before = await NewestTimestampAsync(ledger);
        }

        for (var opening = 0; opening < 2; opening++)
        {
            await using var page = await ledger.GetPageAsync(PageId.Root);
            Assert.Equal("", await page.ShowAsync());
            Assert.Empty(await page.LogAsync().ToListAsync());
            await ledger.DisposeAsync();
            ledger = await OpenLedgerAsync();
        }

        await using var reused = await ledger.GetPageAsync(PageId.Root);
        await CommitAsync(reused, null, ("new", "2"));
        await ledger.DisposeAsync();
        ledger = await OpenLedgerAsync();
        await using var last = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal("new=2", await last.ShowAsync());
        Assert.Single(await last.LogAsync().ToListAsync());
        var head = await ledger.Services.Graph.ReadAsync((await last.GetSnapshotAsync()).Commit.Id, default);
        Assert.Equal(2u, head.Author!.Incarnation);
        Assert.True(head.Timestamp > before);
    }

    [Fact]
    public async Task Closed_pages_cost_nothing()
    {
        var ledger = await OpenLedgerAsync();
        for (var number = 0; number < 1000; number++)
        {
            await using var page = await ledger.CreatePageAsync();
            await CommitAsync(page, null, ("a", "1"));
        }

        Assert.Equal(0, ledger.OpenPageCount);
        Assert.Equal(1000, await ledger.ListPagesAsync().CountAsync());
    }

    [Fact]
    public async Task A_journal_is_folded_when_it_is_long_without_anybody_asking()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await Task.WhenAll(Enumerable.Range(0, FoldLoop.EntryCountMax + 10).Select(number => page.PutAsync(
            Bytes($"{number:d5}"), Bytes("value"), durability: Durability.Buffered)));

        await WaitAsync(async () =>
            await ledger.Services.Store.ScanRowsAsync("h"u8.ToArray(), default).AnyAsync() &&
            !await ledger.Services.Store.ScanRowsAsync("j"u8.ToArray(), default).AnyAsync());

        Assert.InRange(await page.LogAsync().CountAsync(), 1, 3);
    }

    [Fact]
    public async Task A_journal_is_folded_and_its_closed_page_dropped_when_the_page_has_been_idle()
    {
        var ledger = await OpenLedgerAsync();
        await using (var page = await ledger.GetPageAsync(PageId.Root))
        {
            await page.PutAsync("a", "1");
        }

        Assert.Equal(1, ledger.OpenPageCount);
        await WaitAsync(() => new ValueTask<bool>(ledger.OpenPageCount == 0));

        Assert.False(await ledger.Services.Store.ScanRowsAsync("j"u8.ToArray(), default).AnyAsync());
        await using var again = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal("a=1", await again.ShowAsync());
    }

    private async Task WaitAsync(Func<ValueTask<bool>> condition)
    {
        for (var round = 0; !await condition(); round++)
        {
            Assert.True(round < 1000, "It did not come in 20 seconds.");
            await Runtime.Delay(TimeSpan.FromMilliseconds(20), default);
        }
    }

    private static async Task<HybridTimestamp> NewestTimestampAsync(LedgerStore ledger)
    {
        var row = await ledger.Services.Store.ReadRowAsync(Pages.Rows.RowKeys.Page(PageId.Root), default);
        return Pages.Rows.PageRow.Decode(row!.Value.Span).Floor;
    }
}
