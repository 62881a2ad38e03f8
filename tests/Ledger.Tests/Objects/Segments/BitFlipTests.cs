using System.Text;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;
using Xunit;
using Xunit.Abstractions;

namespace Ledger.Tests.Objects.Segments;

/// <summary>
/// One bit of a store flips: what was acknowledged is read as it was, or an error says that it cannot be, or the store
/// says that it is damaged; never is it just gone, other than it was, or back after it was removed.
/// </summary>
public sealed class BitFlipTests(ITestOutputHelper output)
{
    private const string Root = "/disk/store";
    private const int Puts = 10;

    private static readonly SegmentStoreOptions Small = new()
    {
        SegmentSizeBytes = 8 << 10,
        CheckpointSizeBytes = 700,
        CloseCheckpointSizeBytes = 256,
    };

    [Fact]
    public void A_bit_that_flips_in_a_cleanly_closed_store_never_loses_a_write_silently()
    {
        var disk = CrashScript.MakeDisk(1);
        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            await using var store = await SegmentStore.OpenAsync(runtime, Root, Small, default);
            await WriteAsync(store);
        });
        Assert.Equal(2, disk.Files().Count(path => path.EndsWith(".run", StringComparison.Ordinal)));

        foreach (var path in disk.Files())
        {
            var bits = disk.ReadAllBytes(path).LongLength * 8;
            Assert.Null(FindLoss(disk, path, 0, bits, PlantedBugs.None));
        }
    }

    [Theory]
    [InlineData(PlantedBugs.None)]
    [InlineData(PlantedBugs.IgnoreFlushedTo)]
    public void A_bit_that_flips_after_a_kill_before_what_later_records_vouch_for_is_noticed(object bug)
    {
        var bugs = (PlantedBugs)bug;
        var disk = CrashScript.MakeDisk(1);
        FaultyFileSystem? killed = null;
        var vouchedFor = 0L;
        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            var options = new SegmentStoreOptions();
            await using var store = await SegmentStore.OpenAsync(runtime, Root, options, default);
            await WriteAsync(store);
            vouchedFor = SegmentHeader.SizeBytes + store.EndPosition;
            await PutAsync(store, Puts + 1); // It says that everything before it was on disk.
            killed = disk.CrashImage(CrashLoss.KeepAll);
        });

        // The bits of a segment's header count too; only the one that was last written cannot be told.
        var problem = FindLoss(killed!, $"{Root}/{LogFormat.SegmentName(1)}", 0, vouchedFor * 8, bugs);

        Assert.Equal(bugs == PlantedBugs.None, problem is null);
        output.WriteLine(problem ?? "nothing is lost");
    }

    /// <summary>
    /// Flips each bit of a part of a file in turn, or in the usual run a sample of them; on all processors.
    /// </summary>
    private string? FindLoss(FaultyFileSystem disk, string path, long fromBit, long toBit, PlantedBugs bugs)
    {
        const int Seed = 7;
        var random = new Random(Seed);
        var samples = (int)Math.Min(toBit - fromBit, TestNumbers.Of(300, nightly: int.MaxValue));
        long[] bits =
        [
            .. Enumerable.Range(0, samples).Select(
                i => samples == toBit - fromBit ? fromBit + i : random.NextInt64(fromBit, toBit)),
        ];
        output.WriteLine($"{bits.Length} of {toBit - fromBit} bits of {path}");
        return bits.AsParallel().AsOrdered().Select(bit =>
        {
            var image = disk.CrashImage(CrashLoss.KeepAll);
            image.FlipBit(path, bit);
            var problem = TestRuntime.Create(1, image).Run(runtime => ReadAsync(runtime, Small with { Bugs = bugs }));
            return problem is null ? null : $"Bit {bit} of {path}, seed {Seed}: {problem}";
        }).FirstOrDefault(problem => problem is not null);
    }

    private static async Task WriteAsync(SegmentStore store)
    {
        for (var i = 1; i <= Puts; i++)
        {
            await PutAsync(store, i);
            if (i == 8)
            {
                await using var lease = store.BeginWrite();
                lease.DeleteRow(Key(3));
                lease.DeleteRows(Key(5), Key(7));
                await lease.CommitAsync(Durability.Flushed, default);
            }
        }
    }

    private static async Task PutAsync(SegmentStore store, int i)
    {
        await using var lease = store.BeginWrite();
        await lease.PutAsync(ObjectKind.Value, Content(i), default);
        lease.SetRow(Key(i), Encoding.UTF8.GetBytes($"value {i}"));
        await lease.CommitAsync(Durability.Flushed, default);
    }

    /// <summary>What is wrong and nobody said so, or null.</summary>
    private static async Task<string?> ReadAsync(LedgerRuntime runtime, SegmentStoreOptions options)
    {
        SegmentStore store;
        try
        {
            store = await SegmentStore.OpenAsync(runtime, Root, options, default);
        }
        catch (LedgerException)
        {
            return null;
        }

        await using (store)
        {
            var isHonest = store.Recovery.Damage is not null;
            for (var i = 1; i <= Puts; i++)
            {
                var key = i;
                var isRemoved = i is 3 or 5 or 6;
                var row = await AskAsync(async () => await store.ReadRowAsync(Key(key), default));
                var content = await AskAsync(async () =>
                    await store.ReadAsync(ObjectKind.Value, ObjectId.Of(ObjectKind.Value, Content(key)), default));
                var expected = isRemoved && !isHonest ? "nothing" : $"value {i}";
                if (row != expected && row != "an error" && !(isHonest && row == "nothing"))
                {
                    return $"row {i} is {row}";
                }

                if (content != Encoding.UTF8.GetString(Content(i)) && content != "an error" &&
                    !(isHonest && content == "nothing"))
                {
                    return $"object {i} is {content}";
                }
            }

            return null;
        }
    }

    private static async Task<string> AskAsync(Func<Task<ReadOnlyMemory<byte>?>> read)
    {
        try
        {
            return await read() is { } bytes ? Encoding.UTF8.GetString(bytes.Span) : "nothing";
        }
        catch (LedgerException)
        {
            return "an error";
        }
    }

    private static byte[] Key(int i) => Encoding.UTF8.GetBytes($"row-{i:d3}");

    private static byte[] Content(int i) => Encoding.UTF8.GetBytes($"object {i} {new string('x', 40)}");
}
