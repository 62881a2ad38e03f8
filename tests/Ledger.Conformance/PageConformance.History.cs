using Ledger.Commits;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Conformance;

/// <summary>
/// Log, earlier states, differences, versions of a key and restoring; connections on different heads.
/// </summary>
public abstract partial class PageConformance
{
    [Fact]
    public async Task The_log_shows_each_commit_newest_first_with_its_author_and_its_number_of_changes()
    {
        await using var page = await OpenPageAsync();
        await CommitAsync(page, "first", ("a", "1"), ("b", "1"));
        await page.PutAsync("a", "2");
        await CommitAsync(page, null, ("a", null), ("b", "3"), ("c", "3"));

        var log = await page.LogAsync().ToListAsync();

        Assert.Equal([3, 2, 1], log.Select(commit => commit.Generation));
        Assert.Equal([3, 1, 2], log.Select(commit => commit.Changes));
        Assert.Equal([null, null, "first"], log.Select(commit => commit.Message));
        Assert.Equal([log[1].Id, log[2].Id], log.Take(2).Select(commit => Assert.Single(commit.Parents)));
        Assert.All(log, commit => Assert.Equal(new DeviceId(6).ToString(), commit.Device));
        Assert.All(log, commit => Assert.InRange(
            commit.Time!.Value, DateTimeOffset.UtcNow.AddMinutes(-10), DateTimeOffset.UtcNow.AddMinutes(1)));
        Assert.Equal(log[1..], await page.LogAsync(log[1].Id).ToListAsync());
        Assert.Equal(log[..2], await page.LogAsync(limit: 2).ToListAsync());
        Assert.Empty(await page.LogAsync(limit: 0).ToListAsync());
    }

    [Fact]
    public async Task A_page_without_changes_has_an_empty_log_and_one_head()
    {
        await using var page = await OpenPageAsync();

        Assert.Empty(await page.LogAsync().ToListAsync());
        Assert.Equal(Commit.Genesis.Id, Assert.Single(await page.GetHeadsAsync()).Id);
    }

    [Fact]
    public async Task The_state_of_an_earlier_commit_or_time_is_shown()
    {
        await using var page = await OpenPageAsync();
        var first = await CommitAsync(page, null, ("a", "1"));
        var between = (await page.LogAsync(limit: 1).FirstAsync()).Time!.Value;
        await Runtime.Delay(TimeSpan.FromMilliseconds(5), default);
        var second = await CommitAsync(page, null, ("a", "2"), ("b", "2"));

        await using var byCommit = await page.GetSnapshotAsync(AsOf.Commit(first));
        await using var byTime = await page.GetSnapshotAsync(AsOf.Time(between));
        await using var latest = await page.GetSnapshotAsync(AsOf.Time(DateTimeOffset.MaxValue), Bytes("b"));
        await using var beginning = await page.GetSnapshotAsync(AsOf.Commit(Commit.Genesis.Id));

        Assert.Equal("a=1", await byCommit.ShowAsync());
        Assert.Equal(first, byTime.Commit.Id);
        Assert.Equal(second, latest.Commit.Id);
        Assert.Equal("b=2", await latest.ShowAsync());
        Assert.Equal("", await beginning.ShowAsync());
    }

    [Fact]
    public async Task Commits_that_are_not_in_the_history_and_times_before_it_are_unknown()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await using var other = await ledger.CreatePageAsync();
        var known = await CommitAsync(page, null, ("a", "1"));
        var foreign = await CommitAsync(other, null, ("b", "1"));

        await Assert.ThrowsAsync<UnknownCommitException>(() => page.GetSnapshotAsync(AsOf.Commit(foreign)));
        await Assert.ThrowsAsync<UnknownCommitException>(() => page.GetSnapshotAsync(AsOf.Commit(default)));
        await Assert.ThrowsAsync<UnknownCommitException>(
            () => page.GetSnapshotAsync(AsOf.Time(DateTimeOffset.UnixEpoch)));
        await Assert.ThrowsAsync<UnknownCommitException>(async () => await page.LogAsync(foreign).CountAsync());
        await Assert.ThrowsAsync<UnknownCommitException>(async () => await page.DiffAsync(known, foreign).CountAsync());
        await Assert.ThrowsAsync<UnknownCommitException>(async () => await page.DiffAsync(foreign, known).CountAsync());
        await Assert.ThrowsAsync<UnknownCommitException>(() => page.RestoreAsync(foreign));
        await page.PutAsync("still", "open");
    }

    [Fact]
    public async Task The_difference_of_two_commits_comes_in_key_order_both_ways_and_under_a_prefix()
    {
        await using var page = await OpenPageAsync();
        var first = await CommitAsync(page, null, ("a", "1"), ("b", "1"), ("ca", "1"));
        var second = await CommitAsync(page, null, ("a", "2"), ("b", null), ("cb", "2"));

        Assert.Equal("a=2,-b,cb=2", await PageText.ShowAsync(page.DiffAsync(first, second)));
        Assert.Equal("a=1,b=1,-cb", await PageText.ShowAsync(page.DiffAsync(second, first)));
        Assert.Equal("cb=2", await PageText.ShowAsync(page.DiffAsync(first, second, Bytes("c"))));
        Assert.Equal("", await PageText.ShowAsync(page.DiffAsync(second, second)));
        Assert.Equal("a=1,b=1,ca=1", await PageText.ShowAsync(page.DiffAsync(Commit.Genesis.Id, first)));
    }

    [Fact]
    public async Task The_history_of_a_key_has_each_of_its_values_and_deletions_with_its_commit()
    {
        await using var page = await OpenPageAsync();
        var first = await CommitAsync(page, null, ("a", "1"), ("b", "1"));
        await CommitAsync(page, null, ("b", "2"));
        var deleted = await CommitAsync(page, null, ("a", null));
        await page.ClearAsync();
        await page.GetSnapshotAsync();
        var last = await CommitAsync(page, null, ("a", new string('x', 1000)));

        var versions = await page.HistoryOfAsync(Bytes("a")).ToListAsync();

        Assert.Equal([last, deleted, first], versions.Select(version => version.Commit.Id));
        Assert.Equal(
            [new string('x', 1000), null, "1"],
            versions.Select(version => version.Entry is { } entry ? Text(entry.Value!.Value) : null));
        Assert.Empty(await page.HistoryOfAsync(Bytes("never")).ToListAsync());
    }

    [Fact]
    public async Task Restoring_makes_one_commit_with_an_earlier_state_under_a_prefix_and_none_when_nothing_differs()
    {
        await using var page = await OpenPageAsync();
        var first = await CommitAsync(page, null, ("a", "1"), ("b", "1"), ("bb", "1"));
        var second = await CommitAsync(page, null, ("a", "2"), ("b", null), ("bb", "2"), ("bc", "2"));

        var restored = await page.RestoreAsync(first, Bytes("b"));

        Assert.Equal("a=2,b=1,bb=1", await page.ShowAsync());
        var newest = await page.LogAsync(limit: 1).FirstAsync();
        Assert.Equal((restored, second), (newest.Id, Assert.Single(newest.Parents)));
        Assert.Equal(restored, await page.RestoreAsync(first, Bytes("b")));
        await page.RestoreAsync(first);
        Assert.Equal("a=1,b=1,bb=1", await page.ShowAsync());
        Assert.Equal(4, await page.LogAsync().CountAsync());
    }

    [Fact]
    public async Task Connections_on_one_head_see_each_others_plain_writes_and_do_not_diverge()
    {
        var ledger = await OpenLedgerAsync();
        await using var first = await ledger.GetPageAsync(PageId.Root);
        await using var second = await ledger.GetPageAsync(PageId.Root);

        await first.PutAsync("a", "1");
        await second.PutAsync("b", "2");

        Assert.Equal("2", await first.GetAsync("b"));
        Assert.Equal("a=1,b=2", await second.ShowAsync());
        Assert.Single(await first.GetHeadsAsync());
    }

    [Fact]
    public async Task A_transaction_that_commits_after_the_page_moved_diverges_and_both_heads_are_kept()
    {
        var ledger = await OpenLedgerAsync();
        ledger.SetConflictResolver(MergePolicy.None);
        var page = await ledger.GetPageAsync(PageId.Root);
        var other = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("base", "0");
        await using (var transaction = await page.BeginTransactionAsync())
        {
            await transaction.PutAsync("mine", "1");
            await other.PutAsync("theirs", "2");
            await transaction.CommitAsync();
        }

        Assert.Equal("base=0,mine=1", await page.ShowAsync());
        Assert.Equal("base=0,theirs=2", await other.ShowAsync());
        await page.PutAsync("mine", "3");
        await other.PutAsync("theirs", "4");
        Assert.Equal("base=0,mine=3", await page.ShowAsync());
        Assert.Equal("base=0,theirs=4", await other.ShowAsync());
        var heads = await page.GetHeadsAsync();
        Assert.Equal(2, heads.Count);
        Assert.Equal(heads, await other.GetHeadsAsync());
        await using var newcomer = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal("base=0,theirs=4", await newcomer.ShowAsync());

        await page.PutAsync("mine", "5");
        await ledger.DisposeAsync();
        ledger = await OpenLedgerAsync();
        ledger.SetConflictResolver(MergePolicy.None);
        await using var reopened = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal("base=0,mine=5", await reopened.ShowAsync());
        Assert.Equal(2, (await reopened.GetHeadsAsync()).Count);
    }

    [Fact]
    public async Task A_transaction_that_must_not_diverge_fails_after_the_page_moved_and_changes_nothing()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await using var other = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("count", "1");
        await using (var transaction = await page.BeginTransactionAsync())
        {
            await transaction.PutAsync("count", "2");
            await other.PutAsync("count", "5");

            var moved = await Assert.ThrowsAsync<PageMovedException>(() => transaction.CommitAsync(failIfMoved: true));

            Assert.Equal(transaction.Base.Id, moved.Pinned);
            Assert.Equal((await other.GetSnapshotAsync()).Commit.Id, moved.Head);
            Assert.True(moved.IsTransient);
        }

        Assert.Equal("count=5", await page.ShowAsync());
        Assert.Single(await page.GetHeadsAsync());
    }

    [Fact]
    public async Task A_journal_that_changes_nothing_does_not_count_as_a_move()
    {
        var ledger = await OpenLedgerAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await using var other = await ledger.GetPageAsync(PageId.Root);
        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("a", "1");
        await other.PutAsync("b", "1");
        await other.DeleteAsync("b");

        await transaction.CommitAsync(failIfMoved: true);

        Assert.Equal("a=1", await other.ShowAsync());
        Assert.Single(await page.GetHeadsAsync());
    }

    [Fact]
    public async Task Timestamps_of_a_page_ascend_over_its_commits_and_openings()
    {
        var generations = new List<long>();
        for (var opening = 0; opening < 3; opening++)
        {
            var ledger = await OpenLedgerAsync();
            var page = await ledger.GetPageAsync(PageId.Root);
            await page.PutAsync("a", $"{opening}");
            await CommitAsync(page, null, ("b", $"{opening}"));
            await page.PutAsync("c", $"{opening}");
            generations.Add((await page.GetSnapshotAsync()).Commit.Generation);
            await ledger.DisposeAsync();
        }

        await using var reopened = await OpenLedgerAsync();
        await using var last = await reopened.GetPageAsync(PageId.Root);
        var head = await reopened.Services.Graph.ReadAsync((await last.GetSnapshotAsync()).Commit.Id, default);
        var log = await reopened.Services.Graph.LogAsync(head, default).ToListAsync();
        Assert.Equal([3, 6, 9], generations);
        Assert.All(log.Zip(log.Skip(1)), pair => Assert.True(pair.First.Timestamp > pair.Second.Timestamp));
    }

    [Fact]
    public async Task A_transaction_larger_than_memory_allows_is_spilled_and_commits_as_one()
    {
        await using var page = await OpenPageAsync();
        await page.PutAsync("00000000", "old");
        var random = new Random(5);
        var expected = new SortedDictionary<string, string>(StringComparer.Ordinal);
        await using (var transaction = await page.BeginTransactionAsync())
        {
            for (var number = 0; number < 30_000; number++)
            {
                var (key, value) = ($"{random.Next(25_000):d8}", new string((char)('a' + (number % 26)), 500));
                expected[key] = value;
                await transaction.PutAsync(key, value);
            }

            var some = expected.ElementAt(expected.Count / 2);
            Assert.Equal(some.Value, await transaction.GetAsync(some.Key));
            Assert.Equal(expected.GetValueOrDefault("00000000", "old"), await transaction.GetAsync("00000000"));
            expected.TryAdd("00000000", "old");
            await transaction.CommitAsync();
        }

        await using var snapshot = await page.GetSnapshotAsync();
        var actual = await snapshot.GetEntriesAsync()
            .Select(entry => KeyValuePair.Create(Text(entry.Key), Text(entry.Value!.Value))).ToListAsync();
        Assert.Equal(expected, actual);
        Assert.InRange(snapshot.Commit.Changes, expected.Count - 1, expected.Count);
    }

    private static async Task<CommitId> CommitAsync(
        IPage page, string? message, params (string Key, string? Value)[] changes)
    {
        await using var transaction = await page.BeginTransactionAsync();
        foreach (var (key, value) in changes)
        {
            await (value is null ? transaction.DeleteAsync(key) : transaction.PutAsync(key, value));
        }

        return await transaction.CommitAsync(message: message);
    }
}
