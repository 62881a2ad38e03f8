using System.Globalization;
using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Trees;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Tests.Pages.Merging;

/// <summary>The merger of an open page, in a world of one seed and virtual time.</summary>
public sealed class PageMergerTests
{
    [Fact]
    public void A_resolver_that_fails_is_asked_again_after_ten_milliseconds_doubled_up_to_an_hour()
    {
        var world = TestRuntime.Create(seed: 1);
        var times = new List<TimeSpan>();
        world.Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            var ledger = await repository.GetLedgerAsync("notes");
            var resolver = new TestResolver((_, _) =>
            {
                times.Add(world.Scheduler.Elapsed);
                throw new InvalidOperationException("The resolver of this test fails.");
            });
            ledger.SetConflictResolver(MergePolicy.Custom, resolver);
            var (page, other) = await DivergeAsync(ledger);
            await runtime.Delay(TimeSpan.FromHours(5), default);
            await page.PutAsync("free", "1");
            Assert.Equal("base=0,free=1,mine=1", await page.ShowAsync());
            ledger.SetConflictResolver(MergePolicy.LastOneWins);
            Assert.True(await page.WaitForMergesAsync());
            Assert.Equal("base=0,free=1,mine=1,theirs=1", await other.ShowAsync());
        });

        var gaps = times.Zip(times.Skip(1), (before, after) => after - before).ToList();
        Assert.InRange(gaps.Count, 20, 30);
        for (var number = 0; number < gaps.Count; number++)
        {
            var bound = Math.Min(10 * Math.Pow(2, number), PageMerger.DelayMax.TotalMilliseconds);

            // A delay of this world may be late by an eighth.
            Assert.InRange(gaps[number].TotalMilliseconds, bound * 0.49, (bound * 1.125) + 5);
        }
    }

    [Fact]
    public void A_resolver_that_takes_too_long_is_given_up_and_asked_again()
    {
        var world = TestRuntime.Create(seed: 2);
        world.Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            var ledger = await repository.GetLedgerAsync("notes");
            MergeContext? dead = null;
            TestResolver? resolver = null;
            resolver = new TestResolver(async (context, token) =>
            {
                if (resolver!.Calls == 1)
                {
                    dead = context;
                    await runtime.Delay(TimeSpan.FromHours(1), default);
                    await context.PutAsync(Bytes("late"), Bytes("1"), cancellationToken: token);
                }
            });
            ledger.SetConflictResolver(MergePolicy.Custom, resolver, TimeSpan.FromSeconds(3));
            var (page, _) = await DivergeAsync(ledger);
            var before = world.Scheduler.Elapsed;

            Assert.True(await page.WaitForMergesAsync());

            Assert.InRange((world.Scheduler.Elapsed - before).TotalSeconds, 3, 4);
            Assert.Equal(2, resolver.Calls);
            await runtime.Delay(TimeSpan.FromHours(2), default);
            Assert.Equal("base=0,mine=1,theirs=1", await page.ShowAsync());
            await Assert.ThrowsAsync<ObjectDisposedException>(() => dead!.TakeLeftAsync(Bytes("a")));
        });
    }

    [Fact]
    public void What_is_written_while_a_merge_waits_for_a_resolver_outlives_the_connection_that_asked_for_it() =>
        TestRuntime.Create(seed: 3).Run(async runtime =>
        {
            await using (var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime }))
            {
                var ledger = await repository.GetLedgerAsync("notes");
                ledger.SetConflictResolver(MergePolicy.None);
                var (page, other) = await DivergeAsync(ledger);
                var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                var merge = page.MergeHeadsAsync(new TestResolver((_, _) => answer.Task));
                await runtime.Delay(TimeSpan.FromSeconds(10), default);
                await page.DisposeAsync();
                await other.DisposeAsync();
                await runtime.Delay(TimeSpan.FromSeconds(10), default);
                await using var later = await ledger.GetPageAsync(PageId.Root);
                await using (var transaction = await later.BeginTransactionAsync())
                {
                    await transaction.PutAsync("late", "1");
                    await transaction.CommitAsync();
                }

                answer.SetResult();
                await merge;
            }

            await using var again = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            await using var found = await (await again.GetLedgerAsync("notes")).GetPageAsync(PageId.Root);
            await found.MergeHeadsAsync();
            Assert.Equal("base=0,late=1,mine=1,theirs=1", await found.ShowAsync());
        });

    [Fact]
    public void A_resolver_whose_callback_throws_when_it_is_told_to_stop_has_answered_all_the_same() =>
        TestRuntime.Create(seed: 4).Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            var ledger = await repository.GetLedgerAsync("notes");
            ledger.SetConflictResolver(MergePolicy.Custom, new TestResolver((_, token) =>
            {
                token.Register(() => throw new InvalidOperationException("The callback of this test fails."));
                return Task.CompletedTask;
            }));
            var (page, _) = await DivergeAsync(ledger);

            Assert.True(await page.WaitForMergesAsync());
            Assert.Equal("base=0,mine=1,theirs=1", await page.ShowAsync());
        });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_union_that_is_too_large_for_an_entry_is_left_to_the_newest_writer(bool isSet) =>
        TestRuntime.Create(seed: 5).Run(async runtime =>
        {
            string New(char letter) => isSet
                ? $"[\"{new string(letter, 600_000)}\"]"
                : $"{{\"{letter}\":\"{new string(letter, 600_000)}\"}}";
            await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            var ledger = await repository.GetLedgerAsync("notes");
            ledger.SetConflictResolver(
                MergePolicy.Custom, isSet ? ConflictResolvers.SetUnion() : ConflictResolvers.JsonFields());
            var page = await DivergeAsync(runtime, ledger, "k", New('x'), New('y'));

            Assert.True(await page.WaitForMergesAsync());
            Assert.Equal(New('y'), await page.GetAsync("k"));
        });

    [Theory]
    [InlineData(true, """["\ud800"]""")]
    [InlineData(false, """{"a":"\ud800"}""")]
    [InlineData(false, """{"\ud800":1}""")]
    [InlineData(false, """{"a":[{"b":"\udfff"}]}""")]
    public void Json_that_is_no_text_is_left_to_the_newest_writer(bool isSet, string value) =>
        TestRuntime.Create(seed: 6).Run(async runtime =>
        {
            await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
            var ledger = await repository.GetLedgerAsync("notes");
            ledger.SetConflictResolver(
                MergePolicy.Custom, isSet ? ConflictResolvers.SetUnion() : ConflictResolvers.JsonFields());
            var page = await DivergeAsync(runtime, ledger, "k", isSet ? "[]" : "{}", value);

            Assert.True(await page.WaitForMergesAsync());
            Assert.Equal(value, await page.GetAsync("k"));
        });

    [Fact]
    public void A_ready_made_resolver_reads_once_what_a_commit_wrote_and_not_for_every_key() =>
        TestRuntime.Create(seed: 7).Run(async runtime =>
        {
            const int Commits = 40;
            const int KeysInCommit = 5;
            var store = new CountingObjectStore(new MemoryObjectStore());
            await using var ledger = await LedgerStore.OpenAsync(
                runtime, store, new SettingsRow("tests", new TreeSalt(1, 2), new ChunkSeed(3, 4), 5),
                new LedgerStoreOptions(new DeviceId(6), Durability.Flushed, 1 << 20, NullLogger.Instance), default);
            ledger.SetConflictResolver(MergePolicy.None);
            var page = await ledger.GetPageAsync(PageId.Root);
            var other = await ledger.GetPageAsync(PageId.Root);
            await page.PutAsync("base", "0");
            await using (var first = await other.BeginTransactionAsync())
            {
                await CommitManyAsync(page);
                await first.PutAsync("base", "1");
                await first.CommitAsync();
            }

            await CommitManyAsync(other);
            store.Reset();
            await page.MergeHeadsAsync(ConflictResolvers.Counter());

            // A few for each commit and for each key; each key asks about all commits of both sides.
            Assert.Equal($"{2 * 7}", await page.GetAsync("7.1"));
            Assert.InRange(store.RowReads, 2 * Commits, 20 * (Commits + (Commits * KeysInCommit)));

            static async Task CommitManyAsync(IPage page)
            {
                for (var number = 0; number < Commits; number++)
                {
                    await using var transaction = await page.BeginTransactionAsync();
                    for (var key = 0; key < KeysInCommit; key++)
                    {
                        await transaction.PutAsync($"{number}.{key}", $"{number}");
                    }

                    await transaction.CommitAsync();
                }
            }
        });

    [Fact]
    public void A_head_that_is_an_ancestor_of_an_automatic_merge_goes_whichever_of_the_two_has_the_greater_id()
    {
        var orders = new HashSet<bool>();
        for (var seed = 0; seed < 8; seed++)
        {
            TestRuntime.Create(seed).Run(async runtime =>
            {
                var newer = default(CommitInfo);
                var merge = default(CommitInfo);
                await using (var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime }))
                {
                    var ledger = await repository.GetLedgerAsync("notes");
                    ledger.SetConflictResolver(MergePolicy.None);
                    var (page, other) = await DivergeAsync(ledger);
                    await repository.FlushAsync();
                    newer = (await page.GetHeadsAsync()).Concat(await other.GetHeadsAsync()).MaxBy(head => head.Time)!;
                    ledger.SetConflictResolver(MergePolicy.LastOneWins);
                    await page.WaitForMergesAsync();
                    merge = Assert.Single(await page.GetHeadsAsync());
                    Assert.Null(merge.Device);

                    // As a received head does that comes while the branch takes a write.
                    await using var lease = ((LedgerStore)ledger).Services.Store.BeginWrite();
                    lease.SetRow(RowKeys.Head(PageId.Root, 77), new HeadRow(1, newer.Id, 0).Encode());
                    await lease.CommitAsync(Durability.Flushed, default);
                }

                orders.Add(newer.Id.CompareTo(merge.Id) > 0);
                await using var again = await Repository.OpenAsync("/data", new() { Runtime = runtime });
                var opened = await again.GetLedgerAsync("notes");
                await using var shown = await opened.GetPageAsync(PageId.Root);
                await shown.WaitForMergesAsync();
                Assert.Equal(merge.Id, Assert.Single(await shown.GetHeadsAsync()).Id);
                Assert.Equal("base=0,mine=1,theirs=1", await shown.ShowAsync());
            });
        }

        Assert.Equal(2, orders.Count);
    }

    [Fact]
    public void Every_acknowledged_write_is_there_or_was_overwritten_and_can_be_found()
    {
        for (var seed = 0; seed < 12; seed++)
        {
            var world = TestRuntime.Create(seed);
            world.Run(async runtime =>
            {
                await using var repository = await Repository.OpenAsync("/data", new() { Runtime = runtime });
                var ledger = await repository.GetLedgerAsync("notes");
                var written = new List<(string Key, string Value)>();
                await Task.WhenAll(Enumerable.Range(0, 4).Select(
                    writer => WriteAsync(runtime, ledger, writer, new Random((seed * 10) + writer), written)));
                await using var page = await ledger.GetPageAsync(PageId.Root);
                await page.WaitForMergesAsync();

                Assert.Single(await page.GetHeadsAsync());
                foreach (var key in written.Select(write => write.Key).Distinct())
                {
                    // Plain puts between two folds are one commit: of those the last one is kept.
                    var history = await page.HistoryOfAsync(Bytes(key))
                        .Select(version => Text(version.Entry!.Value.Value!.Value)).ToListAsync();
                    var lost = written.Where(write => write.Key == key && write.Value.StartsWith('t'))
                        .Select(write => write.Value).Except(history).ToList();
                    Assert.True(lost.Count == 0, $"Seed {seed}: {key} lost {string.Join(' ', lost)}.");
                    Assert.Contains(await page.GetAsync(key), history);
                }

                Assert.Empty((await repository.VerifyAsync()).Problems);
            });
        }
    }

    [Fact]
    public void Merge_notes_keep_what_they_were_given()
    {
        foreach (var note in new[]
        {
            new MergeNoteRow(MergePolicy.LastOneWins, null),
            new MergeNoteRow(MergePolicy.Custom, new string('n', 255)),
        })
        {
            Assert.Equal(note, MergeNoteRow.Decode(note.Encode()));
        }

        Assert.Throws<Ledger.Objects.CorruptObjectException>(() => MergeNoteRow.Decode([1, 9, 0]));
        Assert.Throws<Ledger.Objects.CorruptObjectException>(() => MergeNoteRow.Decode([1, 0, 0, 0]));
    }

    [Fact]
    public async Task A_policy_that_cannot_work_is_refused()
    {
        await using var world = await MergeWorld.CreateAsync();

        Assert.Throws<ArgumentNullException>(() => MergeSettings.Create(MergePolicy.Custom, null, null));
        Assert.Throws<ArgumentException>(
            () => MergeSettings.Create(MergePolicy.None, TestResolver.Silent(), null));
        Assert.Throws<ArgumentException>(
            () => MergeSettings.Create(
                MergePolicy.Custom, new TestResolver((_, _) => Task.CompletedTask, new string('n', 256)), null));
        Assert.Throws<ArgumentOutOfRangeException>(
            () => MergeSettings.Create(MergePolicy.Custom, TestResolver.Silent(), TimeSpan.Zero));
        Assert.Throws<ArgumentOutOfRangeException>(() => MergeSettings.Create((MergePolicy)7, null, null));
    }

    private static async Task<(IPage Page, IPage Other)> DivergeAsync(ILedger ledger)
    {
        var page = await ledger.GetPageAsync(PageId.Root);
        var other = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("base", "0");
        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("mine", "1");
        await other.PutAsync("theirs", "1");
        await transaction.CommitAsync();
        return (page, other);
    }

    /// <summary>A page with two heads in which a key was written; the second writer is the newer one.</summary>
    private static async Task<IPage> DivergeAsync(
        LedgerRuntime runtime, ILedger ledger, string key, string first, string second)
    {
        var page = await ledger.GetPageAsync(PageId.Root);
        var other = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("base", "0");
        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync(key, second);
        await other.PutAsync(key, first);
        await runtime.Delay(TimeSpan.FromSeconds(10), default);
        await transaction.CommitAsync();
        await other.DisposeAsync();
        return page;
    }

    /// <summary>Puts, and transactions that are open while the others write.</summary>
    private static async Task WriteAsync(
        LedgerRuntime runtime, ILedger ledger, int writer, Random random, List<(string Key, string Value)> written)
    {
        await using var page = await ledger.GetPageAsync(PageId.Root);
        for (var number = 0; number < 12; number++)
        {
            var key = $"k{random.Next(4)}";
            var name = string.Create(CultureInfo.InvariantCulture, $"{writer}.{number}");
            if (random.Next(2) == 0)
            {
                await page.PutAsync(key, $"p{name}");
                continue;
            }

            await using var transaction = await page.BeginTransactionAsync();
            await transaction.PutAsync(key, $"t{name}");
            await runtime.Delay(TimeSpan.FromMilliseconds(random.Next(5)), default);
            await transaction.CommitAsync();
            written.Add((key, $"t{name}"));
        }
    }
}
