using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Ledger.Trees;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Tests.Pages;

/// <summary>Pages over a store that refuses, hides or damages; and what a verification finds.</summary>
public sealed class PageFaultTests
{
    [Fact]
    public async Task A_write_that_the_store_refuses_never_shows_and_later_ones_work()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        var reference = await page.CreateReferenceAsync(Bytes("referenced"));

        world.Refuse(_ => DiskFull());
        await AssertDiskFullAsync(() => page.PutAsync("a", "2"));
        await AssertDiskFullAsync(() => page.DeleteAsync("a"));
        await AssertDiskFullAsync(() => page.ClearAsync());
        await AssertDiskFullAsync(() => page.PutReferenceAsync(Bytes("b"), reference));
        await AssertDiskFullAsync(() => world.Ledger.CreatePageAsync());
        var during = await page.GetAsync("a");
        world.Refuse(null);

        Assert.Equal("1", during);
        await page.PutReferenceAsync(Bytes("b"), reference);
        Assert.Equal("a=1,b=referenced", await page.ShowAsync());
        Assert.Single(await world.Ledger.ListPagesAsync().ToListAsync());
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_fold_that_the_store_refuses_leaves_the_journal_below_what_came_meanwhile()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        await page.PutAsync("b", "1");

        world.Refuse(durability => durability == Durability.Buffered ? DiskFull() : null);
        await AssertDiskFullAsync(() => page.GetSnapshotAsync());
        await page.PutAsync("b", "2");
        await AssertDiskFullAsync(() => page.BeginTransactionAsync());
        await page.DeleteAsync("c");
        Assert.Equal(("1", "2"), (await page.GetAsync("a"), await page.GetAsync("b")));
        world.Refuse(null);

        Assert.Equal("a=1,b=2", await page.ShowAsync());
        Assert.Equal(1, await page.LogAsync().CountAsync());
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_journal_that_cannot_be_folded_takes_no_more_than_its_bound_until_it_can()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        var value = new string('v', TreeProfile.InlineSizeBytesMax);
        world.Refuse(durability => durability == Durability.Buffered ? DiskFull() : null);

        var taken = 0;
        Exception? refused;
        while ((refused = await Record.ExceptionAsync(() => page.PutAsync($"{taken}", value))) is null)
        {
            taken++;
        }

        Assert.Equal(
            StoreUnavailableReason.DiskFull, Assert.IsType<StoreUnavailableException>(refused).Reason);
        Assert.InRange(taken * (long)value.Length, FoldLoop.HeldBackSizeBytes / 4, 4 * FoldLoop.HeldBackSizeBytes);
        world.Refuse(null);
        await using (var snapshot = await page.GetSnapshotAsync())
        {
            Assert.Equal(taken, await snapshot.CountAsync());
        }

        await page.PutAsync("after", "1");
        Assert.Equal("1", await page.GetAsync("after"));
    }

    [Fact]
    public async Task A_watch_goes_on_after_a_disk_that_was_full_for_a_while()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        await using var watch = await page.WatchAsync();

        world.Refuse(durability => durability == Durability.Buffered ? DiskFull() : null);
        await page.PutAsync("a", "2");
        await AssertDiskFullAsync(async () => await watch.ChangesAsync().FirstAsync());
        world.Refuse(null);
        var change = await watch.ChangesAsync().FirstAsync();

        var entry = Assert.Single(await change.GetEntriesAsync().ToListAsync());
        Assert.Equal(("1", "2"), (Text(entry.Before!.Value.Value!.Value), Text(entry.After!.Value.Value!.Value)));
    }

    [Fact]
    public async Task A_transaction_that_the_store_refuses_ends_without_a_trace()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        await page.PutAsync("a", "1");
        var transaction = await page.BeginTransactionAsync();
        await transaction.PutAsync("a", "2");

        world.Refuse(_ => DiskFull());
        await AssertDiskFullAsync(() => transaction.CommitAsync());
        world.Refuse(null);

        await Assert.ThrowsAsync<TransactionEndedException>(() => transaction.CommitAsync());
        await page.PutAsync("b", "1");
        Assert.Equal("a=1,b=1", await page.ShowAsync());
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_failed_invariant_stops_its_page_with_the_same_error_and_no_other()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        await using var other = await world.Ledger.CreatePageAsync();
        var fault = new InvariantException("The invariant 'true' does not hold.");

        world.Refuse(_ => fault);
        Assert.Same(fault, await Assert.ThrowsAsync<InvariantException>(() => page.PutAsync("a", "1")));
        world.Refuse(null);

        Assert.Same(fault, await Assert.ThrowsAsync<InvariantException>(() => page.PutAsync("a", "1")));
        Assert.Same(fault, await Assert.ThrowsAsync<InvariantException>(() => page.GetAsync("a")));
        Assert.Same(fault, await Assert.ThrowsAsync<InvariantException>(() => page.GetSnapshotAsync()));
        await other.PutAsync("a", "1");
        Assert.Equal("a=1", await other.ShowAsync());
    }

    [Fact]
    public async Task A_watch_that_waits_is_told_that_its_page_has_stopped()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        await using var watch = await page.WatchAsync();
        var next = watch.ChangesAsync().GetAsyncEnumerator().MoveNextAsync().AsTask();
        var fault = new InvariantException("The invariant 'true' does not hold.");

        world.Refuse(_ => fault);
        await Assert.ThrowsAsync<InvariantException>(() => page.PutAsync("a", "1"));

        Assert.Same(
            fault,
            await Assert.ThrowsAsync<InvariantException>(() => next.WaitAsync(TimeSpan.FromSeconds(60))));
    }

    [Fact]
    public async Task A_put_that_a_transaction_cannot_take_leaves_no_trace_in_it()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        await using var transaction = await page.BeginTransactionAsync();
        var value = new string('v', 500);
        var refused = new List<string>();

        // What spills first puts the changes so far into the lease; that is where a full disk is met.
        world.Refusing.WriteAheadRefusal = DiskFull;
        for (var number = 0; number < 15_000; number++)
        {
            var key = $"{number:d5}";
            if (await Record.ExceptionAsync(() => transaction.PutAsync(key, value)) is { } error)
            {
                Assert.IsType<StoreUnavailableException>(error);
                refused.Add(key);
                world.Refusing.WriteAheadRefusal = null;
            }
        }

        await transaction.CommitAsync();
        Assert.Single(refused);
        Assert.Null(await page.GetAsync(refused[0]));
        await using var snapshot = await page.GetSnapshotAsync();
        Assert.Equal(14_999, await snapshot.CountAsync());
        await world.AssertSoundAsync();
    }

    [Fact]
    public async Task A_commit_of_a_newer_version_closes_its_page_and_no_other()
    {
        var world = await OpenAsync();
        await using var sound = await world.Ledger.CreatePageAsync();
        var id = new PageId(Enumerable.Repeat((byte)7, 16).ToArray());
        await using (var lease = world.Memory.BeginWrite())
        {
            var newer = await lease.PutAsync(ObjectKind.Commit, new byte[] { 2, 3, 4 }, default);
            lease.SetRow(RowKeys.Page(id), new PageRow(false, 1, 5, HybridTimestamp.Zero).Encode());
            lease.SetRow(RowKeys.Head(id, 0), new HeadRow(1, new CommitId(newer), 0).Encode());
            await lease.CommitAsync(Durability.Flushed, default);
        }

        await Assert.ThrowsAsync<FormatTooNewException>(() => world.Ledger.GetPageAsync(id));
        await sound.PutAsync("a", "1");
        Assert.Contains("version", Assert.Single((await world.VerifyAsync()).Problems), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lazy_value_that_is_not_here_needs_a_fetch_and_an_eager_one_is_missing()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        var (lazy, eager) = (new byte[1000], new byte[1001]);
        await page.PutAsync(Bytes("lazy"), lazy, EntryPriority.Lazy);
        await page.PutAsync(Bytes("eager"), eager);
        await using var snapshot = await page.GetSnapshotAsync();
        world.Observed.Hide(ObjectId.Of(ObjectKind.Value, lazy));
        world.Observed.Hide(ObjectId.Of(ObjectKind.Value, eager));

        var entry = await snapshot.FindAsync(Bytes("lazy"));

        Assert.Equal((ValueState.NeedsFetch, 1000), (entry!.Value.State, entry.Value.SizeBytes));
        Assert.Null(entry.Value.Value);
        await Assert.ThrowsAsync<MissingObjectException>(async () => await snapshot.GetAsync(Bytes("lazy")));
        await Assert.ThrowsAsync<MissingObjectException>(async () => await snapshot.FindAsync(Bytes("eager")));
    }

    [Fact]
    public async Task A_verification_finds_each_object_that_is_damaged_or_missing()
    {
        var world = await OpenAsync();
        await using var page = await world.Ledger.GetPageAsync(PageId.Root);
        for (var number = 0; number < 300; number++)
        {
            await page.PutAsync(Bytes($"{number}"), new byte[number * 3]);
        }

        await page.PutReferenceAsync(Bytes("large"), await page.CreateReferenceAsync(new byte[500_000]));
        await page.GetSnapshotAsync();
        await page.PutAsync("0", "changed");
        await page.GetSnapshotAsync();
        world.Observed.Forget();
        Assert.Empty((await world.VerifyAsync()).Problems);
        var objects = world.Observed.Reads.Select(read => read.Id).Distinct().ToList();

        Assert.InRange(objects.Count, 50, 1000);
        foreach (var id in objects)
        {
            foreach (var harm in new Action<ObjectId>[] { world.Observed.Damage, world.Observed.Hide })
            {
                harm(id);
                var problems = (await world.VerifyAsync()).Problems;
                Assert.Contains(problems, problem => problem.Contains($"{id}", StringComparison.Ordinal));
                world.Observed.Restore(id);
            }
        }

        Assert.Empty((await world.VerifyAsync()).Problems);
    }

    [Fact]
    public async Task A_verification_finds_rows_and_commits_that_do_not_fit_together()
    {
        await AssertFoundAsync("no row", (lease, head, _) => lease.DeleteRow(RowKeys.Commit(PageId.Root, head.Id)));
        await AssertFoundAsync("not what differs", (lease, head, row) => lease.SetRow(
            RowKeys.Commit(PageId.Root, head.Id), (row with { Changes = ChangeList.Empty }).Encode()));
        await AssertFoundAsync("no parent", (lease, head, row) => lease.SetRow(
            RowKeys.Commit(PageId.Root, head.Id), (row with { Parent = head.Id }).Encode()));
        await AssertFoundAsync("where", (lease, head, row) => lease.SetRow(
            RowKeys.Commit(PageId.Root, head.Id),
            (row with { Changes = row.Changes with { Count = row.Changes.Count + 1 } }).Encode()));
        await AssertFoundAsync("has time", (lease, head, _) => PlantHead(lease, head, fields => fields with
        {
            Timestamp = new HybridTimestamp(1),
        }));
        await AssertFoundAsync("has generation", (lease, head, _) => PlantHead(lease, head, fields => fields with
        {
            Generation = fields.Generation + 1,
            SkipLink = fields.Parents[0],
        }));
        await AssertFoundAsync(
            "Damaged", (lease, _, _) => lease.SetRow(RowKeys.Page(PageId.Root), new byte[] { 1, 9 }));
    }

    private static void PlantHead(IObjectWriter lease, Commit head, Func<CommitFields, CommitFields> change)
    {
        var planted = Commit.Create(change(new CommitFields
        {
            Root = head.Root,
            Parents = head.Parents,
            Generation = head.Generation,
            Timestamp = head.Timestamp,
            SkipLink = head.SkipLink,
            Author = head.Author,
        }));
        var putting = lease.PutAsync(ObjectKind.Commit, planted.Id.Value, planted.Content, default);
        Assert.True(putting.IsCompletedSuccessfully);
        lease.SetRow(RowKeys.Head(PageId.Root, 0), new HeadRow(1, planted.Id, 0).Encode());
    }

    private static async Task AssertFoundAsync(string problem, Action<IObjectWriter, Commit, CommitRow> plant)
    {
        var world = await OpenAsync();
        CommitId id;
        await using (var page = await world.Ledger.GetPageAsync(PageId.Root))
        {
            await page.PutAsync("a", "1");
            await page.GetSnapshotAsync();
            await page.PutAsync("b", "2");
            id = (await page.GetSnapshotAsync()).Commit.Id;
        }

        var head = await world.Ledger.Services.Graph.ReadAsync(id, default);
        var row = await new PageHistory(world.Ledger.Services, PageId.Root).ReadRowAsync(id, default);
        await using (var lease = world.Memory.BeginWrite())
        {
            plant(lease, head, row!);
            await lease.CommitAsync(Durability.Flushed, default);
        }

        var found = (await world.VerifyAsync()).Problems;

        Assert.True(
            found.Any(sentence => sentence.Contains(problem, StringComparison.Ordinal)),
            $"'{problem}' is not in '{string.Join(' ', found)}'.");
    }

    private static StoreUnavailableException DiskFull() =>
        new(StoreUnavailableReason.DiskFull, "The disk is full; nothing was stored.");

    private static async Task AssertDiskFullAsync(Func<Task> work) => Assert.Equal(
        StoreUnavailableReason.DiskFull, (await Assert.ThrowsAsync<StoreUnavailableException>(work)).Reason);

    private static async Task<World> OpenAsync()
    {
        var memory = new MemoryObjectStore();
        var observed = new ObservedObjectStore(memory);
        var refusing = new RefusingObjectStore(observed);
        var ledger = await LedgerStore.OpenAsync(
            SystemRuntime.Create(), refusing, new SettingsRow("tests", new TreeSalt(1, 2), new ChunkSeed(3, 4), 5),
            new LedgerStoreOptions(new DeviceId(6), Durability.Flushed, 1 << 20, NullLogger.Instance), default);
        return new World(ledger, memory, observed, refusing);
    }

    private sealed record World(
        LedgerStore Ledger, MemoryObjectStore Memory, ObservedObjectStore Observed, RefusingObjectStore Refusing)
    {
        public void Refuse(Func<Durability, Exception?>? refusal) => Refusing.Refusal = refusal;

        public async Task<VerifyReport> VerifyAsync()
        {
            var tally = new VerifyTally(null);
            await new LedgerVerification(Ledger.Services, Ledger.Name, tally).RunAsync(default);
            return tally.ToReport();
        }

        public async Task AssertSoundAsync() => Assert.Empty((await VerifyAsync()).Problems);
    }
}
