using System.Text;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Objects.Segments;

public sealed class DiskTroubleTests
{
    private const string Root = "/disk/store";

    private static readonly SegmentStoreOptions Small = new()
    {
        SegmentSizeBytes = 24 << 10,
        CheckpointSizeBytes = 9 << 10,
        CloseCheckpointSizeBytes = 4 << 10,
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_full_disk_at_any_operation_refuses_cleanly_and_work_goes_on_when_there_is_space(
        bool evenWhereReserved)
    {
        for (var operation = 1; operation < 200; operation++)
        {
            var disk = CrashScript.MakeDisk(operation);
            disk.Faults.FillAt(disk.Faults.OperationCount + operation, evenWhereReserved);
            var refusals = TestRuntime.Create(operation, disk).Run(runtime => WriteThroughAsync(runtime, disk));
            var state = TestRuntime.Create(operation, disk.CrashImage(CrashLoss.LoseAll)).Run(ReadAllAsync);

            Assert.True(
                state.SequenceEqual(Enumerable.Range(1, 20)),
                $"Full at operation {operation}, {refusals} refusals: found {string.Join(' ', state)}");
        }
    }

    [Fact]
    public void An_operation_that_fails_at_any_point_loses_nothing_that_was_acknowledged()
    {
        for (var operation = 1; operation < 200; operation++)
        {
            var disk = CrashScript.MakeDisk(operation);
            disk.Faults.FailAt(disk.Faults.OperationCount + operation);

            var acknowledged = TestRuntime.Create(operation, disk).Run(WriteAndReopenAsync);

            foreach (var loss in new[] { CrashLoss.KeepAll, CrashLoss.LoseAll, CrashLoss.RandomSubset })
            {
                var found = TestRuntime.Create(operation, disk.CrashImage(loss, operation)).Run(ReadAllAsync);
                Assert.True(
                    acknowledged.IsSubsetOf(found),
                    $"Operation {operation} failed, then {loss}: found {string.Join(' ', found)}");
            }
        }
    }

    [Fact]
    public void A_read_that_fails_at_any_point_is_a_typed_error_and_the_next_opening_works()
    {
        var disk = CrashScript.MakeDisk(1);
        TestRuntime.Create(1, disk).Run(WriteAndReopenAsync);
        for (var read = 1; ; read++)
        {
            var image = disk.CrashImage(CrashLoss.KeepAll);
            image.Faults.FailReadAt(read);
            var problem = TestRuntime.Create(read, image).Run(FindSilentLossAsync);
            if (image.Faults.ReadCount < read)
            {
                Assert.True(read > 20, $"Opening and reading took only {read} reads.");
                return;
            }

            var found = TestRuntime.Create(read, image).Run(ReadAllAsync);

            Assert.True(problem is null, $"Read {read} failed: {problem}");
            Assert.Equal(Enumerable.Range(1, 20), found);
        }
    }

    [Fact]
    public void Reads_that_stop_short_change_nothing()
    {
        var disk = CrashScript.MakeDisk(1);
        disk.Faults.ShortReadProbability = 0.5;
        TestRuntime.Create(1, disk).Run(WriteAndReopenAsync);

        Assert.Equal(Enumerable.Range(1, 20), TestRuntime.Create(2, disk).Run(ReadAllAsync));
    }

    [Fact]
    public void A_flush_that_fails_stops_the_store_and_leaves_the_outcome_open()
    {
        var disk = CrashScript.MakeDisk(1);

        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Small, default);
            await PutAsync(store, 1);
            disk.Faults.FlushFailureProbability = 1;
            await Assert.ThrowsAsync<OutcomeUnknownException>(() => PutAsync(store, 2));
            disk.Faults.FlushFailureProbability = 0;

            var stopped = await Assert.ThrowsAsync<StoreUnavailableException>(() => PutAsync(store, 3));

            Assert.Equal(StoreUnavailableReason.Stopped, stopped.Reason);
            Assert.NotNull(await store.ReadRowAsync(Key(1), default));
        });

        var found = TestRuntime.Create(1, disk.CrashImage(CrashLoss.LoseAll)).Run(ReadAllAsync);
        Assert.Contains(1, found);
        Assert.DoesNotContain(3, found);
    }

    [Fact]
    public void A_close_whose_flush_fails_says_so_when_buffered_writes_may_be_lost_and_lets_go_of_the_store()
    {
        var disk = CrashScript.MakeDisk(1);

        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            var store = await SegmentStore.OpenAsync(runtime, Root, Small, default);
            await using (var lease = store.BeginWrite())
            {
                lease.SetRow(Key(1), Key(1));
                await lease.CommitAsync(Durability.Buffered, default);
            }

            disk.Faults.FlushFailureProbability = 1;
            await Assert.ThrowsAsync<OutcomeUnknownException>(() => store.DisposeAsync().AsTask());
            disk.Faults.FlushFailureProbability = 0;

            await using var next = await SegmentStore.OpenAsync(runtime, Root, Small, default);
        });
    }

    [Fact]
    public void A_store_that_is_open_is_refused_to_a_second_one()
    {
        TestRuntime.Create(1, CrashScript.MakeDisk(1)).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Small, default);

            var refused = await Assert.ThrowsAsync<StoreUnavailableException>(
                async () => await SegmentStore.OpenAsync(runtime, Root, Small, default));

            Assert.Equal(StoreUnavailableReason.Locked, refused.Reason);
            Assert.Contains(Root, refused.Message, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void A_store_of_a_newer_format_is_refused_with_both_versions()
    {
        var disk = CrashScript.MakeDisk(1);
        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Small, default);
            await PutAsync(store, 1);
        });
        disk.FlipBit($"{Root}/{LogFormat.ManifestName}", 8 * 8 + 1); // Version 1 becomes 3.

        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            var error = await Assert.ThrowsAsync<FormatTooNewException>(
                async () => await SegmentStore.OpenAsync(runtime, Root, Small, default));

            Assert.Equal((3, 1), (error.Version, error.VersionMax));
        });
    }

    [Fact]
    public void Opening_for_reading_creates_nothing()
    {
        var disk = CrashScript.MakeDisk(1);

        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            var options = Small with { ReadOnly = true };
            var error = await Assert.ThrowsAsync<StoreUnavailableException>(
                async () => await SegmentStore.OpenAsync(runtime, Root, options, default));

            Assert.Equal(StoreUnavailableReason.NotARepository, error.Reason);
        });
        Assert.Empty(disk.Files());
    }

    /// <summary>Puts 1 to 20, again when the disk is full, after making space.</summary>
    private static async Task<int> WriteThroughAsync(LedgerRuntime runtime, FaultyFileSystem disk)
    {
        var refusals = 0;
        SegmentStore? store = null;
        for (var i = 1; i <= 20;)
        {
            try
            {
                store ??= await SegmentStore.OpenAsync(runtime, Root, Small, default);
                await PutAsync(store, i);
                i++;
            }
            catch (StoreUnavailableException error) when (error.Reason == StoreUnavailableReason.DiskFull)
            {
                Assert.True(error.IsTransient);
                refusals++;
                disk.Faults.FreeSpace();
            }
        }

        await store!.DisposeAsync();
        return refusals;
    }

    /// <summary>Puts 1 to 20 once each; after a failure of any kind the store is opened again.</summary>
    private static async Task<HashSet<int>> WriteAndReopenAsync(LedgerRuntime runtime)
    {
        var acknowledged = new HashSet<int>();
        SegmentStore? store = null;
        for (var i = 1; i <= 20; i++)
        {
            try
            {
                store ??= await SegmentStore.OpenAsync(runtime, Root, Small, default);
                await PutAsync(store, i);
                acknowledged.Add(i);
            }
            catch (LedgerException error) when (error is StoreUnavailableException or OutcomeUnknownException)
            {
                if (store is not null)
                {
                    await store.DisposeAsync();
                    store = null;
                }
            }
        }

        if (store is not null)
        {
            await store.DisposeAsync();
        }

        return acknowledged;
    }

    private static async Task PutAsync(SegmentStore store, int i)
    {
        await using var lease = store.BeginWrite();
        var content = new byte[1000 + i];
        content.AsSpan().Fill((byte)i);
        await lease.PutAsync(ObjectKind.Value, content, default);
        lease.SetRow(Key(i), Encoding.UTF8.GetBytes($"value {i}"));
        await lease.CommitAsync(Durability.Flushed, default);
    }

    private static async Task<List<int>> ReadAllAsync(LedgerRuntime runtime)
    {
        await using var store = await SegmentStore.OpenAsync(runtime, Root, Small, default);
        Assert.Null(store.Recovery.Damage);
        var found = new List<int>();
        await foreach (var row in store.ScanRowsAsync(default, default))
        {
            found.Add(int.Parse(Encoding.UTF8.GetString(row.Key.Span)[4..]));
        }

        Assert.Empty((await store.VerifyAsync(default)).Problems);
        return found;
    }

    /// <summary>A typed error and a store that says it is damaged are honest; wrong or missing data is not.</summary>
    private static async Task<string?> FindSilentLossAsync(LedgerRuntime runtime)
    {
        try
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Small, default);
            var isHonest = store.Recovery.Damage is not null;
            for (var i = 1; i <= 20; i++)
            {
                var value = await store.ReadRowAsync(Key(i), default);
                if (value is null ? !isHonest : Encoding.UTF8.GetString(value.Value.Span) != $"value {i}")
                {
                    return value is null ? $"row {i} is gone" : $"row {i} has another value";
                }
            }

            return null;
        }
        catch (LedgerException)
        {
            return null;
        }
    }

    private static byte[] Key(int i) => Encoding.UTF8.GetBytes($"row-{i:d3}");
}
