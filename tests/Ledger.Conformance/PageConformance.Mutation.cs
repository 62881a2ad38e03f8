using Ledger.Pages;
using Xunit;

namespace Ledger.Conformance;

/// <summary>Plain writes and transactions.</summary>
public abstract partial class PageConformance
{
    [Fact]
    public async Task The_first_snapshot_of_a_page_is_empty()
    {
        await using var page = await OpenPageAsync();

        await using var snapshot = await page.GetSnapshotAsync();

        Assert.Empty(await snapshot.GetEntriesAsync().ToListAsync());
        Assert.Equal(0, await snapshot.CountAsync());
        Assert.Equal(0, snapshot.Commit.Generation);
    }

    [Fact]
    public async Task A_put_outside_of_a_transaction_shows_in_later_reads_and_not_in_earlier_snapshots()
    {
        await using var page = await OpenPageAsync();
        await using var earlier = await page.GetSnapshotAsync();

        await page.PutAsync("name", "Alice");

        Assert.Equal("Alice", await page.GetAsync("name"));
        Assert.Equal("name=Alice", await page.ShowAsync());
        Assert.Equal("", await earlier.ShowAsync());
    }

    [Fact]
    public async Task A_put_inside_a_transaction_shows_only_after_its_commit()
    {
        await using var page = await OpenPageAsync();

        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("name", "Alice");
        var during = await page.ShowAsync();
        var commit = await transaction.CommitAsync();

        Assert.Equal("", during);
        Assert.Equal("name=Alice", await page.ShowAsync());
        Assert.Equal(commit, (await page.GetSnapshotAsync()).Commit.Id);
    }

    [Fact]
    public async Task Everything_acknowledged_is_there_when_the_ledger_is_opened_again()
    {
        var ledger = await OpenLedgerAsync();
        var page = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        var folded = await page.GetSnapshotAsync();
        await page.PutAsync("b", new string('x', 2000));
        await page.PutAsync("c", "3");
        await page.DeleteAsync("a");

        await ledger.DisposeAsync();
        await using var reopened = await OpenPageAsync();

        Assert.Equal($"b={new string('x', 2000)},c=3", await reopened.ShowAsync());
        Assert.Null(await reopened.GetAsync("a"));
        Assert.Equal(folded.Commit.Id, Assert.Single((await reopened.GetSnapshotAsync()).Commit.Parents));
    }

    [Fact]
    public async Task Rolling_a_transaction_back_leaves_no_trace()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("name", "Alice");

        var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("name", "Bob");
        await transaction.RollbackAsync();

        Assert.Equal("name=Alice", await page.ShowAsync());
        Assert.Single(await page.LogAsync().ToListAsync());
    }

    [Fact]
    public async Task Disposing_a_transaction_that_was_not_committed_rolls_it_back()
    {
        await using var page = await OpenPageAsync();

        await using (var transaction = await page.BeginTransactionAsync())
        {
            await transaction.PutAsync("name", "Bob");
        }

        Assert.Equal("", await page.ShowAsync());
        await page.PutAsync("name", "Alice");
    }

    [Fact]
    public async Task A_delete_outside_of_a_transaction_removes_the_key()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");
        await page.PutAsync("b", "2");

        await page.DeleteAsync("a");
        await page.DeleteAsync("absent");

        Assert.Equal("b=2", await page.ShowAsync());
        Assert.Null(await page.GetAsync("a"));
    }

    [Fact]
    public async Task A_put_and_a_delete_of_a_key_in_one_transaction_come_to_nothing()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("kept", "1");

        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("name", "Alice");
        await transaction.DeleteAsync("name");
        var commit = await transaction.CommitAsync();

        Assert.Equal("kept=1", await page.ShowAsync());
        Assert.Equal(transaction.Base.Id, commit);
    }

    [Fact]
    public async Task A_clear_outside_of_a_transaction_removes_every_key_and_later_puts_stay()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");
        await page.GetSnapshotAsync();
        await page.PutAsync("b", "2");

        await page.ClearAsync();
        var cleared = await page.GetAsync("a");
        await page.PutAsync("c", "3");

        Assert.Null(cleared);
        Assert.Equal("c=3", await page.ShowAsync());
    }

    [Fact]
    public async Task After_a_clear_in_a_transaction_only_its_later_puts_are_left()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");

        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("b", "2");
        await transaction.ClearAsync();
        await transaction.PutAsync("c", "3");
        await transaction.CommitAsync();

        Assert.Equal("c=3", await page.ShowAsync());
    }

    [Fact]
    public async Task Of_several_clears_in_a_transaction_the_last_one_counts()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");

        await using var transaction = await page.BeginTransactionAsync();
        await transaction.ClearAsync();
        await transaction.PutAsync("b", "2");
        await transaction.ClearAsync();
        await transaction.PutAsync("c", "3");
        await transaction.CommitAsync();

        Assert.Equal("c=3", await page.ShowAsync());
    }

    [Fact]
    public async Task A_delete_after_a_clear_in_a_transaction_changes_nothing_more()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");

        await using var transaction = await page.BeginTransactionAsync();
        await transaction.ClearAsync();
        await transaction.DeleteAsync("a");
        await transaction.CommitAsync();

        Assert.Equal("", await page.ShowAsync());
    }

    [Fact]
    public async Task A_clear_after_a_delete_in_a_transaction_removes_the_rest()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");
        await page.PutAsync("b", "2");

        await using var transaction = await page.BeginTransactionAsync();
        await transaction.DeleteAsync("a");
        await transaction.ClearAsync();
        await transaction.CommitAsync();

        Assert.Equal("", await page.ShowAsync());
    }

    [Fact]
    public async Task Clearing_and_putting_everything_back_in_a_transaction_makes_no_commit()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");

        await using var transaction = await page.BeginTransactionAsync();
        await transaction.ClearAsync();
        await transaction.PutAsync("a", "1");
        var commit = await transaction.CommitAsync();

        Assert.Equal(transaction.Base.Id, commit);
        Assert.Single(await page.LogAsync().ToListAsync());
    }

    [Fact]
    public async Task Plain_puts_between_two_snapshots_are_one_commit_and_one_that_changes_nothing_is_none()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("a", "1");
        await page.PutAsync("b", "2");
        var first = (await page.GetSnapshotAsync()).Commit;

        await page.PutAsync("b", "2");
        var second = (await page.GetSnapshotAsync()).Commit;

        Assert.Equal(1, first.Generation);
        Assert.Equal(2, first.Changes);
        Assert.Equal(first, second);
    }

    [Fact]
    public async Task Calls_that_are_not_awaited_take_effect_in_the_order_in_which_they_were_made()
    {
        await using var page = await OpenPageAsync();

        var puts = Enumerable.Range(0, 200).Select(number => page.PutAsync("key", $"{number}")).ToList();
        var read = page.GetAsync("key");
        var snapshot = page.GetSnapshotAsync();
        var begun = page.BeginTransactionAsync();

        Assert.Equal("199", await read);
        Assert.Equal("key=199", await (await snapshot).ShowAsync());
        await using var transaction = await begun;
        Assert.Equal("199", await transaction.GetAsync("key"));
        await Task.WhenAll(puts);
    }

    [Fact]
    public async Task Keys_and_values_are_copied_before_a_call_returns()
    {
        await using var page = await OpenPageAsync();
        var (key, value) = (PageText.Bytes("key"), PageText.Bytes("value"));

        var put = page.PutAsync(key, value);
        key[0] = value[0] = (byte)'?';
        await put;

        Assert.Equal("key=value", await page.ShowAsync());
    }

    [Fact]
    public async Task Empty_values_values_at_every_limit_and_keys_at_every_limit_are_kept()
    {
        await using var page = await OpenPageAsync();
        int[] sizes = [0, 1, 511, 512, 513, 65_536, 65_537, 1024 * 1024];
        var keys = sizes.Select(size => new byte[size % 1024 == 0 ? 1024 : 1 + (size % 1024)]).ToList();
        var values = sizes.Select(size => Fill(size)).ToList();
        foreach (var (key, value) in keys.Zip(values))
        {
            key[0] = (byte)keys.IndexOf(key);
            key[^1] ^= (byte)(value.Length >> 8);
        }

        foreach (var (key, value) in keys.Zip(values))
        {
            await page.PutAsync(key, value);
        }

        await using var snapshot = await page.GetSnapshotAsync();
        foreach (var (key, value) in keys.Zip(values))
        {
            Assert.Equal(value, (await page.GetAsync(key))!.Value.ToArray());
            Assert.Equal(value, (await snapshot.GetAsync(key))!.Value.ToArray());
        }

        Assert.Equal(keys.Count, await snapshot.CountAsync());
    }

    private static byte[] Fill(int sizeBytes)
    {
        var content = new byte[sizeBytes];
        new Random(sizeBytes).NextBytes(content);
        return content;
    }
}
