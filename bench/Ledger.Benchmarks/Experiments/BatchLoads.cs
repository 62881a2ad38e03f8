using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P3: loading an empty store in transactions of 1,000.</summary>
internal sealed class BatchLoads : Experiment
{
    private const string Amplification = "written / payload";
    private const string OnDisk = "on disk / payload";
    private const string WithClose = "entries/s with closing";

    /// <inheritdoc/>
    public override string Name => "p3";

    /// <inheritdoc/>
    public override string Title => "P3, loading N entries in durable transactions of 1,000, random and sorted";

    /// <inheritdoc/>
    public override string Meaning =>
        "Every round makes a new store for each contender. The clock stops when the last transaction is durable; " +
        "bytes written are those of /proc/self/io up to the end of closing, so that work put off counts; the size on " +
        "disk is that of the closed store. A ratio is our rate over theirs in the same round.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var sizes = context.Sizes([1_000, 10_000], [1_000, 10_000, 100_000], [10_000, 100_000, 1_000_000]);
        foreach (var order in (KeyOrder[])[KeyOrder.Random, KeyOrder.Sorted])
        {
            var points = new List<(double, double)>();
            foreach (var size in sizes)
            {
                context.Report.IsHeadline = size == sizes[^1];
                points.Add((size, (await RunAsync(context, order, size)).MedianRate("Ledger") / size));
            }

            AddSlope(context, $"time of the whole load, {order} keys, as N grows", points, "≤ 1.1");
        }
    }

    private static async Task<Rounds> RunAsync(Context context, KeyOrder order, int size)
    {
        var entries = new EntryStream(size, seed: 1, order);
        Lane[] lanes =
        [
            .. context.Contenders(Contender.RocksDb, Contender.Lmdb, Contender.Sqlite).Select(contender => new Lane(
                Contenders.NameOf(contender), (meter, _) => LoadAsync(context, contender, entries, meter))),
        ];
        var text = $"{order} keys, N = {size:N0}";
        var rounds = await Rounds.RunAsync(text, context.Rounds, 1, lanes, context.WarmUp / 4);
        context.Report.Add(rounds);
        foreach (var peer in rounds.Names.Where(name => name != "Ledger"))
        {
            context.Report.Ratio($"load, {text}, over {peer}", rounds.RateRatios("Ledger", peer), (order, peer) switch
            {
                (KeyOrder.Random, "RocksDB") => "≥ 0.8",
                (KeyOrder.Random, "SQLite") => "≥ 3",
                _ => Report.Reported,
            });
        }

        context.Report.Ratio(
            $"our load, {text}", [.. rounds.Samples("Ledger").Select(sample => sample.Rate)],
            order == KeyOrder.Sorted ? "≥ 1,000,000/s" : Report.NoGoal, "entries/s");
        context.Report.Ratio(
            $"our write amplification, {text}", rounds.Figures("Ledger", Amplification),
            order == KeyOrder.Random ? "≤ 17" : Report.NoGoal);
        context.Report.Ratio($"our size on disk, {text}", rounds.Figures("Ledger", OnDisk), "≤ 1.25");
        return rounds;
    }

    private static async Task LoadAsync(Context context, Contender contender, EntryStream entries, Meter meter)
    {
        var directory = context.NewDirectory("p3");
        var store = await Contenders.OpenAsync(contender, directory, entries.CacheSizeBytes);
        var writtenBefore = ProcessFigures.WriteBytes;
        await meter.MeasureAsync(entries.Count, () => store.LoadAsync(entries));
        var closing = System.Diagnostics.Stopwatch.GetTimestamp();
        await store.DisposeAsync();
        var closingSeconds = System.Diagnostics.Stopwatch.GetElapsedTime(closing).TotalSeconds;
        double payload = entries.PayloadBytes;
        meter.Record(WithClose, entries.Count / (meter.ToSample().Seconds + closingSeconds));
        meter.Record(Amplification, (ProcessFigures.WriteBytes - writtenBefore) / payload);
        meter.Record(OnDisk, DirectorySize.Bytes(directory) / payload);
        Directory.Delete(directory, recursive: true);
    }
}
