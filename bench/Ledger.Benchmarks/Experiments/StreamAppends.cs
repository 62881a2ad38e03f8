using System.Diagnostics;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P16 without the wire: appends to streams beside plain inserts.</summary>
internal sealed class StreamAppends : Experiment
{
    private const int Callers = 32;

    /// <inheritdoc/>
    public override string Name => "p16";

    /// <inheritdoc/>
    public override string Title => "P16, appends to streams, through the library";

    /// <inheritdoc/>
    public override string Meaning =>
        "Entries of 256 bytes with an order key, to 10^5 streams by a law of Zipf. 'Plain' inserts rows into a table " +
        "with the same columns and indexes in the same database system with the same durability, and does nothing " +
        "else: no stream's end, no duplicates, no order of all. A single append is one entry, acknowledged when " +
        "it is durable; 32 callers each wait for their own. Rates are entries in a second; a ratio is our rate over " +
        "theirs in the same round.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var sizes = context.Sizes([10_000], [10_000, 100_000], [10_000, 100_000, 1_000_000]);
        await MeasureAsync(
            context, sizes, directory => Task.FromResult<StreamBackend>(new SqliteStreamBackend(directory)));
        if (context.Settings.Scale == Scale.Smoke || !PostgresStreamBackend.IsPresent)
        {
            context.Report.Say("PostgreSQL was not measured: it is started by tests/postgres.sh, and not for a smoke.");
            return;
        }

        await MeasureAsync(
            context, sizes, async directory => await PostgresStreamBackend.OpenAsync(directory));
    }

    private static async Task MeasureAsync(
        Context context, IReadOnlyList<int> sizes, Func<string, Task<StreamBackend>> open)
    {
        var points = new List<(double, double)>();
        var name = "";
        foreach (var size in sizes)
        {
            await using var backend = await open(context.NewDirectory("streams"));
            name = backend.Name;
            context.Report.IsHeadline = size == sizes[^1];
            await backend.LoadAsync(size);
            points.Add((size, await MeasureAsync(context, backend, size)));
        }

        AddSlope(context, $"{name}, time of a batch of 100 as the store grows", points, "≤ 0.05");
    }

    private static async Task<double> MeasureAsync(Context context, StreamBackend backend, int size)
    {
        var each = context.Operations(1, 8, 16, 32);
        List<Lane> lanes =
        [
            Ours("Ledger, single", 1, 1, 2 * each), Ours("Ledger, 32 callers", Callers, 1, each),
            Ours("Ledger, batches of 100", 1, 100, each / 4), Ours("Ledger, batches of 1,000", 1, 1_000, each / 16),
            Plain("plain, single", 1, 1, 2 * each), Plain("plain, batches of 100", 1, 100, each / 4),
            Plain("plain, batches of 1,000", 1, 1_000, each / 16),
        ];
        if (backend.HasConcurrentInserts)
        {
            lanes.Add(Plain("plain, 32 callers", Callers, 1, each));
        }

        var title = $"{backend.Name}, N = {size:N0}";
        var rounds = await Rounds.RunAsync(title, context.Rounds, context.Pick(1, 4, 8, 16), lanes, context.WarmUp);
        context.Report.Add(rounds);
        void Ratio(string what, string ours, string plain, string goal) => context.Report.Ratio(
            $"{title}: {what}", rounds.RateRatios($"Ledger, {ours}", $"plain, {plain}"), goal);
        var isPostgres = backend.HasConcurrentInserts;
        Ratio("single", "single", "single", isPostgres ? Report.Reported : "≥ 0.85");
        Ratio(
            $"32 callers over {(isPostgres ? "32 independent inserters" : "plain single")}", "32 callers",
            isPostgres ? "32 callers" : "single", isPostgres ? "≥ 1.5" : "≥ 3");
        Ratio("batches of 100", "batches of 100", "batches of 100", isPostgres ? "≥ 0.6" : "≥ 0.8");
        Ratio("batches of 1,000", "batches of 1,000", "batches of 1,000", isPostgres ? Report.Reported : "≥ 0.8");
        return rounds.MedianRate("Ledger, batches of 100");

        Lane Ours(string name, int callers, int batch, int appends) => new(
            name, (meter, slice) => RunAsync(meter, slice, callers, batch, appends, (_, streams) =>
                backend.AppendAsync(streams)));
        Lane Plain(string name, int callers, int batch, int appends) => new(
            name, (meter, slice) => RunAsync(meter, slice, callers, batch, appends, backend.InsertAsync));
    }

    private static async Task RunAsync(
        Meter meter, int slice, int callers, int batch, int appends, Func<int, int[], Task> append)
    {
        appends = Math.Max(1, appends);
        var work = Enumerable.Range(0, callers).Select(caller =>
        {
            var random = new Random((slice * 100) + caller);

            // A batch goes to one stream, as batches do.
            return Enumerable.Range(0, appends).Select(
                _ => Enumerable.Repeat(StreamBackend.Pick(random, 1)[0], batch).ToArray()).ToArray();
        }).ToArray();
        var latencies = new double[callers][];
        meter.Start();
        await Task.WhenAll(Enumerable.Range(0, callers).Select(caller => Task.Run(async () =>
        {
            var times = latencies[caller] = new double[appends];
            for (var n = 0; n < appends; n++)
            {
                var started = Stopwatch.GetTimestamp();
                await append(caller, work[caller][n]);
                times[n] = Stopwatch.GetElapsedTime(started).TotalMicroseconds;
            }
        })));
        meter.Stop((long)callers * appends * batch);
        meter.AddLatencies(latencies.SelectMany(times => times));
    }
}
