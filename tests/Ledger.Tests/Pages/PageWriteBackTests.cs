using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime.Real;
using Ledger.Trees;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Tests.Pages;

/// <summary>Trees that are stored late, or never: what keeps them, and how they are made again.</summary>
public sealed class PageWriteBackTests : IAsyncDisposable
{
    private readonly MemoryObjectStore _memory = new();
    private readonly ObservedObjectStore _observed;

    public PageWriteBackTests() => _observed = new ObservedObjectStore(_memory);

    public async ValueTask DisposeAsync()
    {
        await _observed.DisposeAsync();
        await _memory.DisposeAsync();
    }

    [Fact]
    public async Task A_head_whose_tree_was_never_stored_is_rebuilt_when_the_page_is_first_used()
    {
        var crashed = await OpenAsync();
        var written = await WriteAsync(crashed, commits: 30);
        var ledger = await OpenAsync();

        _observed.Forget();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        var readToOpen = _observed.Reads.Count(read => read.Kind is ObjectKind.ChangeList or ObjectKind.Node);
        var found = await page.GetAsync("key 7");

        Assert.Equal(0, readToOpen);
        Assert.Equal("value 7", found);
        Assert.Equal(written, await page.ShowAsync());
        Assert.Equal(1, ledger.Services.Trees.Rebuilt);
        await page.PutAsync("key 7", "again");
        Assert.Equal("again", await page.GetAsync("key 7"));
        Assert.Equal(written.Replace("value 7,", "again,", StringComparison.Ordinal), await page.ShowAsync());
        Assert.Equal(1, ledger.Services.Trees.Rebuilt);
        await AssertSoundAsync(ledger);
    }

    [Fact]
    public async Task What_is_replayed_is_bounded_by_the_write_back_also_over_many_crashes()
    {
        var limits = WriteBackLimits.Default with { Commits = 10 };
        for (var life = 0; life < 8; life++)
        {
            var ledger = await OpenAsync(limits);
            _observed.Forget();
            await using (var page = await ledger.GetPageAsync(PageId.Root))
            {
                await page.ShowAsync();
            }

            var replayed = _observed.Reads.Count(read => read.Kind == ObjectKind.ChangeList);
            await WriteAsync(ledger, commits: 7, $"life {life}");
            await ledger.Services.WriteBacks.DrainAsync();

            Assert.InRange(replayed, 0, 10 + 7);
        }
    }

    [Fact]
    public async Task Every_old_state_can_be_read_compared_and_restored_after_a_clean_close()
    {
        var first = await OpenAsync();
        await WriteAsync(first, commits: 12);
        await first.DisposeAsync();
        await using var ledger = await OpenAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        var log = await page.LogAsync().Reverse().ToListAsync();

        for (var number = 0; number < log.Count; number++)
        {
            await using var snapshot = await page.GetSnapshotAsync(new AsOf.ByCommit(log[number].Id));
            Assert.Equal(number + 1, await snapshot.CountAsync());
            Assert.Equal($"value {number}", await snapshot.GetAsync($"key {number}"));
        }

        Assert.Equal(
            "key 3=value 3,key 4=value 4", await ShowAsync(page.DiffAsync(log[2].Id, log[4].Id)));
        Assert.Equal(11, ledger.Services.Trees.Rebuilt);
        await page.RestoreAsync(log[0].Id);
        Assert.Equal("key 0=value 0", await page.ShowAsync());
        await AssertSoundAsync(ledger);
    }

    [Fact]
    public async Task An_open_snapshot_keeps_its_tree_over_a_write_back_and_a_closed_one_does_not()
    {
        await using var ledger = await OpenAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        var snapshots = new List<IPageSnapshot>();
        for (var number = 0; number < 3; number++)
        {
            await page.PutAsync("key", $"{number}");
            snapshots.Add(await page.GetSnapshotAsync());
        }

        await snapshots[1].DisposeAsync();
        await ledger.Services.WriteBacks.RunAsync(default);
        await page.PutAsync("key", "later");
        await page.ShowAsync();

        Assert.Equal("key=0", await snapshots[0].ShowAsync());
        Assert.Equal("key=2", await snapshots[2].ShowAsync());
        Assert.Equal(0, ledger.Services.Trees.Rebuilt);
        Assert.NotNull(await _memory.ReadAsync(ObjectKind.Node, snapshots[0].Commit.Root, default));
        Assert.Null(await _memory.ReadAsync(ObjectKind.Node, snapshots[1].Commit.Root, default));
        await using var again = await page.GetSnapshotAsync(new AsOf.ByCommit(snapshots[1].Commit.Id));
        Assert.Equal("key=1", await again.ShowAsync());
        Assert.Equal(1, ledger.Services.Trees.Rebuilt);
    }

    [Fact]
    public async Task Snapshots_of_transactions_watches_and_deleted_pages_survive_a_write_back()
    {
        await using var ledger = await OpenAsync();
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        await using var watch = await page.WatchAsync();
        await using var changes = watch.ChangesAsync().GetAsyncEnumerator();
        await page.PutAsync("a", "2");
        Assert.True(await changes.MoveNextAsync());
        var change = changes.Current;
        await using var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("b", "3");
        await using var inside = await transaction.GetSnapshotAsync();
        await transaction.RollbackAsync();
        await page.PutAsync("a", "4");
        Assert.True(await changes.MoveNextAsync());

        await ledger.Services.WriteBacks.RunAsync(default);
        await ledger.DeletePageAsync(PageId.Root);
        await ledger.Services.WriteBacks.RunAsync(default);

        Assert.Equal("a=2,b=3", await inside.ShowAsync());
        Assert.Equal("a=2", await change.ShowAsync());
        Assert.Equal("a=2", await change.Snapshot.ShowAsync());
        Assert.Equal("a=1", await watch.Initial.ShowAsync());
        Assert.Equal("a=4", await changes.Current.Snapshot.ShowAsync());
    }

    [Fact]
    public async Task Changes_that_do_not_make_the_root_name_the_commit()
    {
        var problem = await ReadDamagedAsync(PlantedBugs.None, (row, other) => row with { Changes = other.Changes });

        Assert.Contains("is not stored, and the changes since", problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rebuilt_tree_that_is_not_compared_with_its_root_is_found()
    {
        var problem = await ReadDamagedAsync(
            PlantedBugs.SkipRootCheck, (row, other) => row with { Changes = other.Changes });

        Assert.DoesNotContain("is not stored", problem, StringComparison.Ordinal);
        Assert.DoesNotContain("value 3", problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_commit_whose_changes_nobody_names_is_named()
    {
        var problem = await ReadDamagedAsync(PlantedBugs.None, (_, _) => null);

        Assert.Contains("no row", problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_commit_whose_changes_are_counted_from_elsewhere_is_named()
    {
        var problem = await ReadDamagedAsync(PlantedBugs.None, (row, other) => row with { Parent = other.Parent });

        Assert.Contains("no parent", problem, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_ledger_opened_for_reading_rebuilds_and_stores_nothing()
    {
        var crashed = await OpenAsync();
        var written = await WriteAsync(crashed, commits: 20);
        var store = new CountingObjectStore(_memory);
        await using var ledger = await LedgerStore.OpenAsync(
            SystemRuntime.Create(), new KeptObjectStore(store), null,
            Options(WriteBackLimits.Default with { Commits = 1 }) with { IsReadOnly = true }, default);

        await using (var page = await ledger.GetPageAsync(PageId.Root))
        {
            Assert.Equal(written, await page.ShowAsync());
            await foreach (var commit in page.LogAsync())
            {
                await using var snapshot = await page.GetSnapshotAsync(new AsOf.ByCommit(commit.Id));
                Assert.InRange(await snapshot.CountAsync(), 1, 20);
            }
        }

        await ledger.Services.WriteBacks.RunAsync(default);
        Assert.Empty(store.Puts);
        Assert.Equal((0, 0), (ledger.Services.Tree.Dirty.Count, ledger.Services.Heads.PageCount));
    }

    [Fact]
    public async Task A_write_back_that_the_store_refuses_loses_nothing_and_is_made_good()
    {
        var refusing = new RefusingObjectStore(_memory);
        var ledger = await LedgerStore.OpenAsync(
            SystemRuntime.Create(), new KeptObjectStore(refusing), Settings(), Options(WriteBackLimits.Default),
            default);
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        await page.ShowAsync();

        refusing.WriteAheadRefusal = () => new StoreUnavailableException(
            StoreUnavailableReason.DiskFull, "The disk is full; nothing was stored.");
        await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await ledger.Services.WriteBacks.RunAsync(default));
        var during = await page.ShowAsync();
        refusing.WriteAheadRefusal = null;
        await ledger.Services.WriteBacks.RunAsync(default);

        Assert.Equal("a=1", during);
        Assert.Equal(0, ledger.Services.Tree.Dirty.Count);
        Assert.Equal("a=1", await page.ShowAsync());
    }

    [Fact]
    public async Task Closed_pages_cost_nothing_once_their_trees_are_stored()
    {
        var count = TestNumbers.Of(200, 10_000);
        var ledger = await OpenAsync();
        for (var number = 0; number < count; number++)
        {
            await using var page = await ledger.CreatePageAsync();
            await page.PutAsync("key", $"{number}");
            await page.GetSnapshotAsync();
        }

        await FoldAllAsync(ledger);
        Assert.Equal((0, count), (ledger.OpenPageCount, ledger.Services.Heads.PageCount));
        await ledger.Services.WriteBacks.RunAsync(default);

        Assert.Equal((0, 0), (ledger.Services.Tree.Dirty.Count, ledger.Services.Heads.PageCount));
        await foreach (var id in ledger.ListPagesAsync())
        {
            await using var page = await ledger.GetPageAsync(id);
            Assert.NotNull(await page.GetAsync("key"));
        }

        Assert.Equal((0, 0), (ledger.OpenPageCount, ledger.Services.Heads.PageCount));
        Assert.Equal(0, ledger.Services.Trees.Rebuilt);
    }

    [Fact]
    public async Task A_verification_rebuilds_what_is_not_stored_and_says_how_much()
    {
        var crashed = await OpenAsync();
        await WriteAsync(crashed, commits: 15);
        var ledger = await OpenAsync();

        var report = await VerifyAsync(ledger);

        Assert.Empty(report.Problems);
        Assert.Equal((15, 15), (report.Commits, report.RebuiltTrees));
    }

    private static async Task FoldAllAsync(LedgerStore ledger)
    {
        // Folds that nobody waits for hold pages open for a moment.
        while (ledger.OpenPageCount > 0)
        {
            await Task.Yield();
        }
    }

    /// <summary>What reading says when the row of the newest commit but one is another and no tree is stored.</summary>
    private async Task<string> ReadDamagedAsync(PlantedBugs bugs, Func<CommitRow, CommitRow, CommitRow?> damage)
    {
        var crashed = await OpenAsync();
        await WriteAsync(crashed, commits: 4);
        List<CommitInfo> log;
        await using (var page = await crashed.GetPageAsync(PageId.Root))
        {
            log = await page.LogAsync().ToListAsync();
        }

        var history = new PageHistory(crashed.Services, PageId.Root);
        var row = (await history.ReadRowAsync(log[1].Id, default))!;
        var other = (await history.ReadRowAsync(log[3].Id, default))!;
        await using (var lease = _memory.BeginWrite())
        {
            var key = RowKeys.Commit(PageId.Root, log[1].Id);
            if (damage(row, other) is { } damaged)
            {
                lease.SetRow(key, damaged.Encode());
            }
            else
            {
                lease.DeleteRow(key);
            }

            await lease.CommitAsync(Durability.Flushed, default);
        }

        var ledger = await LedgerStore.OpenAsync(
            SystemRuntime.Create(), new KeptObjectStore(_memory), null,
            Options(WriteBackLimits.Default) with { Bugs = bugs }, default);
        await using var opened = await ledger.GetPageAsync(PageId.Root);
        try
        {
            return await opened.ShowAsync();
        }
        catch (CorruptObjectException problem)
        {
            Assert.True(problem.Id == log[0].Id.Value || problem.Id == log[1].Id.Value, problem.Message);
            return problem.Message;
        }
        catch (MissingObjectException problem)
        {
            // What a tree that was taken unchecked leads to.
            return problem.Message;
        }
    }

    private static async Task<string> WriteAsync(LedgerStore ledger, int commits, string value = "value")
    {
        await using var page = await ledger.GetPageAsync(PageId.Root);
        for (var number = 0; number < commits; number++)
        {
            await page.PutAsync($"key {number}", $"{value} {number}");
            await page.GetSnapshotAsync();
        }

        return await page.ShowAsync();
    }

    private static async Task<VerifyReport> VerifyAsync(LedgerStore ledger)
    {
        var tally = new VerifyTally(null);
        await new LedgerVerification(ledger.Services, ledger.Name, tally).RunAsync(default);
        return tally.ToReport();
    }

    private static async Task AssertSoundAsync(LedgerStore ledger) =>
        Assert.Empty((await VerifyAsync(ledger)).Problems);

    /// <summary>
    /// The ledger in the store as it is; a ledger opened before is as if its process had been killed.
    /// </summary>
    private Task<LedgerStore> OpenAsync(WriteBackLimits? limits = null) => LedgerStore.OpenAsync(
        SystemRuntime.Create(), new KeptObjectStore(_observed), Settings(),
        Options(limits ?? WriteBackLimits.Default), default);

    private static SettingsRow Settings() => new("tests", new TreeSalt(1, 2), new ChunkSeed(3, 4), 5);

    private static LedgerStoreOptions Options(WriteBackLimits limits) =>
        new(new DeviceId(6), Durability.Flushed, 1 << 20, NullLogger.Instance) { WriteBackLimits = limits };
}
