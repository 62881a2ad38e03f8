using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Runtime;
using Ledger.Sync;
using Ledger.Trees;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.MaliciousCloudTests;
using static Ledger.Tests.Sync.SyncEngineTests;

namespace Ledger.Tests.Sync;

/// <summary>Engines on stores that refuse, and on stores that count.</summary>
public sealed class SyncStoreTests
{
    private static readonly PageId OtherPage = new([.. Enumerable.Repeat((byte)7, PageId.SizeBytes)]);

    [Theory]
    [InlineData(2_000)]
    [InlineData(1_000_000)]
    public void A_damaged_value_of_one_page_holds_up_the_upload_of_no_other_page(int sizeBytes) => Run(
        seed: 140, async (runtime, cloud) =>
        {
            var store = new RefusingObjectStore(new MemoryObjectStore());
            await using var ledger = await OpenAsync(runtime, store, 1);
            await using var bad = await ledger.GetPageAsync(PageId.Root);
            await using var good = await ledger.GetPageAsync(OtherPage);
            await bad.PutAsync("a", new string('x', sizeBytes));
            await good.PutAsync("b", "2");
            store.ReadRefusal = (kind, id) => kind is ObjectKind.Value or ObjectKind.ValueIndex
                ? new CorruptObjectException("the test has damaged it", id)
                : null;
            await using var engine = await StartAsync(ledger, cloud);
            await runtime.Delay(TimeSpan.FromSeconds(30), default);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync(OtherPage);
            Assert.Equal("b=2", await there.ShowAsync());
            var status = await engine.GetStatusAsync(default);
            Assert.Contains("damaged", status.Error, StringComparison.Ordinal);

            store.ReadRefusal = null;
            await engine.SyncNowAsync(default);
            await second.SyncAsync();
            await using var whole = await second.OpenPageAsync();
            Assert.Equal(sizeBytes, (await whole.GetAsync("a"))!.Length);
            Assert.Null((await engine.GetStatusAsync(default)).Error);
        });

    [Fact]
    public void A_damaged_commit_of_one_page_keeps_no_other_page_from_being_shown() => Run(
        seed: 143, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var firstBad = await first.OpenPageAsync();
            await using var firstGood = await first.OpenPageAsync(OtherPage);
            await firstBad.PutAsync("a", "1");
            await firstGood.PutAsync("b", "1");
            await first.SyncAsync();
            var head = (await firstBad.GetHeadsAsync())[0].Id.Value;
            var disk = new MemoryObjectStore();
            var store = new RefusingObjectStore(new KeptObjectStore(disk));
            var holdsBack = false;
            var liar = new TamperingCloud(cloud) { TamperBlob = (_, blob) => holdsBack ? null : blob };
            await using (var ledger = await OpenAsync(runtime, store, 4))
            {
                await using var engine = await StartAsync(ledger, liar);
                await engine.SyncNowAsync(default);
                holdsBack = true;
                await firstBad.PutAsync("a", new string('x', 2_000));
                await firstGood.PutAsync("b", new string('y', 2_000));
                await first.SyncAsync();
                await runtime.Delay(TimeSpan.FromSeconds(10), default);
                Assert.Equal(2, (await engine.GetStatusAsync(default)).PagesToShow);
            }

            (holdsBack, store.ReadRefusal) = (false, (_, id) => id == head
                ? new CorruptObjectException("the test has damaged it", id)
                : null);
            await using var again = await OpenAsync(runtime, store, 4);
            await using var restarted = await StartAsync(again, liar);
            await runtime.Delay(TimeSpan.FromSeconds(30), default);

            await using var good = await again.GetPageAsync(OtherPage);
            Assert.Equal(2_000, (await good.GetAsync("b"))!.Length);
            Assert.Contains("damaged", (await restarted.GetStatusAsync(default)).Error, StringComparison.Ordinal);
            store.ReadRefusal = null;
            await restarted.SyncNowAsync(default);
            await using var bad = await again.GetPageAsync(PageId.Root);
            Assert.Equal(2_000, (await bad.GetAsync("a"))!.Length);
        });

    [Fact]
    public void A_put_is_not_lost_when_a_received_head_comes_beside_a_page_that_was_never_folded() => Run(
        seed: 142, async (runtime, cloud) =>
        {
            await using (var second = await SyncDevice.OpenAsync(runtime, "/b", cloud))
            {
                await PutAndSyncAsync(second, "b", "theirs");
            }

            var memory = new MemoryObjectStore();
            var store = new RefusingObjectStore(new KeptObjectStore(memory));
            await using var ledger = await OpenAsync(runtime, store, 1);
            ledger.SetConflictResolver(MergePolicy.None);
            await using var page = await ledger.GetPageAsync(PageId.Root);
            var release = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            var isFirst = true;
            store.CommitDelay = _ => Interlocked.Exchange(ref isFirst, false) ? release.Task : Task.CompletedTask;
            var put = page.PutAsync("a", "mine");
            await using var engine = await StartAsync(ledger, cloud);
            await runtime.Delay(TimeSpan.FromSeconds(30), default);
            release.SetResult();
            await put;

            // Before the journal is folded, which is after a second, the device is gone.
            await runtime.Delay(TimeSpan.FromMilliseconds(100), default);
            await using var after = await OpenAsync(runtime, new KeptObjectStore(memory), 1);
            after.SetConflictResolver(MergePolicy.None);
            await using var found = await after.GetPageAsync(PageId.Root);
            Assert.Equal(2, (await found.GetHeadsAsync()).Count);
            await found.MergeHeadsAsync();
            Assert.Equal("a=mine,b=theirs", await found.ShowAsync());
        });

    [Fact]
    public void Many_commits_that_wait_are_applied_in_a_few_passes() => Run(seed: 141, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await PutAndSyncAsync(first, "a", "first");
        await using (var page = await first.OpenPageAsync())
        {
            for (var number = 0; number < 400; number++)
            {
                await page.PutAsync("a", $"{number}");
                await (await page.GetSnapshotAsync()).DisposeAsync();
            }
        }

        await first.SyncAsync();
        var count = (await first.Engine.GetStatusAsync(default)).EntriesSent;

        // What is first in the feed comes last.
        var kept = new List<FeedEntry>();
        var liar = new TamperingCloud(cloud)
        {
            Tamper = item =>
            {
                kept.Add(item);
                return kept.Count < count
                    ? []
                    : kept.Select((each, index) => each with { Entry = kept[(index + 1) % kept.Count].Entry });
            },
        };
        var store = new CountingObjectStore(new MemoryObjectStore());
        await using var ledger = await OpenAsync(runtime, store, 2);
        await using var engine = await StartAsync(ledger, liar);
        await engine.SyncNowAsync(default);

        await using var there = await ledger.GetPageAsync(PageId.Root);
        Assert.Equal("a=399", await there.ShowAsync());
        Assert.Empty((await engine.GetStatusAsync(default)).Problems);
        var waiting = SyncRowKeys.WaitingOf(PageId.Root);
        Assert.InRange(store.Scans.Count(prefix => prefix.SequenceEqual(waiting)), 1, 5);
    });

    [Fact]
    public void What_comes_at_once_is_taken_in_with_records_of_limited_length() => Run(
        seed: 144, async (runtime, cloud) =>
        {
            const int entries = 12;
            const int commits = 500;
            await AppendOrphansAsync(runtime, cloud, entries, commits);
            var store = new CountingObjectStore(new MemoryObjectStore());
            await using var ledger = await OpenAsync(runtime, store, 2);
            await using var engine = await StartAsync(ledger, cloud);
            await engine.SyncNowAsync(default);

            Assert.Equal(entries * commits, (await engine.GetStatusAsync(default)).CommitsWaiting);

            // 4,096 commits, the rest of the entry that the last is in, and some rows beside them.
            Assert.InRange(store.CommittedRows.Max(), 4_096, 4_096 + commits + 10);
        });

    [Fact]
    public void What_is_taken_in_the_moment_something_was_shown_is_shown_too()
    {
        var world = TestRuntime.Create(146);
        world.Run(async runtime =>
        {
            var cloud = new MemoryCloud(runtime);
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await PutAndSyncAsync(first, "a", "1");
            var store = new RefusingObjectStore(new MemoryObjectStore());
            await using var ledger = await OpenAsync(runtime, store, 2);
            await using var engine = await StartAsync(ledger, cloud);
            await engine.SyncNowAsync(default);
            var (isShowing, isDone) = (false, false);
            store.RowRead = async (key, content) =>
            {
                if (isDone || !key.Span.SequenceEqual(SyncRowKeys.Page(PageId.Root)))
                {
                    return;
                }

                var isPending = SyncPageRow.Decode(content!.Value.Span).Pending.Count > 0;
                isDone = isShowing && !isPending;
                isShowing |= isPending;
                if (isDone)
                {
                    // All is shown, and the turn is about to end: the download takes it before anything else happens.
                    await PutAndSyncAsync(first, "c", "3");
                    await runtime.Delay(TimeSpan.FromSeconds(10), default);
                    world.Scheduler.AtOnce = 30;
                }
            };
            await PutAndSyncAsync(first, "b", "2");
            await runtime.Delay(TimeSpan.FromMinutes(1), default);

            Assert.True(isDone);
            await using var there = await ledger.GetPageAsync(PageId.Root);
            Assert.Equal("a=1,b=2,c=3", await there.ShowAsync());
        });
    }

    [Fact]
    public void A_repair_that_is_cancelled_once_the_cloud_is_forgotten_sends_what_the_cloud_lacks() => Run(
        seed: 145, async (runtime, cloud) =>
        {
            var store = new RefusingObjectStore(new MemoryObjectStore());
            await using var ledger = await OpenAsync(runtime, store, 1);
            await using var page = await ledger.GetPageAsync(PageId.Root);
            await page.PutAsync("a", "1");
            await using var engine = await StartAsync(ledger, cloud);
            await engine.SyncNowAsync(default);
            cloud.Erase();
            await runtime.Delay(TimeSpan.FromMinutes(1), default);
            Assert.Equal(SyncBlock.Foreign, engine.Block);

            using var cancel = new CancellationTokenSource();
            store.Committed = cancel.Cancel;
            await engine.RepairAsync(cancel.Token);
            await runtime.Delay(TimeSpan.FromMinutes(1), default);

            Assert.True(cancel.IsCancellationRequested);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await second.SyncAsync();
            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=1", await there.ShowAsync());
        });

    [Fact]
    public void Of_very_many_entries_that_are_put_aside_the_first_are_kept_and_the_others_counted() => Run(
        seed: 142, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 3))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            var store = new MemoryObjectStore();
            await using (var lease = store.BeginWrite())
            {
                for (var number = 1; number < SyncReport.ProblemsMax; number++)
                {
                    var row = new QuarantineRow(default, default, default, 0, SyncProblemKind.Quarantined, "Before.");
                    lease.SetRow(SyncRowKeys.Quarantined(new FeedPosition(1_000 + number)), row.Encode());
                }

                await lease.CommitAsync(Durability.Flushed, default);
            }

            await using var ledger = await OpenAsync(runtime, store, 3);
            var liar = new TamperingCloud(cloud) { Tamper = item => [Falsify(item, "altered")] };
            await using var engine = await StartAsync(ledger, liar);
            await engine.SyncNowAsync(default);

            var rows = await store.ScanRowsAsync(SyncRowKeys.Quarantine, default).ToListAsync();
            Assert.Equal(SyncReport.ProblemsMax + 1, rows.Count);
            var rest = QuarantineRow.Decode(rows[^1].Value.Span);
            Assert.Equal(2, rest.Sequence);
            Assert.StartsWith("2 more entries", rest.Reason, StringComparison.Ordinal);
        });

    // Commits whose first parent nobody has: each of them waits, which is a row.
    private static async Task AppendOrphansAsync(
        LedgerRuntime runtime, MemoryCloud cloud, int entries, int commits)
    {
        var keys = NewKeys();
        var device = new DeviceId(9);
        List<CommitId> chain = [Commit.Genesis.Id, new CommitId(ObjectId.Of(ObjectKind.Commit, new byte[1]))];
        var previous = default(UInt128);
        for (var sequence = 0; sequence < entries; sequence++)
        {
            var writer = new BatchWriter(1, device);
            for (var number = 0; number < commits; number++)
            {
                var (parent, generation) = (chain[^1], chain.Count);
                var commit = Commit.Create(new CommitFields
                {
                    Root = ObjectId.Of(ObjectKind.Value, BitConverter.GetBytes(generation)),
                    Parents = [parent],
                    Generation = generation,
                    Timestamp = new HybridTimestamp((ulong)generation << 16),
                    SkipLink = chain[(int)Commit.SkipGenerationOf(generation)],
                    Author = new Authorship(device, 1, 0, null),
                });
                writer.BeginCommit(commit, parent);
                writer.Add(new TreeChange(Bytes("a"), EntryValue.OfInline(Bytes($"{generation}"))));
                writer.EndCommit();
                chain.Add(commit.Id);
            }

            var id = EntryId.Read(BitConverter.GetBytes((long)sequence + 1).Concat(new byte[8]).ToArray());
            var header = new EntryHeader(
                EntryKind.Batch, keys.NameOf(PageId.Root), id, device, sequence, previous);
            var content = EntrySeal.Seal(keys, runtime.Random, header, Assert.Single(writer.Finish()));
            previous = EntrySeal.HashOf(content);
            await cloud.AppendAsync(
                keys.Ledger, header.Page, [new CloudEntry(id, device, sequence, content)], null, default);
        }
    }

    private static Task<LedgerStore> OpenAsync(LedgerRuntime runtime, IObjectStore store, int device)
    {
        var file = new RepositoryFile(1, new DeviceId((UInt128)device), SyncDevice.Secret);
        return LedgerStore.OpenAsync(
            runtime, store, file.SettingsOf("notes", 5),
            new LedgerStoreOptions(file.Device, Durability.Flushed, 64 << 20, NullLogger.Instance),
            default);
    }

    private static Task<SyncEngine> StartAsync(LedgerStore ledger, ICloudProvider cloud) =>
        SyncEngine.StartAsync(ledger, NewKeys(), cloud, default);

    private static SyncKeys NewKeys() => new(SyncDevice.Secret.Span, SyncDevice.Secret.Span, 0, "notes");
}
