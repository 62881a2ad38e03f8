using System.Diagnostics;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;
using Ledger.Objects;
using Ledger.Pages;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P7 in process: snapshots of an idle page, and how soon watchers hear of a put.</summary>
internal sealed class SnapshotsAndWatches : Experiment
{
    /// <inheritdoc/>
    public override string Name => "p7";

    /// <inheritdoc/>
    public override string Title => "P7, opening snapshots, put to watchers, and the put rate beside watchers";

    /// <inheritdoc/>
    public override string Meaning =>
        "Snapshots: opening and releasing one of an idle page while 0, 1, 100 and 10,000 others are held; LMDB " +
        "begins and ends a reader. Watchers: puts are buffered, and the next one begins when every watcher " +
        "has the last " +
        "change; the time is from the call of the put to the watcher's continuation, over all watchers. The put " +
        "rate with 100 watchers is over that without any, durable, in the same round.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var points = new List<(double, double)>();
        var sizes = context.Sizes([1_000, 10_000], [1_000, 10_000, 100_000], [10_000, 100_000, 1_000_000]);
        foreach (var size in sizes)
        {
            context.Report.IsHeadline = size == sizes[^1];
            points.Add((size, await RunSnapshotsAsync(context, size)));
        }

        AddSlope(context, "time to open a snapshot as N grows", points, "≤ 0.05");
        await RunWatchersAsync(context);
        await RunPutsBesideWatchersAsync(context);
    }

    private static async Task<double> RunSnapshotsAsync(Context context, int size)
    {
        var entries = new EntryStream(size, seed: 1);
        await using var ledger = await LedgerContender.OpenAsync(context.NewDirectory("p7"), entries.CacheSizeBytes);
        await ledger.LoadAsync(entries, batchSize: 10_000);
        await using var lmdb = context.Contenders(Contender.Lmdb).Count > 1
            ? new LmdbContender(context.NewDirectory("p7"))
            : null;
        var opens = context.Operations(20, 20_000, 50_000, 100_000);
        var rate = 0.0;
        foreach (var held in (int[])[0, 1, 100, context.Pick(200, 10_000, 10_000, 10_000)])
        {
            var snapshots = new List<IPageSnapshot>();
            var readers = new List<nint>();
            for (var i = 0; i < held; i++)
            {
                snapshots.Add(await ledger.Page.GetSnapshotAsync());
                readers.Add(lmdb?.BeginRead() ?? 0);
            }

            var lanes = new List<Lane> { new("Ledger", (meter, _) => OpenSnapshotsAsync(ledger.Page, opens, meter)) };
            if (lmdb is not null)
            {
                lanes.Add(new Lane("LMDB", (meter, _) => OpenReaders(lmdb, opens, meter)));
            }

            var what = $"N = {size:N0}, {held:N0} held";
            var rounds = await Rounds.RunAsync($"Snapshots, {what}", context.Rounds, 1, lanes, context.WarmUp);
            context.Report.Add(rounds);
            context.Report.Ratio(
                $"opening a snapshot, {what}", [.. rounds.Samples("Ledger").Select(sample => 1e9 / sample.Rate)],
                "≤ 1,000", "ns");
            rate = held == 0 ? rounds.MedianRate("Ledger") : rate;
            foreach (var snapshot in snapshots)
            {
                await snapshot.DisposeAsync();
            }

            readers.Where(reader => reader != 0).ToList().ForEach(LmdbContender.EndRead);
        }

        return rate;
    }

    private static async Task OpenSnapshotsAsync(IPage page, int count, Meter meter)
    {
        meter.Start();
        for (var i = 0; i < count; i++)
        {
            var snapshot = await page.GetSnapshotAsync();
            await snapshot.DisposeAsync();
        }

        meter.Stop(count);
    }

    private static Task OpenReaders(LmdbContender lmdb, int count, Meter meter)
    {
        meter.Start();
        for (var i = 0; i < count; i++)
        {
            LmdbContender.EndRead(lmdb.BeginRead());
        }

        meter.Stop(count);
        return Task.CompletedTask;
    }

    private static async Task RunWatchersAsync(Context context)
    {
        var entries = new EntryStream(1_000, seed: 1);
        foreach (var watchers in context.Pick<int[]>([1, 5], [1, 100], [1, 100, 1_000], [1, 100, 1_000]))
        {
            await using var ledger = await LedgerContender.OpenAsync(
                context.NewDirectory("p7"), entries.CacheSizeBytes, Durability.Buffered);
            await ledger.LoadAsync(entries);
            await using var audience = await Audience.GatherAsync(ledger.Page, watchers);
            var puts = Math.Max(3, context.Operations(5, 1_000, 2_000, 5_000) / (1 + (watchers / 10)));
            var rounds = await Rounds.RunAsync(
                $"Put to {watchers:N0} watchers", context.Rounds, 1,
                [new Lane("Ledger", (meter, _) => PutAsync(ledger, audience, entries, puts, meter))], context.WarmUp);
            context.Report.Add(rounds);
            var samples = rounds.Samples("Ledger");
            context.Report.Ratio(
                $"buffered put to {watchers:N0} watchers, p50", [.. samples.Select(sample => sample.P50Us)],
                watchers == 1 ? "≤ 20" : "linear in watchers", "µs");
            context.Report.Ratio(
                $"buffered put to {watchers:N0} watchers, p99", [.. samples.Select(sample => sample.P99Us)],
                Report.NoGoal, "µs");
        }
    }

    private static async Task PutAsync(
        LedgerContender ledger, Audience audience, EntryStream entries, int puts, Meter meter)
    {
        meter.Start();
        for (var i = 0; i < puts; i++)
        {
            audience.Expect();
            await ledger.PutAsync(entries.Key(i % entries.Count), entries.Value(Random.Shared.Next()));
            await audience.AllHaveIt;
        }

        meter.Stop(puts);
        meter.AddLatencies(audience.TakeLatencies());
    }

    private static async Task RunPutsBesideWatchersAsync(Context context)
    {
        var entries = new EntryStream(1_000, seed: 1);
        await using var alone = await LedgerContender.OpenAsync(context.NewDirectory("p7"), entries.CacheSizeBytes);
        await using var watched = await LedgerContender.OpenAsync(context.NewDirectory("p7"), entries.CacheSizeBytes);
        await alone.LoadAsync(entries);
        await watched.LoadAsync(entries);
        await using var audience = await Audience.GatherAsync(watched.Page, context.Pick(3, 100, 100, 100));
        var puts = context.Operations(5, 25, 50, 100);
        var rounds = await Rounds.RunAsync(
            "Durable puts beside 100 watchers", context.Rounds, context.Pick(1, 8, 8, 8),
            [
                new Lane("without watchers", (meter, slice) => PutRunAsync(alone, slice, meter)),
                new Lane("with watchers", (meter, slice) => PutRunAsync(watched, slice, meter)),
            ],
            context.WarmUp);
        context.Report.Add(rounds);
        context.Report.Ratio(
            "durable puts with 100 watchers over without", rounds.RateRatios("with watchers", "without watchers"),
            "≥ 0.8");

        async Task PutRunAsync(LedgerContender store, int slice, Meter meter)
        {
            meter.Start();
            for (var i = 0; i < puts; i++)
            {
                var started = Stopwatch.GetTimestamp();
                await store.PutAsync(entries.Key(i), entries.Value((slice * puts) + i));
                meter.AddLatency(started);
            }

            meter.Stop(puts);
        }
    }

    /// <summary>Watchers of one page, each with a connection of its own kind: they share the writer's.</summary>
    private sealed class Audience : IAsyncDisposable
    {
        private readonly List<IPageWatch> _watches = [];
        private readonly List<Task> _listeners = [];
        private readonly CancellationTokenSource _end = new();
        private readonly Lock _lock = new();
        private readonly List<double> _latencies = [];
        private TaskCompletionSource _all = new();
        private long _startedAt;
        private int _missing;

        /// <summary>Completes when every watcher has the change that is expected.</summary>
        public Task AllHaveIt => _all.Task;

        /// <summary>Begins to watch.</summary>
        public static async Task<Audience> GatherAsync(IPage page, int count)
        {
            var audience = new Audience();
            for (var i = 0; i < count; i++)
            {
                var watch = await page.WatchAsync();
                audience._watches.Add(watch);
                audience._listeners.Add(audience.ListenAsync(watch));
            }

            return audience;
        }

        /// <summary>Starts the clock of the next change.</summary>
        public void Expect()
        {
            lock (_lock)
            {
                _all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _missing = _watches.Count;
                _startedAt = Stopwatch.GetTimestamp();
            }
        }

        /// <summary>The times since the last call.</summary>
        public double[] TakeLatencies()
        {
            lock (_lock)
            {
                double[] taken = [.. _latencies];
                _latencies.Clear();
                return taken;
            }
        }

        /// <inheritdoc/>
        public async ValueTask DisposeAsync()
        {
            await _end.CancelAsync();
            await Task.WhenAll(_listeners);
            foreach (var watch in _watches)
            {
                await watch.DisposeAsync();
            }

            _end.Dispose();
        }

        private async Task ListenAsync(IPageWatch watch)
        {
            try
            {
                await foreach (var change in watch.ChangesAsync(_end.Token))
                {
                    Hear();
                }
            }
            catch (OperationCanceledException)
            {
                // The audience goes home.
            }
        }

        private void Hear()
        {
            var now = Stopwatch.GetTimestamp();
            lock (_lock)
            {
                _latencies.Add(Stopwatch.GetElapsedTime(_startedAt, now).TotalMicroseconds);
                if (--_missing == 0)
                {
                    _all.SetResult();
                }
            }
        }
    }
}
