using System.Text;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Objects.Segments;

/// <summary>Checkpoints and merges that the disk refuses.</summary>
public sealed class ManifestTroubleTests
{
    private const string Root = "/disk/store";

    private static readonly SegmentStoreOptions Eager = new()
    {
        CheckpointSizeBytes = 1 << 10,
        CloseCheckpointSizeBytes = 1,
    };

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_full_disk_at_any_operation_is_not_filled_with_runs_that_nothing_lists(bool evenWhereReserved)
    {
        var refusals = 0;
        for (var operation = 1; operation < 150; operation++)
        {
            var disk = CrashScript.MakeDisk(operation);
            disk.Faults.FillAt(disk.Faults.OperationCount + operation, evenWhereReserved);

            TestRuntime.Create(operation, disk).Run(async runtime =>
            {
                try
                {
                    await using var store = await SegmentStore.OpenAsync(runtime, Root, Eager, default);
                    for (var i = 1; i <= 12; i++)
                    {
                        await PutAsync(store, i);
                    }
                }
                catch (StoreUnavailableException error) when (error.Reason == StoreUnavailableReason.DiskFull)
                {
                    refusals++;
                }
            });

            Assert.True(Unlisted(disk) is [], $"Full at operation {operation}: {string.Join(' ', Unlisted(disk))}");
        }

        Assert.True(refusals > 5, $"Only {refusals} puts were refused.");
    }

    [Fact]
    public void A_run_that_a_dead_process_left_unfinished_is_removed_by_the_next_opening_also_on_a_full_disk()
    {
        var leftOvers = 0;
        for (var operation = 1; ; operation++)
        {
            var disk = CrashScript.MakeDisk(operation);
            disk.Faults.CrashAt(disk.Faults.OperationCount + operation);
            if (Run(disk, operation))
            {
                Assert.True(leftOvers > 5, $"Only {leftOvers} runs were left unfinished.");
                return;
            }

            var image = disk.Survivor(operation);
            leftOvers += Unlisted(image).Length;
            image.Faults.FillAt(1, evenWhereReserved: true);
            TestRuntime.Create(operation, image).Run(async runtime =>
            {
                try
                {
                    await using var store = await SegmentStore.OpenAsync(runtime, Root, Eager, default);
                }
                catch (StoreUnavailableException error) when (error.Reason == StoreUnavailableReason.DiskFull)
                {
                    Assert.Null(Manifest.Read(runtime.Files, Root)); // There was no store yet.
                }
            });

            Assert.True(Unlisted(image) is [], $"Died at operation {operation}: {string.Join(' ', Unlisted(image))}");
        }
    }

    [Fact]
    public void A_rename_to_which_access_is_denied_stops_no_put_and_no_close_and_the_next_checkpoint_is_made()
    {
        var disk = new MemoryFileSystem();
        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, new SegmentStoreOptions(), default);
            await PutAsync(store, 1);
        });
        var files = new InterceptedFileSystem(disk);
        var denials = 0;
        files.Before = (call, path) => denials += call == "rename"
            ? throw new UnauthorizedAccessException($"Access to '{path}' is denied ({++denials}).")
            : 0;

        TestRuntime.Create(2, files).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Eager, default);
            for (var i = 2; i <= 9; i++)
            {
                await PutAsync(store, i);
            }
        });
        Assert.InRange(denials, 3, 100);
        files.Before = static (_, _) => { };
        TestRuntime.Create(3, files).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Eager, default);
            await PutAsync(store, 10);
        });

        var manifest = Manifest.Read(disk, Root)!;
        Assert.Equal(manifest.CleanClose, manifest.Recovery);
        TestRuntime.Create(4, disk).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Eager, default);
            for (var i = 1; i <= 10; i++)
            {
                Assert.NotNull(await store.ReadRowAsync(Key(i), default));
            }
        });
    }

    [Fact]
    public void A_first_write_after_a_crash_to_which_access_is_denied_is_refused_and_works_when_it_is_not()
    {
        var disk = new MemoryFileSystem();
        var files = new LifeFileSystem(disk);
        TestRuntime.Create(1, files).Run(async runtime =>
            await PutAsync(await SegmentStore.OpenAsync(runtime, Root, Eager, default), 1));
        files.Kill();
        var trouble = new InterceptedFileSystem(disk);

        TestRuntime.Create(2, trouble).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Eager, default);
            foreach (var call in new[] { "open", "preallocate", "write", "rename" })
            {
                trouble.Before = (made, path) =>
                {
                    if (made == call)
                    {
                        throw new UnauthorizedAccessException($"Access to '{path}' is denied.");
                    }
                };

                var refused = await Assert.ThrowsAsync<StoreUnavailableException>(() => PutAsync(store, 2));

                Assert.Equal(StoreUnavailableReason.InputOutput, refused.Reason);
                trouble.Before = static (_, _) => { };
            }

            await PutAsync(store, 3);
            Assert.NotNull(await store.ReadRowAsync(Key(1), default));
            Assert.Null(await store.ReadRowAsync(Key(2), default));
        });
    }

    private static bool Run(FaultyFileSystem disk, int seed)
    {
        try
        {
            TestRuntime.Create(seed, disk).Run(async runtime =>
            {
                await using var store = await SegmentStore.OpenAsync(runtime, Root, Eager, default);
                for (var i = 1; i <= 6; i++)
                {
                    await PutAsync(store, i);
                }
            });
            return !disk.Faults.IsCrashed;
        }
        catch (SimulatedCrashException)
        {
            return false;
        }
    }

    /// <summary>Runs that are on the disk and not in the manifest.</summary>
    private static string[] Unlisted(FaultyFileSystem disk)
    {
        if (!disk.DirectoryExists(Root))
        {
            return [];
        }

        var listed = (Manifest.Read(disk, Root)?.Runs ?? []).Select(static run => run.Number).ToHashSet();
        return [.. LogFormat.RunNumbers(disk.List(Root)).Where(number => !listed.Contains(number))
            .Select(LogFormat.RunName)];
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

    private static byte[] Key(int i) => Encoding.UTF8.GetBytes($"row-{i:d3}");
}
