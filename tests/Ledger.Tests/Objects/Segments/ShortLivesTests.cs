using System.Buffers.Binary;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;
using Xunit;
using Xunit.Abstractions;

namespace Ledger.Tests.Objects.Segments;

/// <summary>
/// Many processes that each open a store, write a little, and close it or are killed; and what it costs to open what
/// they leave, whatever the store holds.
/// </summary>
public sealed class ShortLivesTests(ITestOutputHelper output)
{
    private const string Root = "/store";

    private static readonly SegmentStoreOptions Options = new() { CloseCheckpointSizeBytes = 64 << 10 };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Many_processes_that_put_one_key_each_leave_a_store_that_is_small_and_quick_to_open(
        bool areKilled)
    {
        var lives = TestNumbers.Of(1_500, nightly: 100_000);
        var disk = new MemoryFileSystem();
        long written = 0, readMax = 0, usedMax = 0;
        var filesMax = 0;
        for (var life = 0; life < lives; life++)
        {
            var files = new LifeFileSystem(disk);
            var store = await SegmentStore.OpenAsync(TestStores.RuntimeOn(files), Root, Options, default);
            readMax = Math.Max(readMax, files.BytesRead);
            await PutAsync(store, life);
            if (!areKilled)
            {
                await store.DisposeAsync();
            }

            files.Kill();
            written += files.BytesWritten;
            filesMax = Math.Max(filesMax, disk.List(Root).Count);
            usedMax = Math.Max(usedMax, disk.UsedBytes);
        }

        output.WriteLine(
            $"{written / lives} bytes written per put, at most {filesMax} files, {usedMax} bytes used and {readMax} " +
            "bytes read to open");
        await using (var store = await SegmentStore.OpenAsync(TestStores.RuntimeOn(disk), Root, Options, default))
        {
            await AssertHoldsAsync(store, lives, step: 1);
        }

        Assert.InRange(written / lives, 1, 8 << 10);
        Assert.InRange(filesMax, 3, 30);
        Assert.InRange(readMax, 1, 512 << 10);
        Assert.InRange(usedMax, 1, (2 << 20) + lives * 1024L);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Opening_and_the_first_read_cost_the_same_in_a_small_store_and_in_a_large_one(bool isKilled)
    {
        var small = await CostOfOpeningAsync(2_000, isKilled);
        var large = await CostOfOpeningAsync(TestNumbers.Of(60_000, nightly: 1_000_000), isKilled);

        output.WriteLine($"small {small}, large {large}");
        foreach (var cost in new[] { small, large })
        {
            // A footer of each run, the log behind the recovery position, and the room reserved behind its end; then a
            // search in each run.
            const int Footers = (MergePlan.RunsMax + 4) * RunFormat.BlockSizeBytes;
            Assert.InRange(cost.BytesToOpen, 1, Footers + (256 << 10) + (1 << 20));
            Assert.InRange(cost.BytesToRead, 1, MergePlan.RunsMax * 24 * RunFormat.BlockSizeBytes);
            Assert.InRange(cost.FilesOpened, 1, MergePlan.RunsMax + 6);
        }
    }

    [Fact]
    public async Task Open_files_and_the_memory_of_the_index_are_bounded()
    {
        var disk = new MemoryFileSystem();
        var files = new LifeFileSystem(disk);
        var options = new SegmentStoreOptions
        {
            SegmentSizeBytes = 16 << 10,
            CheckpointSizeBytes = 32 << 10,
            CacheSizeBytes = 64 << 10,

            // So that the writer waits for the runs, however late their worker comes.
            RecoverySizeBytesMax = 128 << 10,
        };
        const int Count = 6_000;

        await using var store = await SegmentStore.OpenAsync(TestStores.RuntimeOn(files), Root, options, default);
        for (var i = 0; i < Count; i++)
        {
            await PutAsync(store, i);
        }

        await AssertHoldsAsync(store, Count, step: 3);

        Assert.True(LogFormat.SegmentNumbers(disk.List(Root)).Count() > 60);
        Assert.InRange(LogFormat.RunNumbers(disk.List(Root)).Count(), 1, MergePlan.RunsMax + 3);
        Assert.InRange(store.IndexCacheSizeBytes, 1, 64 << 10);
        Assert.InRange(files.FilesOpenMax, 1, SegmentSet.IdleFilesMax + 2 * MergePlan.RunsMax + 8);
    }

    [Fact]
    public void The_log_never_runs_further_ahead_of_the_recovery_position_than_the_bound()
    {
        var disk = new MemoryFileSystem();
        var options = new SegmentStoreOptions { CheckpointSizeBytes = 16 << 10, RecoverySizeBytesMax = 32 << 10 };

        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, options, default);
            var behindMax = 0L;
            for (var round = 0; round < 60; round++)
            {
                await Task.WhenAll(Enumerable.Range(0, 8).Select(i => PutAsync(store, round * 8 + i)));
                var recovery = Manifest.Read(disk, Root)!.Recovery.Position;
                behindMax = Math.Max(behindMax, store.EndPosition - recovery);
            }

            Assert.InRange(behindMax, options.CheckpointSizeBytes, options.RecoverySizeBytesMax);
        });
    }

    [Fact]
    public void A_checkpoint_that_begins_with_the_copies_of_a_crash_leaves_a_store_that_opens_again()
    {
        var disk = new MemoryFileSystem();
        var late = new SegmentStoreOptions { CheckpointSizeBytes = 1 << 20 };
        var early = new SegmentStoreOptions { CheckpointSizeBytes = 1 << 10 };
        Live(late, store => PutAsync(store, 0, 100, Durability.Buffered));
        Live(early, async store =>
        {
            await store.FlushAsync(default); // Copies, writes nothing, and is due for a run.
            await PutAsync(store, 100);
        });

        Live(late, async store =>
        {
            Assert.Null(store.Recovery.Damage);
            await AssertHoldsAsync(store, 101, step: 1);
        });

        void Live(SegmentStoreOptions options, Func<SegmentStore, Task> live)
        {
            var files = new LifeFileSystem(disk);
            TestRuntime.Create(1, files).Run(async runtime =>
            {
                await live(await SegmentStore.OpenAsync(runtime, Root, options, default));
                await runtime.Delay(TimeSpan.FromMilliseconds(100), default);
            });
            files.Kill();
        }
    }

    private static async Task<(long BytesToOpen, long BytesToRead, int FilesOpened)> CostOfOpeningAsync(
        int count, bool isKilled)
    {
        var options = new SegmentStoreOptions
        {
            CheckpointSizeBytes = 128 << 10,
            RecoverySizeBytesMax = 256 << 10,
            SegmentSizeBytes = 1 << 20,
        };
        var disk = new MemoryFileSystem();
        var first = new LifeFileSystem(disk);
        var store = await SegmentStore.OpenAsync(TestStores.RuntimeOn(first), Root, options, default);
        for (var i = 0; i < count; i += 50)
        {
            await PutAsync(store, i, 50);
        }

        if (!isKilled)
        {
            await store.DisposeAsync();
        }

        first.Kill();
        var second = new LifeFileSystem(disk);
        await using var opened = await SegmentStore.OpenAsync(TestStores.RuntimeOn(second), Root, options, default);
        var toOpen = second.BytesRead;
        await AssertHoldsAsync(opened, 1, step: 1);
        return (toOpen, second.BytesRead - toOpen, second.FilesOpened);
    }

    private static async Task PutAsync(
        SegmentStore store, int first, int count = 1, Durability durability = Durability.Flushed)
    {
        await using var lease = store.BeginWrite();
        for (var i = first; i < first + count; i++)
        {
            await lease.PutAsync(ObjectKind.Value, ContentOf(i), default);
            lease.SetRow(KeyOf(i), ContentOf(i));
        }

        await lease.CommitAsync(durability, default);
    }

    private static async Task AssertHoldsAsync(SegmentStore store, int count, int step)
    {
        for (var i = 0; i < count; i += step)
        {
            var row = await store.ReadRowAsync(KeyOf(i), default);
            var id = ObjectId.Of(ObjectKind.Value, ContentOf(i));
            var content = await store.ReadAsync(ObjectKind.Value, id, default);
            Assert.True(row is not null && content is not null, $"Put {i} of {count} is gone.");
            Assert.Equal(ContentOf(i), row.Value.ToArray());
        }
    }

    private static byte[] KeyOf(int i)
    {
        var key = new byte[16];
        BinaryPrimitives.WriteUInt64BigEndian(key, (ulong)i * 0x9E3779B97F4A7C15);
        BinaryPrimitives.WriteInt32BigEndian(key.AsSpan(8), i);
        return key;
    }

    private static byte[] ContentOf(int i)
    {
        var content = new byte[40];
        BinaryPrimitives.WriteInt32BigEndian(content, i);
        return content;
    }
}
