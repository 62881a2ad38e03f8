using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P5: reading many entries in order.</summary>
internal sealed class Scans : Experiment
{
    /// <inheritdoc/>
    public override string Name => "p5";

    /// <inheritdoc/>
    public override string Title => "P5, scans: all, in reverse, and ranges of 100";

    /// <inheritdoc/>
    public override string Meaning =>
        "Keys and values of a warm store, each looked at, none copied. Ours goes through a snapshot's asynchronous " +
        "enumeration. A range is the hundred keys that share their first eight bytes; its rate counts the search for " +
        "its begin. Rates are entries per second; a ratio is our rate over theirs in the same round.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var points = new List<(double, double)>();
        var sizes = context.Sizes([10_000], [10_000, 100_000, 1_000_000], [10_000, 100_000, 1_000_000]);
        foreach (var size in sizes)
        {
            context.Report.IsHeadline = size == sizes[^1];
            var entries = new EntryStream(size, seed: 1, KeyOrder.Grouped);
            var stores = new List<KeyValueStore>();
            foreach (var contender in context.Contenders(Contender.RocksDb, Contender.Lmdb, Contender.Sqlite))
            {
                var directory = context.NewDirectory("p5");
                await using (var fresh = await Contenders.OpenAsync(contender, directory, entries.CacheSizeBytes))
                {
                    await fresh.LoadAsync(entries, batchSize: 10_000);
                    await fresh.CompactAsync();
                }

                var store = await Contenders.OpenAsync(contender, directory, entries.CacheSizeBytes);
                await store.ScanAsync();
                stores.Add(store);
            }

            points.Add((size, await RunAsync(context, entries, stores) / size));
            foreach (var store in stores)
            {
                await store.DisposeAsync();
            }
        }

        AddSlope(context, "time of a whole scan as N grows", points, "≤ 1.0");
    }

    private static async Task<double> RunAsync(Context context, EntryStream entries, List<KeyValueStore> stores)
    {
        var ranges = Math.Min(context.Operations(2, 100, 500, 1_000), entries.Count / EntryStream.GroupSize);
        var starts = entries.Uniform(ranges, seed: 7);
        (string Name, Func<KeyValueStore, Task<long>> Scan, long Expected, string Goal)[] kinds =
        [
            ("all", store => store.ScanAsync().AsTask(), entries.Count, "≥ 1.5"),
            ("reverse", store => store.ScanAsync(reverse: true).AsTask(), entries.Count, Report.NoGoal),
            ("ranges of 100", store => ScanRangesAsync(store, entries, starts),
                ranges * EntryStream.GroupSize, Report.NoGoal),
        ];
        var rate = 0.0;
        foreach (var (kind, scan, expected, goal) in kinds)
        {
            var repeat = (int)Math.Clamp(context.Pick(1, 20_000, 200_000, 200_000) / expected, 1, 20);
            var what = $"{kind}, N = {entries.Count:N0}";
            var rounds = await Rounds.RunAsync(what, context.Rounds, 1, [.. stores.Select(store => new Lane(
                store.Name, (meter, _) => ScanAsync(store, scan, expected, repeat, meter)))], context.WarmUp);
            context.Report.Add(rounds);
            rate = kind == "all" ? rounds.MedianRate("Ledger") : rate;
            context.Report.Ratio(
                $"our scan, {what}", [.. rounds.Samples("Ledger").Select(sample => sample.Rate)],
                kind == "all" ? "≥ 2,000,000/s" : Report.NoGoal, "entries/s");
            foreach (var peer in rounds.Names.Where(name => name != "Ledger"))
            {
                context.Report.Ratio(
                    $"scan, {what}, over {peer}", rounds.RateRatios("Ledger", peer),
                    peer == "RocksDB" ? goal : Report.NoGoal);
            }
        }

        return rate;
    }

    private static async Task ScanAsync(
        KeyValueStore store, Func<KeyValueStore, Task<long>> scan, long expected, int repeat, Meter meter)
    {
        meter.Start();
        for (var i = 0; i < repeat; i++)
        {
            var count = await scan(store);
            if (count != expected)
            {
                throw new InvalidOperationException($"{store.Name} gave {count} entries and not {expected}.");
            }
        }

        meter.Stop(expected * repeat);
    }

    private static async Task<long> ScanRangesAsync(KeyValueStore store, EntryStream entries, int[] starts)
    {
        var count = 0L;
        foreach (var index in starts)
        {
            var first = index - (index % EntryStream.GroupSize);
            var start = entries.Key(first);
            var end = entries.Key(first + EntryStream.GroupSize - 1).ToArray();
            end[^1]++;
            count += await store.ScanAsync(start, end);
        }

        return count;
    }
}
