using System.Text;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Objects.Segments;

/// <summary>Stores that are damaged, or that cannot be opened or closed.</summary>
public sealed class StoreTroubleTests
{
    private const string Root = "/disk/store";

    /// <summary>Ids that a lease keeps at most.</summary>
    private const int FoundMax = 16_384;

    private static readonly SegmentStoreOptions Eager = new()
    {
        CheckpointSizeBytes = 1 << 10,
        CloseCheckpointSizeBytes = 1,
    };

    [Fact]
    public void A_damaged_segment_is_one_problem_and_those_behind_it_are_read()
    {
        var disk = CrashScript.MakeDisk(1);
        var options = new SegmentStoreOptions { SegmentSizeBytes = 8 << 10, CloseCheckpointSizeBytes = 1 };
        var whole = 0L;
        Live(store => PutAllAsync(store, 1, 24));
        Live(async store => whole = (await store.VerifyAsync(default)).LogBytes);
        Assert.InRange(LogFormat.SegmentNumbers(disk.List(Root)).Count(), 3, 10);

        disk.FlipBit($"{Root}/{LogFormat.SegmentName(1)}", 8 * (SegmentHeader.SizeBytes + 2500));

        Live(async store =>
        {
            var (bytes, problems) = await store.VerifyAsync(default);

            Assert.Contains(LogFormat.SegmentName(1), Assert.Single(problems), StringComparison.Ordinal);
            Assert.InRange(bytes, whole - (8 << 10), whole - 1);
        });

        void Live(Func<SegmentStore, Task> live) => TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, options, default);
            await live(store);
        });
    }

    [Fact]
    public void An_opening_that_fails_at_any_call_leaves_no_file_open()
    {
        var disk = CrashScript.MakeDisk(1);
        var options = new SegmentStoreOptions { SegmentSizeBytes = 8 << 10 };
        var life = new LifeFileSystem(disk);
        TestRuntime.Create(1, life).Run(async runtime =>
            await PutAllAsync(await SegmentStore.OpenAsync(runtime, Root, options, default), 1, 24));
        life.Kill();
        for (var (failing, isOpened) = (1, false); !isOpened; failing++)
        {
            var files = new InterceptedFileSystem(disk);
            var calls = 0;
            files.Before = (call, path) =>
            {
                if (++calls == failing)
                {
                    throw new IOException($"Simulated failure of '{call}' of {path}.");
                }
            };

            isOpened = TestRuntime.Create(failing, files).Run(async runtime =>
            {
                try
                {
                    await using var store = await SegmentStore.OpenAsync(runtime, Root, options, default);
                    return calls < failing;
                }
                catch (StoreUnavailableException error) when (error.Reason == StoreUnavailableReason.InputOutput)
                {
                    return false;
                }
            });

            Assert.True(files.OpenFiles == 0, $"After the failure of call {failing} {files.OpenFiles} files are open.");
        }
    }

    [Theory]
    [InlineData("REPOSITORY")]
    [InlineData("MANIFEST")]
    public void A_repository_that_one_may_not_open_says_so(string name)
    {
        var files = new InterceptedFileSystem(new MemoryFileSystem())
        {
            Before = (call, path) =>
            {
                if (call == "open" && path.Contains(name, StringComparison.Ordinal))
                {
                    throw new UnauthorizedAccessException($"Access to the path '{path}' is denied.");
                }
            },
        };

        TestRuntime.Create(1, files).Run(async runtime =>
        {
            var denied = await Assert.ThrowsAsync<StoreUnavailableException>(async () =>
            {
                await using var repository = await Repository.OpenAsync("/notes", new() { Runtime = runtime });
                await repository.GetLedgerAsync("notes");
            });

            Assert.Equal(StoreUnavailableReason.Denied, denied.Reason);
        });
    }

    [Fact]
    public void A_repository_whose_close_fails_at_any_call_lets_go_of_its_stores()
    {
        for (var (failing, isClosed) = (1, false); !isClosed; failing++)
        {
            var files = new InterceptedFileSystem(new MemoryFileSystem());
            isClosed = TestRuntime.Create(failing, files).Run(async runtime =>
            {
                var options = new RepositoryOptions { Runtime = runtime };
                var repository = await Repository.OpenAsync("/repository", options);
                await using (var page = await (await repository.GetLedgerAsync("notes")).GetPageAsync(PageId.Root))
                {
                    await page.PutAsync("a"u8.ToArray(), "1"u8.ToArray());
                    await using var snapshot = await page.GetSnapshotAsync();
                }

                var calls = 0;
                files.Before = (call, path) =>
                {
                    if (++calls == failing)
                    {
                        throw new ArithmeticException($"Nobody expects this of '{call}' of {path}.");
                    }
                };
                try
                {
                    await repository.DisposeAsync();
                }
                catch (ArithmeticException)
                {
                    // Whatever it is: the next opening must not find anything locked.
                }

                files.Before = static (_, _) => { };
                await using var again = await Repository.OpenAsync("/repository", options);
                Assert.Equal(["notes"], await again.ListLedgersAsync());
                return calls < failing;
            });
        }
    }

    [Theory]
    [InlineData(1L << 32)]
    [InlineData(1L << 40)]
    public void A_manifest_that_grew_is_damaged_and_takes_no_memory(long length)
    {
        var disk = new MemoryFileSystem();
        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await (await SegmentStore.OpenAsync(runtime, Root, Eager, default)).DisposeAsync();
            using (var file = disk.Open($"{Root}/{LogFormat.ManifestName}", FileOpening.ReadWrite))
            {
                file.SetLength(length);
            }

            await Assert.ThrowsAsync<CorruptObjectException>(
                async () => await SegmentStore.OpenAsync(runtime, Root, Eager, default));
        });
    }

    [Fact]
    public async Task A_lease_that_found_very_many_objects_protects_all_instead_of_knowing_each()
    {
        await using var store = await SegmentStore.OpenAsync(
            TestStores.RuntimeOn(new MemoryFileSystem()), Root, new SegmentStoreOptions(), default);
        await using (var writer = store.BeginWrite())
        {
            for (var i = 0; i <= FoundMax; i++)
            {
                await writer.PutAsync(ObjectKind.Value, BitConverter.GetBytes(i), default);
            }

            await writer.CommitAsync(Durability.Buffered, default);
        }

        await using var lease = store.BeginWrite();
        var unknown = ObjectId.Of(ObjectKind.Value, "unknown"u8);
        for (var i = 0; i <= FoundMax; i++)
        {
            Assert.False(await store.IsLeasedAsync(unknown));
            Assert.True(await lease.ContainsAsync(ObjectId.Of(ObjectKind.Value, BitConverter.GetBytes(i)), default));
        }

        Assert.True(await store.IsLeasedAsync(unknown));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_damaged_block_of_a_run_keeps_the_others_from_becoming_ever_more(bool isFilter)
    {
        var disk = CrashScript.MakeDisk(1);
        var first = new SegmentStoreOptions { CloseCheckpointSizeBytes = 20 << 10 };
        Live(first, store => PutAllAsync(store, 1, 40));
        var run = Assert.Single(disk.Files(), static path => path.EndsWith(".run", StringComparison.Ordinal));
        disk.FlipBit(run, 8 * ((isFilter ? 0 : RunFormat.BlockSizeBytes) + 100));

        Live(Eager, async store =>
        {
            var refusals = 0;
            for (var i = 41; i <= 240; i++)
            {
                try
                {
                    await PutAsync(store, i);
                }
                catch (CorruptObjectException) when (!isFilter)
                {
                    refusals++;
                }
            }

            Assert.InRange(refusals, 0, 20); // One in a hundred ids looks like one of the damaged block.
            for (var i = 1; isFilter && i <= 240; i++)
            {
                Assert.NotNull(await store.ReadRowAsync(Key(i), default));
            }
        });

        var runs = LogFormat.RunNumbers(disk.List(Root)).ToArray();
        Assert.InRange(runs.Length, 1, MergePlan.RunsMax);
        Assert.Equal(runs, Manifest.Read(disk, Root)!.Runs.Select(static entry => entry.Number).Order());
        Assert.Equal(!isFilter, disk.FileExists(run));

        void Live(SegmentStoreOptions options, Func<SegmentStore, Task> live) =>
            TestRuntime.Create(1, disk).Run(async runtime =>
            {
                await using var store = await SegmentStore.OpenAsync(runtime, Root, options, default);
                await live(store);
            });
    }

    private static async Task PutAllAsync(SegmentStore store, int first, int last)
    {
        for (var i = first; i <= last; i++)
        {
            await PutAsync(store, i);
        }
    }

    private static async Task PutAsync(SegmentStore store, int i, Durability durability = Durability.Flushed)
    {
        await using var lease = store.BeginWrite();
        var content = new byte[1000];
        BitConverter.TryWriteBytes(content, i);
        await lease.PutAsync(ObjectKind.Value, content, default);
        lease.SetRow(Key(i), Encoding.UTF8.GetBytes($"value {i}"));
        await lease.CommitAsync(durability, default);
    }

    private static byte[] Key(int i) => Encoding.UTF8.GetBytes($"row-{i:d5}");
}
