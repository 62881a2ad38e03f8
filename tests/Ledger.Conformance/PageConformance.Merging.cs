using Ledger.Commits;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Trees;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Conformance;

public abstract partial class PageConformance
{
    [Fact]
    public async Task Parallel_transactions_are_merged_and_each_watch_sees_the_part_that_is_new_to_it()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        await using var aliceWatch = new WatchReader(await alice.WatchAsync());
        await using var bobWatch = new WatchReader(await bob.WatchAsync());
        await DivergeAsync(alice, bob, "city=Paris,name=Alice", "name=Bob,phone=0123456789");

        Assert.Equal("city=Paris,name=Alice", await aliceWatch.ShowNextAsync());
        Assert.Equal("name=Bob,phone=0123456789", await bobWatch.ShowNextAsync());
        ledger.SetConflictResolver(MergePolicy.LastOneWins);
        await WaitForOneHeadAsync(alice);

        Assert.Equal("city=Paris,name=Bob,phone=0123456789", await alice.ShowAsync());
        Assert.Equal("city=Paris,name=Bob,phone=0123456789", await bob.ShowAsync());
        Assert.Equal("name=Bob,phone=0123456789", await aliceWatch.ShowNextAsync());
        Assert.Equal("city=Paris", await bobWatch.ShowNextAsync());
    }

    [Fact]
    public async Task A_resolver_that_never_answers_holds_up_merging_and_nothing_else_until_the_policy_changes()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var silent = TestResolver.Silent();
        ledger.SetConflictResolver(MergePolicy.Custom, silent, Timeout.InfiniteTimeSpan);
        await DivergeAsync(alice, bob, "name=Alice", "name=Bob");
        await silent.Asked.Task;
        var waiting = alice.WaitForMergesAsync();

        await alice.PutAsync("city", "Paris");
        Assert.Equal("city=Paris,name=Alice", await alice.ShowAsync());
        Assert.Equal("name=Bob", await bob.ShowAsync());
        await using (var other = await ledger.CreatePageAsync())
        {
            await other.PutAsync("a", "1");
            Assert.Equal("a=1", await other.ShowAsync());
        }

        Assert.False(waiting.IsCompleted);
        ledger.SetConflictResolver(MergePolicy.LastOneWins);

        Assert.True(await waiting);
        Assert.Equal("city=Paris,name=Bob", await bob.ShowAsync());
        Assert.Equal(1, silent.Calls);
    }

    [Fact]
    public async Task A_custom_resolver_is_called_for_disjoint_keys_sees_all_and_decides_each()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var seen = new List<string>();
        var resolver = new TestResolver(async (context, token) =>
        {
            await foreach (var entry in context.GetFullDiffAsync(token))
            {
                Assert.Null(entry.Base);
                seen.Add($"{Text(entry.Key)}:{Show(entry.Left)}:{Show(entry.Right)}:{entry.IsConflict}");
            }

            await context.TakeRightAsync(Bytes("name"), token);
            await context.DeleteAsync(Bytes("email"), token);
            await context.PutAsync(Bytes("pager"), Bytes("pager value"), cancellationToken: token);
        });
        ledger.SetConflictResolver(MergePolicy.Custom, resolver);
        await DivergeAsync(alice, bob, "city=Paris,name=Alice", "email=alice@example.org,phone=0123456789");

        await WaitForOneHeadAsync(alice);

        Assert.Equal(
            ["city::Paris:False", "email:alice@example.org::False", "name::Alice:False", "phone:0123456789::False"],
            seen);
        Assert.Equal("city=Paris,name=Alice,pager=pager value,phone=0123456789", await bob.ShowAsync());
    }

    [Fact]
    public async Task The_last_answer_for_a_key_counts_and_answers_may_come_in_several_parts()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var resolver = new TestResolver(async (context, token) =>
        {
            await context.TakeRightAsync(Bytes("name"), token);
            await context.PutAsync(Bytes("city"), Bytes("Rome"), cancellationToken: token);
            await context.PutAsync(Bytes("name"), Bytes("Eve"), EntryPriority.Lazy, token);
            await context.DeleteAsync(Bytes("city"), token);
            await context.TakeLeftAsync(Bytes("phone"), token);
        });
        ledger.SetConflictResolver(MergePolicy.Custom, resolver);
        await DivergeAsync(alice, bob, "city=Paris,name=Alice,phone=1", "name=Bob,phone=2");

        await WaitForOneHeadAsync(alice);

        Assert.Equal("name=Eve,phone=2", await alice.ShowAsync());
        await using var snapshot = await alice.GetSnapshotAsync();
        Assert.Equal(EntryPriority.Lazy, (await snapshot.FindAsync(Bytes("name")))!.Value.Priority);
    }

    [Fact]
    public async Task A_large_difference_is_streamed_in_key_order_with_the_newer_head_on_the_left()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var keys = new List<string>();
        var resolver = new TestResolver(async (context, token) =>
        {
            keys.Clear();
            await foreach (var entry in context.GetFullDiffAsync(token))
            {
                Assert.True(entry.Left is null == Text(entry.Key).StartsWith("left", StringComparison.Ordinal));
                keys.Add(Text(entry.Key));
            }
        });
        ledger.SetConflictResolver(MergePolicy.Custom, resolver);
        string Many(string side) => string.Join(
            ',', Enumerable.Range(0, 50).Select(number => $"{side}{number:D2}={new string('v', 900)}"));
        await DivergeAsync(alice, bob, Many("left"), Many("right"));

        await WaitForOneHeadAsync(alice);

        Assert.Equal(100, keys.Count);
        Assert.Equal(keys.Order(StringComparer.Ordinal), keys);
    }

    [Fact]
    public async Task A_resolver_that_is_replaced_is_told_to_stop_and_the_new_one_is_asked()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var silent = TestResolver.Silent();
        ledger.SetConflictResolver(MergePolicy.Custom, silent, Timeout.InfiniteTimeSpan);
        await DivergeAsync(alice, bob, "name=Alice", "name=Bob");
        await silent.Asked.Task;
        var next = new TestResolver((context, token) => context.TakeRightAsync(Bytes("name"), token));

        ledger.SetConflictResolver(MergePolicy.Custom, next);

        await WaitForOneHeadAsync(alice);
        Assert.Equal("name=Alice", await bob.ShowAsync());
        Assert.Equal((1, 1), (silent.Calls, next.Calls));
    }

    [Fact]
    public async Task A_page_that_closes_while_a_resolver_is_asked_is_merged_when_it_is_opened_again()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var silent = TestResolver.Silent();
        ledger.SetConflictResolver(MergePolicy.Custom, silent, Timeout.InfiniteTimeSpan);
        await DivergeAsync(alice, bob, "name=Alice", "name=Bob");
        await silent.Asked.Task;

        await alice.DisposeAsync();
        await bob.DisposeAsync();
        ledger.SetConflictResolver(MergePolicy.LastOneWins);
        await using var again = await ledger.GetPageAsync(PageId.Root);

        await WaitForOneHeadAsync(again);
        Assert.Equal("name=Bob", await again.ShowAsync());
    }

    [Fact]
    public async Task Only_conflicting_keys_are_in_the_conflicting_diff_and_the_rest_is_merged_by_itself()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var keys = new List<string>();
        var resolver = new TestResolver(async (context, token) =>
        {
            await foreach (var entry in context.GetConflictingDiffAsync(token))
            {
                keys.Add(Text(entry.Key));
                await context.TakeRightAsync(entry.Key, token);
            }
        });
        ledger.SetConflictResolver(MergePolicy.Custom, resolver);
        await DivergeAsync(alice, bob, "city=Paris,name=Alice", "name=Bob,phone=0123456789");

        await WaitForOneHeadAsync(alice);

        Assert.Equal(["name"], keys);
        Assert.Equal("city=Paris,name=Alice,phone=0123456789", await bob.ShowAsync());
    }

    [Fact]
    public async Task Automatic_merging_does_not_ask_when_no_key_conflicts()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var resolver = TestResolver.FailingTimes(int.MaxValue);
        ledger.SetConflictResolver(MergePolicy.AutomaticWithFallback, resolver);
        await DivergeAsync(alice, bob, "city=Paris,name=Alice,same=1", "email=a@example.org,phone=2,same=1");

        await WaitForOneHeadAsync(alice);

        Assert.Equal("city=Paris,email=a@example.org,name=Alice,phone=2,same=1", await bob.ShowAsync());
        Assert.Equal(0, resolver.Calls);
    }

    [Fact]
    public async Task Automatic_merging_asks_about_everything_when_a_key_conflicts()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var keys = new List<string>();
        var resolver = new TestResolver(async (context, token) =>
        {
            keys.AddRange(await context.GetFullDiffAsync(token).Select(entry => Text(entry.Key)).ToListAsync(token));
            await context.DeleteAsync(Bytes("city"), token);
        });
        ledger.SetConflictResolver(MergePolicy.AutomaticWithFallback, resolver);
        await DivergeAsync(alice, bob, "city=Paris,name=Alice", "name=Bob,phone=0123456789");

        await WaitForOneHeadAsync(alice);

        Assert.Equal(["city", "name", "phone"], keys);
        Assert.Equal("name=Bob,phone=0123456789", await bob.ShowAsync());
    }

    [Fact]
    public async Task Automatic_merging_is_silent_when_one_side_has_changed_a_key_and_changed_it_back()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var resolver = TestResolver.FailingTimes(int.MaxValue);
        await alice.PutAsync("name", "Alice");
        await DivergeAsync(alice, bob, "name=Eve,phone=1", "email=a@example.org,name=Bob");
        await bob.PutAsync("name", "Alice");
        await bob.GetSnapshotAsync();

        ledger.SetConflictResolver(MergePolicy.AutomaticWithFallback, resolver);

        await WaitForOneHeadAsync(alice);
        Assert.Equal("email=a@example.org,name=Eve,phone=1", await bob.ShowAsync());
        Assert.Equal(0, resolver.Calls);
    }

    [Fact]
    public async Task A_wait_for_merges_ends_at_once_when_there_are_none()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();

        Assert.False(await alice.WaitForMergesAsync());
        await DivergeAsync(alice, bob, "name=Alice", "name=Bob");
        Assert.False(await alice.WaitForMergesAsync());
        ledger.SetConflictResolver(PageId.Root, MergePolicy.LastOneWins);
        await WaitForOneHeadAsync(alice);
        Assert.False(await bob.WaitForMergesAsync());
    }

    [Fact]
    public async Task A_transaction_that_is_open_during_a_merge_is_not_disturbed_and_is_merged_after_it()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        await DivergeAsync(alice, bob, "a=1", "b=1");
        await using var transaction = await alice.BeginTransactionAsync();
        await transaction.PutAsync("c", "1");
        ledger.SetConflictResolver(MergePolicy.LastOneWins);
        await WaitForOneHeadAsync(bob);

        Assert.Equal("a=1", await alice.ShowAsync());
        Assert.Equal("1", await transaction.GetAsync("c"));
        await transaction.CommitAsync();

        await WaitForOneHeadAsync(bob);
        Assert.Equal("a=1,b=1,c=1", await bob.ShowAsync());
        Assert.Equal("a=1,b=1,c=1", await alice.ShowAsync());
    }

    [Fact]
    public async Task Writes_that_come_while_a_resolver_is_asked_stay_on_top_of_the_merge()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var resolver = new TestResolver(async (context, token) =>
        {
            await answer.Task;
            await context.PutAsync(Bytes("k"), Bytes("merged"), cancellationToken: token);
        });
        ledger.SetConflictResolver(MergePolicy.Custom, resolver);
        await DivergeAsync(alice, bob, "k=1,x=0", "k=2");
        await resolver.Asked.Task;
        await alice.PutAsync("x", "alice");
        await bob.PutAsync("x", "bob");
        await alice.PutAsync("y", "alice");

        // Of each key the later write wins, on whichever side it was.
        await bob.PutAsync("z", "bob");
        await alice.PutAsync("z", "alice");

        answer.SetResult();

        await WaitForOneHeadAsync(alice);
        Assert.Equal("k=merged,x=bob,y=alice,z=alice", await alice.ShowAsync());
        Assert.Equal("k=merged,x=bob,y=alice,z=alice", await bob.ShowAsync());
        Assert.Equal(1, resolver.Calls);
        await bob.DeleteAsync("x");
        Assert.Equal("k=merged,y=alice,z=alice", await alice.ShowAsync());
        await ledger.DisposeAsync();
        Assert.Equal("k=merged,y=alice,z=alice", await (await OpenPageAsync()).ShowAsync());
    }

    [Fact]
    public async Task A_page_that_was_cleared_while_a_resolver_is_asked_keeps_what_only_the_other_side_had()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var resolver = new TestResolver((_, _) => answer.Task);
        ledger.SetConflictResolver(MergePolicy.Custom, resolver);
        await DivergeAsync(alice, bob, "a=1", "b=2");
        await resolver.Asked.Task;
        await alice.ClearAsync();
        await alice.PutAsync("c", "3");

        answer.SetResult();

        await WaitForOneHeadAsync(alice);
        Assert.Equal("b=2,c=3", await bob.ShowAsync());
    }

    [Fact]
    public async Task Under_no_policy_heads_stay_apart_until_the_application_merges_them()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        await DivergeAsync(alice, bob, "k=1,x=1", "k=2");
        Assert.Equal(2, (await alice.GetHeadsAsync()).Count);

        var merged = await alice.MergeHeadsAsync(message: "by hand");

        var head = Assert.Single(await bob.GetHeadsAsync());
        Assert.Equal(merged, head.Id);
        Assert.Equal(("by hand", 2), (head.Message, head.Parents.Count));
        Assert.NotNull(head.Device);
        Assert.Equal("k=2,x=1", await bob.ShowAsync());
        Assert.Equal(merged, await bob.MergeHeadsAsync());
        await ledger.DisposeAsync();
        Assert.Equal("k=2,x=1", await (await OpenPageAsync()).ShowAsync());
    }

    [Fact]
    public async Task An_explanation_names_the_merge_the_sides_their_writers_and_the_decision()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        await alice.PutAsync("k", "0");
        await DivergeAsync(alice, bob, "k=1,x=1", "k=2");
        var heads = await alice.GetHeadsAsync();
        var resolver = new TestResolver(
            (context, token) => context.PutAsync(Bytes("k"), Bytes("3"), cancellationToken: token), "threes");
        ledger.SetConflictResolver(MergePolicy.Custom, resolver);
        await WaitForOneHeadAsync(alice);

        var explanation = Assert.Single(await alice.ExplainAsync(Bytes("k")).ToListAsync());

        Assert.Equal(
            ("0", "2", "1", "3"),
            (Show(explanation.Base), Show(explanation.Left.Entry), Show(explanation.Right.Entry),
                Show(explanation.Result)));
        Assert.Equal((MergePolicy.Custom, "threes"), (explanation.Policy, explanation.Resolver));
        Assert.Equal(MergeDecision.New, explanation.Decision);
        Assert.Equal(heads.Select(head => head.Id), [explanation.Right.Writer!.Id, explanation.Left.Writer!.Id]);
        Assert.Null(explanation.Merge.Device);
        var other = Assert.Single(await alice.ExplainAsync(Bytes("x")).ToListAsync());
        Assert.Equal(MergeDecision.Right, other.Decision);
        Assert.Null(other.Left.Writer);
        Assert.Empty(await alice.ExplainAsync(Bytes("nothing")).ToListAsync());
    }

    [Fact]
    public async Task A_replay_shows_nothing_for_a_deterministic_resolver_and_the_keys_for_another_one()
    {
        var (ledger, alice, bob) = await OpenTwoAsync();
        await DivergeAsync(alice, bob, "k=1,x=1", "k=2");
        var number = 0;
        var resolver = new TestResolver(
            (context, token) => context.PutAsync(Bytes("k"), Bytes($"{number++}"), cancellationToken: token));
        ledger.SetConflictResolver(MergePolicy.Custom, resolver);
        await WaitForOneHeadAsync(alice);
        var merge = Assert.Single(await alice.GetHeadsAsync()).Id;

        var same = new TestResolver(
            (context, token) => context.PutAsync(Bytes("k"), Bytes("0"), cancellationToken: token));
        Assert.Empty(await alice.ReplayAsync(merge, same).ToListAsync());
        var change = Assert.Single(await alice.ReplayAsync(merge, resolver).ToListAsync());
        Assert.Equal(("k", "0", "1"), (Text(change.Key), Show(change.Before), Show(change.After)));
        Assert.Equal(merge, Assert.Single(await alice.GetHeadsAsync()).Id);
        await Assert.ThrowsAsync<ArgumentException>(
            () => alice.ReplayAsync(Commit.Genesis.Id).ToListAsync().AsTask());
    }

    private static string Show(Entry? entry) => entry is { Value: { } value } ? Text(value) : "";

    /// <summary>Two connections to one page under no policy.</summary>
    private async Task<(LedgerStore Ledger, IPage First, IPage Second)> OpenTwoAsync()
    {
        var ledger = await OpenLedgerAsync();
        ledger.SetConflictResolver(MergePolicy.None);
        return (ledger, await ledger.GetPageAsync(PageId.Root), await ledger.GetPageAsync(PageId.Root));
    }

    /// <summary>Two transactions on the same state; the second one is newer.</summary>
    private static async Task DivergeAsync(IPage first, IPage second, string firstEntries, string secondEntries)
    {
        await using var firstTransaction = await first.BeginTransactionAsync();
        await using var secondTransaction = await second.BeginTransactionAsync();
        foreach (var (transaction, entries) in new[]
        {
            (firstTransaction, firstEntries), (secondTransaction, secondEntries),
        })
        {
            foreach (var entry in entries.Split(','))
            {
                var parts = entry.Split('=');
                await transaction.PutAsync(parts[0], parts[1]);
            }

            await transaction.CommitAsync();
        }
    }

    private static async Task WaitForOneHeadAsync(IPage page)
    {
        // What it answers depends on whether the merge was over before it was asked.
        await page.WaitForMergesAsync();
        Assert.Single(await page.GetHeadsAsync());
    }
}
