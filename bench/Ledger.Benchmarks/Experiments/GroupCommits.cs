using System.Diagnostics;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P2: writers that share a flush.</summary>
internal sealed class GroupCommits : Experiment
{
    private static readonly int[] Writers = [1, 2, 4, 8, 16, 32];

    /// <inheritdoc/>
    public override string Name => "p2";

    /// <inheritdoc/>
    public override string Title => "P2, group commit of 1 to 32 writers";

    /// <inheritdoc/>
    public override string Meaning =>
        "Every writer waits for its own durable put before the next. Ours are tasks that put into one page over one " +
        "connection, RocksDB's are threads, because its call blocks. Efficiency at c writers is rate(c) / (c × " +
        "rate(1)) in the same round; a ratio to a peer is our rate over theirs at the same number of writers.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var size = context.Sizes([10_000], [100_000], [1_000_000])[0];
        var entries = new EntryStream(size, seed: 1);
        var puts = context.Operations(4, 50, 100, 200);
        var stores = new List<KeyValueStore>();
        foreach (var contender in context.Contenders(Contender.RocksDb))
        {
            var store = await Contenders.OpenAsync(contender, context.NewDirectory("p2"), entries.CacheSizeBytes);
            await store.LoadAsync(entries, batchSize: 10_000);
            stores.Add(store);
        }

        Lane[] lanes =
        [
            .. Writers.SelectMany(writers => stores.Select(store => new Lane(
                LaneName(store.Name, writers),
                (meter, slice) => PutAsync(store, entries, meter, slice, writers, puts)))),
        ];
        var rounds = await Rounds.RunAsync($"N = {size:N0}", context.Rounds, 1, lanes, context.WarmUp / 4);
        context.Report.Add(rounds);
        foreach (var store in stores)
        {
            foreach (var writers in Writers.Skip(1))
            {
                double[] efficiency =
                [
                    .. rounds.RateRatios(LaneName(store.Name, writers), LaneName(store.Name, 1))
                        .Select(ratio => ratio / writers),
                ];
                var isOurs = store is LedgerContender;
                context.Report.Ratio(
                    $"efficiency of {store.Name} at {writers} writers", efficiency,
                    isOurs && writers == 8 ? "≥ 0.7" : Report.NoGoal, "");
            }

            await store.DisposeAsync();
        }

        if (stores.Count > 1)
        {
            foreach (var writers in Writers)
            {
                context.Report.Ratio(
                    $"durable puts of {writers} writers over RocksDB",
                    rounds.RateRatios(LaneName("Ledger", writers), LaneName("RocksDB", writers)),
                    writers == 16 ? "≥ 1.2" : Report.NoGoal);
            }
        }
    }

    private static string LaneName(string store, int writers) => $"{store}, {writers}";

    private static async Task PutAsync(
        KeyValueStore store, EntryStream entries, Meter meter, int slice, int writers, int putsOfEach)
    {
        var latencies = new double[writers][];
        meter.Start();
        await Task.WhenAll(Enumerable.Range(0, writers).Select(writer => store is LedgerContender
            ? Task.Run(() => WriteAsync(writer))
            : Task.Factory.StartNew(
                () => WriteAsync(writer).GetAwaiter().GetResult(), CancellationToken.None,
                TaskCreationOptions.LongRunning, TaskScheduler.Default)));
        meter.Stop(writers * putsOfEach);
        meter.AddLatencies(latencies.SelectMany(list => list));

        async Task WriteAsync(int writer)
        {
            var times = latencies[writer] = new double[putsOfEach];
            var indexes = entries.Uniform(putsOfEach, seed: (slice * 100) + writer);
            for (var i = 0; i < putsOfEach; i++)
            {
                var started = Stopwatch.GetTimestamp();
                await store.PutAsync(entries.Key(indexes[i]), entries.Value(indexes[i] + slice));
                times[i] = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
            }
        }
    }
}
