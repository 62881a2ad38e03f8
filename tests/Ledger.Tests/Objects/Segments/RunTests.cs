using System.Text;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Xunit;

namespace Ledger.Tests.Objects.Segments;

/// <summary>Runs in size tiers: which are merged, and that what they say is what was written.</summary>
public sealed class RunTests
{
    private const string Root = "/store";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Whatever_is_written_removed_and_reopened_reads_as_in_a_dictionary(int seed)
    {
        Assert.Null(CompareWithModel(seed, PlantedBugs.None));
    }

    [Fact]
    public void A_merge_that_forgets_what_was_removed_is_found()
    {
        var found = Enumerable.Range(1, 5).Select(seed => CompareWithModel(seed, PlantedBugs.ForgetRemoved));

        Assert.Contains(found, problem => problem is not null);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Runs_stay_few_and_entries_are_seldom_written_again(int seed)
    {
        var random = new Random(seed);
        var sizes = new List<long>();
        long added = 0, written = 0;
        for (var i = 0; i < 20_000; i++)
        {
            var size = (seed == 1 ? 300L : random.Next(8, 600)) << 10;
            sizes.Insert(0, size);
            (added, written) = (added + size, written + size);
            while (MergePlan.Choose(sizes, runsBehind: 0) is { Count: > 0 } plan)
            {
                var merged = sizes.Skip(plan.First).Take(plan.Count).Sum();
                sizes.RemoveRange(plan.First, plan.Count);
                sizes.Insert(plan.First, merged);
                written += merged;
            }

            Assert.InRange(sizes.Count, 1, MergePlan.RunsMax - MergePlan.RunsInMergeMin);
        }

        Assert.True(written <= 12 * added, $"Each byte was written {(double)written / added:f1} times.");
    }

    [Fact]
    public void Removed_ranges_are_a_set_of_keys()
    {
        const int Keys = 60;
        for (var seed = 0; seed < 200; seed++)
        {
            var random = new Random(seed);
            var ranges = new RemovedRanges();
            var model = new bool[Keys];
            for (var i = 0; i < 12; i++)
            {
                var from = random.Next(Keys - 1);
                var to = random.Next(from + 1, Keys);
                ranges.Add(Key(from), Key(to));
                model.AsSpan(from..to).Fill(true);
            }

            var found = Enumerable.Range(0, Keys).Select(key => ranges.Contains(Key(key)));
            var boundaries = ranges.Boundaries().ToArray();
            Assert.True(model.SequenceEqual(found), $"Seed {seed}");
            Assert.Equal(boundaries.Select((_, i) => i % 2 == 0), boundaries.Select(boundary => boundary.Begins));
            Assert.True(boundaries.Zip(boundaries.Skip(1)).All(
                static pair => pair.First.Key.AsSpan().SequenceCompareTo(pair.Second.Key) < 0));
        }

        static byte[] Key(int key) => [(byte)key];
    }

    [Fact]
    public void A_block_cache_keeps_what_was_asked_for_lately_and_no_more_than_its_bound()
    {
        var cache = new BlockCache(4 * RunFormat.BlockSizeBytes);
        for (var block = 0; block < 100; block++)
        {
            cache.Add(1, block, [(byte)block]);
            cache.TryGet(1, 0);
        }

        Assert.Equal(4 * RunFormat.BlockSizeBytes, cache.SizeBytes);
        Assert.Equal([0], cache.TryGet(1, 0)!);
        Assert.Null(cache.TryGet(1, 50));
        Assert.Null(cache.TryGet(2, 0));
    }

    /// <summary>Writes, removes and reopens at random; small checkpoints make many runs and merges.</summary>
    private static string? CompareWithModel(int seed, PlantedBugs bugs)
    {
        var options = new SegmentStoreOptions
        {
            SegmentSizeBytes = 24 << 10,
            CheckpointSizeBytes = 3 << 10,
            RecoverySizeBytesMax = 64 << 10,
            CloseCheckpointSizeBytes = 1 << 10,
            CacheSizeBytes = 4 * RunFormat.BlockSizeBytes,
            Bugs = bugs,
        };
        return TestRuntime.Create(seed).Run(async runtime =>
        {
            var model = new SortedDictionary<string, string>(StringComparer.Ordinal);
            var random = new Random(seed);
            var store = await SegmentStore.OpenAsync(runtime, Root, options, default);
            try
            {
                for (var commit = 0; commit < 500; commit++)
                {
                    await CommitAsync(store, model, random, commit);
                    if (random.Next(60) == 0)
                    {
                        await store.DisposeAsync();
                        store = await SegmentStore.OpenAsync(runtime, Root, options, default);
                    }

                    if (commit % 20 == 19 && await FindDifferenceAsync(store, model, random) is { } problem)
                    {
                        return $"Seed {seed}, commit {commit}: {problem}";
                    }
                }

                return (await store.VerifyAsync(default)).Problems is [var first, ..] ? first : null;
            }
            finally
            {
                await store.DisposeAsync();
            }
        });
    }

    private static async Task CommitAsync(
        SegmentStore store, SortedDictionary<string, string> model, Random random, int commit)
    {
        await using var lease = store.BeginWrite();
        for (var i = 0; i < 8; i++)
        {
            // Old runs must be large, or every merge would take them along.
            await lease.PutAsync(ObjectKind.Value, Bytes($"object {commit} {i}"), default);
        }

        for (var i = random.Next(1, 6); i > 0; i--)
        {
            var key = NextKey(random);
            switch (random.Next(10))
            {
                case < 6:
                    model[key] = $"{commit} " + new string('.', random.Next(60));
                    lease.SetRow(Bytes(key), Bytes(model[key]));
                    break;
                case < 9:
                    model.Remove(key);
                    lease.DeleteRow(Bytes(key));
                    break;
                default:
                    var end = NextKey(random);
                    foreach (var gone in model.Keys.Where(gone => IsBetween(gone, key, end)).ToList())
                    {
                        model.Remove(gone);
                    }

                    lease.DeleteRows(Bytes(key), Bytes(end));
                    break;
            }
        }

        await lease.CommitAsync(random.Next(3) == 0 ? Durability.Buffered : Durability.Flushed, default);
    }

    private static async Task<string?> FindDifferenceAsync(
        SegmentStore store, SortedDictionary<string, string> model, Random random)
    {
        var prefix = random.Next(2) == 0 ? "" : NextKey(random)[..1];
        var rows = new List<string>();
        await foreach (var row in store.ScanRowsAsync(Bytes(prefix), default))
        {
            rows.Add($"{Text(row.Key)}={Text(row.Value)}");
        }

        var expected = model.Where(row => row.Key.StartsWith(prefix, StringComparison.Ordinal))
            .Select(row => $"{row.Key}={row.Value}");
        if (!rows.SequenceEqual(expected))
        {
            return $"a scan of '{prefix}' gives {string.Join(' ', rows)}";
        }

        for (var i = 0; i < 30; i++)
        {
            var key = NextKey(random);
            var value = await store.ReadRowAsync(Bytes(key), default) is { } found ? Text(found) : null;
            if (value != model.GetValueOrDefault(key))
            {
                return $"'{key}' is '{value}' and should be '{model.GetValueOrDefault(key)}'";
            }
        }

        return null;
    }

    private static bool IsBetween(string key, string from, string to) =>
        string.CompareOrdinal(from, key) <= 0 && string.CompareOrdinal(key, to) < 0;

    private static string NextKey(Random random) => $"{(char)('a' + random.Next(5))}{random.Next(60):d2}";

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);
}
