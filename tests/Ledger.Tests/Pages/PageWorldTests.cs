using Ledger.Conformance;
using Ledger.Pages;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Tests.Pages;

/// <summary>Pages in a world of one seed: nothing escapes its thread, and the same seed does the same.</summary>
public sealed class PageWorldTests
{
    [Fact]
    public void The_same_seed_gives_the_same_roots_commits_and_times_and_another_seed_others()
    {
        var first = Play(seed: 1);
        var again = Play(seed: 1);
        var other = Play(seed: 2);

        Assert.Equal(first, again);
        Assert.NotEqual(first, other);
        Assert.Equal(first[^1], other[^1]);
    }

    [Fact]
    public void Twenty_seeds_end_with_what_was_put()
    {
        var ends = Enumerable.Range(10, 20).Select(seed => Play(seed)[^1]).Distinct().ToList();

        Assert.Single(ends);
    }

    [Fact]
    public void An_idle_page_is_folded_after_a_second_and_a_busy_one_after_five()
    {
        var world = TestRuntime.Create(seed: 3);

        world.Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            var ledger = (LedgerStore)await repository.GetLedgerAsync("notes");
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await page.PutAsync("a", "1");
            await runtime.Delay(TimeSpan.FromMilliseconds(900), default);
            Assert.True(await HasJournalAsync(ledger));
            await runtime.Delay(TimeSpan.FromMilliseconds(300), default);
            Assert.False(await HasJournalAsync(ledger));

            var commits = 0L;
            for (var number = 0; number < 24; number++)
            {
                await page.PutAsync("b", $"{number}");
                await runtime.Delay(TimeSpan.FromMilliseconds(500), default);
                commits = ledger.Services.Store is { } store
                    ? await store.ScanRowsAsync("c"u8.ToArray(), default).LongCountAsync()
                    : 0;
            }

            Assert.InRange(commits, 3, 4);
        });
    }

    [Fact]
    public void An_idle_page_is_folded_in_time_when_the_clock_is_set_back_meanwhile()
    {
        var world = TestRuntime.Create(seed: 4);

        world.Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            var ledger = (LedgerStore)await repository.GetLedgerAsync("notes");
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await page.PutAsync("a", "1");
            world.Time.Offset = TimeSpan.FromHours(-1);
            await runtime.Delay(TimeSpan.FromSeconds(6), default);

            Assert.False(await HasJournalAsync(ledger));
        });
    }

    [Fact]
    public void A_journal_does_not_grow_without_bound_over_short_openings()
    {
        var world = TestRuntime.Create(seed: 8);

        world.Run(async runtime =>
        {
            var counts = new List<long>();
            for (var opening = 0; opening < 40; opening++)
            {
                await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
                var ledger = (LedgerStore)await repository.GetLedgerAsync("notes");
                await using var page = await ledger.GetPageAsync(PageId.Root);
                await Task.WhenAll(Enumerable.Range(0, 100).Select(number =>
                    page.PutAsync($"{opening}/{number}", "1")));
                counts.Add(await ledger.Services.Store.ScanRowsAsync("j"u8.ToArray(), default).LongCountAsync());
            }

            Assert.InRange(counts.Max(), 500, 1_500);
        });
    }

    [Theory]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    public void A_transaction_begins_also_while_a_watch_is_given_one_change_after_another(int seed)
    {
        var world = TestRuntime.Create(seed);

        var changesAtBegin = world.Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            var ledger = await repository.GetLedgerAsync("notes");
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await using var other = await ledger.GetPageAsync(PageId.Root);
            await using var watch = await page.WatchAsync();
            var count = 0;
            var following = CountAsync(watch, () => count++);
            var isBegun = false;
            var writing = Task.WhenAll(Enumerable.Range(0, 8).Select(writer =>
                WriteUntilAsync(other, $"{writer}", () => isBegun || count > 500)));
            while (count < 10)
            {
                await runtime.Delay(TimeSpan.FromMilliseconds(1), default);
            }

            var countBefore = count;
            await using (await page.BeginTransactionAsync())
            {
                isBegun = true;
            }

            var countAtBegin = count - countBefore;
            await writing;
            await page.DisposeAsync();
            await following;
            return countAtBegin;
        });

        Assert.InRange(changesAtBegin, 0, 20);
    }

    private static async Task CountAsync(IPageWatch watch, Action counted)
    {
        await foreach (var _ in watch.ChangesAsync())
        {
            counted();
        }
    }

    private static async Task WriteUntilAsync(IPage page, string key, Func<bool> isOver)
    {
        for (var number = 0; !isOver(); number++)
        {
            await page.PutAsync(key, $"{number}");
        }
    }

    private static ValueTask<bool> HasJournalAsync(LedgerStore ledger) =>
        ledger.Services.Store.ScanRowsAsync("j"u8.ToArray(), default).AnyAsync();

    /// <summary>Three writers and a watch on one page; what they saw and did, and at the end the entries.</summary>
    private static List<string> Play(int seed)
    {
        var world = TestRuntime.Create(seed);
        return world.Run(async runtime =>
        {
            var trace = new List<string>();
            await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            var ledger = await repository.GetLedgerAsync("notes");
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await using var watch = await page.WatchAsync();
            var following = FollowAsync(watch, trace);
            await Task.WhenAll(Enumerable.Range(0, 3).Select(writer => WriteAsync(ledger, writer)));
            await foreach (var commit in page.LogAsync())
            {
                trace.Add($"{commit.Id} {commit.Root} {commit.Time:O} {commit.Changes}");
            }

            trace.Add($"{world.Scheduler.Elapsed}");
            Assert.Empty((await repository.VerifyAsync()).Problems);
            var end = await page.ShowAsync();
            await page.DisposeAsync();
            await following;
            trace.Add(end);
            return trace;
        });
    }

    private static async Task FollowAsync(IPageWatch watch, List<string> trace)
    {
        await foreach (var change in watch.ChangesAsync())
        {
            trace.Add($"{change.Commit.Id} {await change.ShowAsync()}");
        }
    }

    private static async Task WriteAsync(ILedger ledger, int writer)
    {
        await using var page = await ledger.GetPageAsync(PageId.Root);
        for (var number = 0; number < 30; number++)
        {
            await page.PutAsync($"{writer}/{number % 7}", new string((char)('a' + (number % 26)), number * 40));
            if (number % 10 == 9)
            {
                await page.PutReferenceAsync(
                    Bytes($"{writer}/large"), await page.CreateReferenceAsync(new byte[100_000 + writer]));
                await page.DeleteAsync($"{writer}/large");
                await page.GetSnapshotAsync();
            }
        }
    }
}
