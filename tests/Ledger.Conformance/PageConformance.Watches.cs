using Ledger.Pages;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Conformance;

/// <summary>What watches deliver, and when.</summary>
public abstract partial class PageConformance
{
    [Fact]
    public async Task A_watch_begins_with_the_state_at_registration_and_delivers_the_change_after_it()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");
        await using var watch = new WatchReader(await page.WatchAsync());

        await page.PutAsync("b", "2");
        var change = await watch.NextAsync();

        Assert.Equal("a=1", await watch.Initial.ShowAsync());
        Assert.NotNull(change);
        Assert.Equal("b=2", await change.ShowAsync());
        Assert.Equal("b=2", await change.ShowAsync());
        Assert.Equal("a=1,b=2", await change.Snapshot.ShowAsync());
        Assert.Equal(change.Commit, change.Snapshot.Commit);
    }

    [Fact]
    public async Task A_watch_that_is_waiting_is_given_the_change_of_a_later_put()
    {
        await using var page = await OpenPageAsync();
        await using var watch = new WatchReader(await page.WatchAsync());
        var asked = watch.Ask();

        Assert.False(asked.IsCompleted);
        await page.PutAsync("a", "1");

        Assert.Equal("a=1", await watch.ShowNextAsync());
    }

    [Fact]
    public async Task Changes_that_nobody_has_pulled_yet_coalesce_to_the_last_value_of_each_key()
    {
        await using var page = await OpenPageAsync();
        await using var watch = new WatchReader(await page.WatchAsync());
        await page.PutAsync("key", "1");
        Assert.Equal("key=1", await watch.ShowNextAsync());

        await page.PutAsync("key", "2");
        await page.GetSnapshotAsync();
        await page.PutAsync("key", "3");

        Assert.Equal("key=3", await watch.ShowNextAsync());
    }

    [Fact]
    public async Task A_watch_that_is_disposed_while_it_waits_ends_and_the_page_goes_on()
    {
        await using var page = await OpenPageAsync();
        var watch = await page.WatchAsync();
        var waiting = watch.ChangesAsync().GetAsyncEnumerator().MoveNextAsync().AsTask();

        await watch.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => waiting);
        Assert.Throws<ObjectDisposedException>(() => watch.ChangesAsync());
        await page.PutAsync("a", "1");
    }

    [Fact]
    public async Task A_watch_whose_wait_is_cancelled_holds_nothing_up_and_goes_on_with_the_next_enumeration()
    {
        await using var page = await OpenPageAsync();
        await using var watch = await page.WatchAsync();
        using var stop = new CancellationTokenSource();
        var waiting = watch.ChangesAsync(stop.Token).GetAsyncEnumerator().MoveNextAsync().AsTask();
        Assert.Throws<InvalidOperationException>(() => watch.ChangesAsync());

        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("a", "1");
        await transaction.CommitAsync();
        var change = await watch.ChangesAsync().FirstAsync();
        Assert.Single(await change.GetEntriesAsync().ToListAsync());
    }

    [Fact]
    public async Task After_its_connection_is_disposed_a_watch_delivers_what_happened_before_as_one_change_and_ends()
    {
        var ledger = await OpenLedgerAsync();
        var page = await ledger.GetPageAsync(PageId.Root);
        await using var watch = new WatchReader(await page.WatchAsync());
        var puts = Enumerable.Range(0, 1000).Select(number => page.PutAsync($"{number:d4}", "value")).ToList();

        await page.DisposeAsync();

        await Task.WhenAll(puts);
        var change = await watch.NextAsync();
        Assert.Equal(1000, await change!.GetEntriesAsync().CountAsync());
        Assert.Null(await watch.NextAsync());
    }

    [Fact]
    public async Task A_watch_that_waits_when_its_connection_is_disposed_ends()
    {
        var page = await OpenPageAsync();
        await using var watch = new WatchReader(await page.WatchAsync());
        var asked = watch.Ask();

        await page.DisposeAsync();

        Assert.False(await asked);
    }

    [Fact]
    public async Task A_deleted_key_is_in_the_change_with_what_it_was()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");
        await using var watch = new WatchReader(await page.WatchAsync());

        await page.DeleteAsync("a");
        await page.PutAsync("b", "2");
        var change = await watch.NextAsync();

        Assert.NotNull(change);
        Assert.Equal("-a,b=2", await change.ShowAsync());
        var deleted = await change.GetEntriesAsync().FirstAsync();
        Assert.Equal("1", Text(deleted.Before!.Value.Value!.Value));
        Assert.Null(deleted.After);
    }

    [Fact]
    public async Task A_change_of_many_large_entries_is_read_in_key_order()
    {
        await using var page = await OpenPageAsync();
        await using var watch = new WatchReader(await page.WatchAsync());
        var keys = Enumerable.Range(0, 70).Select(number => $"{number:d3}").ToList();
        await using (var transaction = await page.BeginTransactionAsync())
        {
            foreach (var key in keys.AsEnumerable().Reverse())
            {
                await transaction.PutAsync(key, new string('x', 20_000));
            }

            await transaction.CommitAsync();
        }

        var change = await watch.NextAsync();

        Assert.Equal(keys, await change!.GetEntriesAsync().Select(entry => Text(entry.Key)).ToListAsync());
    }

    [Fact]
    public async Task Nothing_of_a_transaction_is_delivered_before_its_commit_and_then_everything_at_once()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await using var other = await ledger.GetPageAsync(PageId.Root);
        await using var watch = new WatchReader(await page.WatchAsync());
        await using var foreign = new WatchReader(await other.WatchAsync());
        var (asked, foreignAsked) = (watch.Ask(), foreign.Ask());
        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("a", "1");
        await transaction.PutAsync("b", "2");

        Assert.False(asked.IsCompleted);
        Assert.False(foreignAsked.IsCompleted);
        await transaction.CommitAsync();

        Assert.Equal("a=1,b=2", await watch.ShowNextAsync());
        Assert.Equal("a=1,b=2", await foreign.ShowNextAsync());
    }

    [Fact]
    public async Task An_empty_transaction_and_one_that_is_rolled_back_deliver_nothing()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");
        await using var watch = new WatchReader(await page.WatchAsync());
        var asked = watch.Ask();

        await (await page.BeginTransactionAsync()).CommitAsync();
        var rolledBack = await page.BeginTransactionAsync();
        await rolledBack.PutAsync("x", "1");
        await rolledBack.RollbackAsync();
        var unchanged = await page.BeginTransactionAsync();
        await unchanged.PutAsync("a", "1");
        await unchanged.CommitAsync();

        Assert.False(asked.IsCompleted);
        await page.PutAsync("b", "2");
        Assert.Equal("b=2", await watch.ShowNextAsync());
    }

    [Fact]
    public async Task Watches_of_two_pages_see_the_changes_of_their_own()
    {
        var ledger = await OpenLedgerAsync();
        await using var first = await ledger.CreatePageAsync();
        await using var second = await ledger.CreatePageAsync();
        await using var firstWatch = new WatchReader(await first.WatchAsync());
        await using var secondWatch = new WatchReader(await second.WatchAsync());
        var secondAsked = secondWatch.Ask();

        await first.PutAsync("a", "1");

        Assert.Equal("a=1", await firstWatch.ShowNextAsync());
        Assert.False(secondAsked.IsCompleted);
    }

    [Fact]
    public async Task A_watch_sees_only_changes_under_its_prefix()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("abc", "0");
        await using var watch = new WatchReader(await page.WatchAsync(Bytes("ab")));
        var asked = watch.Ask();

        await page.PutAsync("aa", "1");
        await page.PutAsync("b", "1");
        await page.GetSnapshotAsync();
        Assert.False(asked.IsCompleted);
        await page.PutAsync("abd", "2");
        var change = await watch.NextAsync();

        Assert.NotNull(change);
        Assert.Equal("abd=2", await change.ShowAsync());
        Assert.Equal("abc=0,abd=2", await change.Snapshot.ShowAsync());
        Assert.Equal("abc=0", await watch.Initial.ShowAsync());
    }

    [Fact]
    public async Task A_transaction_begins_when_the_watches_that_wait_have_been_given_everything()
    {
        await using var page = await OpenPageAsync();
        await using var first = new WatchReader(await page.WatchAsync());
        await using var second = new WatchReader(await page.WatchAsync(Bytes("a")));
        var (firstAsked, secondAsked) = (first.Ask(), second.Ask());

        var put = page.PutAsync("a", "1");
        await using var transaction = await page.BeginTransactionAsync();

        Assert.True(put.IsCompletedSuccessfully);
        Assert.True(await firstAsked);
        Assert.True(await secondAsked);
        Assert.Equal("a=1", await first.ShowNextAsync());
        Assert.Equal("a=1", await second.ShowNextAsync());
    }

    [Fact]
    public async Task A_transaction_inside_the_watch_loop_does_not_wait_for_the_loop()
    {
        await using var page = await OpenPageAsync();
        await using var watch = await page.WatchAsync();
        await page.PutAsync("count", "0");

        var seen = new List<string>();
        await foreach (var change in watch.ChangesAsync())
        {
            seen.Add(await change.ShowAsync());
            if (seen.Count == 3)
            {
                break;
            }

            await using var transaction = await page.BeginTransactionAsync();
            await transaction.PutAsync("count", $"{seen.Count}");
            await transaction.CommitAsync();
        }

        Assert.Equal(["count=0", "count=1", "count=2"], seen);
    }

    [Fact]
    public async Task During_a_transaction_a_watch_is_given_what_came_before_it_and_later_changes_after_it()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await using var other = await ledger.GetPageAsync(PageId.Root);
        await using var watch = new WatchReader(await page.WatchAsync());
        await other.PutAsync("a", "before");
        await using var transaction = await page.BeginTransactionAsync();
        await other.PutAsync("b", "during");
        await other.GetSnapshotAsync();

        Assert.Equal("a=before", await watch.ShowNextAsync());
        var asked = watch.Ask();
        await other.PutAsync("c", "during");
        Assert.False(asked.IsCompleted);
        await transaction.RollbackAsync();

        Assert.Equal("b=during,c=during", await watch.ShowNextAsync());
    }

    [Fact]
    public async Task A_commit_that_changes_nothing_lets_foreign_changes_through_before_the_next_transaction()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await using var other = await ledger.GetPageAsync(PageId.Root);
        await using var watch = new WatchReader(await page.WatchAsync());
        var asked = watch.Ask();
        foreach (var commits in new[] { true, false })
        {
            await using (var transaction = await page.BeginTransactionAsync())
            {
                await other.PutAsync("key", $"{commits}");
                await (commits ? transaction.CommitAsync() : transaction.RollbackAsync());
            }

            await using var next = await page.BeginTransactionAsync();

            Assert.True(await asked);
            Assert.Equal($"key={commits}", await watch.ShowNextAsync());
            Assert.Equal($"{commits}", await next.GetAsync("key"));
            asked = watch.Ask();
        }
    }
}
