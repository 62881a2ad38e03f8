using System.Diagnostics;
using System.Threading.Channels;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Stores;
using Ledger.Streams;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P17 without the wire: reads with a cursor beside plain selects, and how soon a subscriber hears.</summary>
internal sealed class StreamReads : Experiment
{
    private static readonly int[] Limits = [100, 1_000];

    /// <inheritdoc/>
    public override string Name => "p17";

    /// <inheritdoc/>
    public override string Title => "P17, reads of streams, through the library";

    /// <inheritdoc/>
    public override string Meaning =>
        "Pages of 100 and 1,000 entries of all streams after a cursor at random. 'Plain' selects the same rows of " +
        "the same table by the same index and looks at every column. Rates are entries in a second; a ratio is our " +
        "rate over theirs in the same round. The tail is the time from the end of an append to the subscriber, in " +
        "one process.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var sizes = context.Sizes([10_000], [10_000, 100_000], [10_000, 100_000, 1_000_000]);
        await MeasureAsync(
            context, sizes, directory => Task.FromResult<StreamBackend>(new SqliteStreamBackend(directory)), "≤ 5");
        if (context.Settings.Scale == Scale.Smoke || !PostgresStreamBackend.IsPresent)
        {
            context.Report.Say("PostgreSQL was not measured: it is started by tests/postgres.sh, and not for a smoke.");
            return;
        }

        await MeasureAsync(
            context, sizes, async directory => await PostgresStreamBackend.OpenAsync(directory), "≤ 15");
    }

    private static async Task MeasureAsync(
        Context context, IReadOnlyList<int> sizes, Func<string, Task<StreamBackend>> open, string tailGoal)
    {
        var points = new List<(double, double)>();
        var name = "";
        foreach (var size in sizes)
        {
            await using var backend = await open(context.NewDirectory("streams"));
            name = backend.Name;
            context.Report.IsHeadline = size == sizes[^1];
            await backend.LoadAsync(size);
            var pages = context.Operations(2, 20, 50, 100);
            Lane[] lanes =
            [
                .. Limits.SelectMany(limit => new[]
                {
                    new Lane($"Ledger, {limit}", (meter, slice) => ReadAsync(
                        meter, slice, size, limit, pages,
                        async after => await backend.Store.ReadAllAsync(new Position(after), limit).CountAsync())),
                    new Lane($"plain, {limit}", (meter, slice) => ReadAsync(
                        meter, slice, size, limit, pages, after => backend.SelectAsync(after, limit))),
                }),
            ];
            var title = $"{backend.Name}, N = {size:N0}";
            var rounds = await Rounds.RunAsync(title, context.Rounds, context.Pick(1, 2, 4, 4), lanes, context.WarmUp);
            context.Report.Add(rounds);
            foreach (var limit in Limits)
            {
                context.Report.Ratio(
                    $"{title}: pages of {limit:N0}", rounds.RateRatios($"Ledger, {limit}", $"plain, {limit}"), "≥ 0.7");
            }

            points.Add((size, rounds.MedianRate("Ledger, 100")));
            context.Report.Ratio(
                $"{title}: tail, median", [await TailMsAsync(backend.Store, context.Operations(3, 50, 200, 200))],
                tailGoal, "ms");
        }

        AddSlope(context, $"{name}, time of a page of 100 as the store grows", points, "≤ 0.05");
    }

    private static async Task ReadAsync(
        Meter meter, int slice, int size, int limit, int pages, Func<long, Task<int>> read)
    {
        var random = new Random(slice);
        var entries = 0L;
        meter.Start();
        for (var page = 0; page < pages; page++)
        {
            var started = Stopwatch.GetTimestamp();
            entries += await read(random.NextInt64(Math.Max(1, size - limit)));
            meter.AddLatency(started);
        }

        meter.Stop(entries);
    }

    private static async Task<double> TailMsAsync(IStreamStore store, int appends)
    {
        var end = await store.ReadAllAsync().Select(entry => entry.Position!.Value).LastAsync();
        using var enough = new CancellationTokenSource();
        var heard = Channel.CreateUnbounded<long>();
        var following = Task.Run(async () =>
        {
            try
            {
                await foreach (var _ in store.SubscribeAllAsync(end, cancellationToken: enough.Token))
                {
                    heard.Writer.TryWrite(Stopwatch.GetTimestamp());
                }
            }
            catch (OperationCanceledException)
            {
                // Enough was heard.
            }
        });
        await heard.Reader.ReadAsync();
        var times = new List<double>();
        for (var n = 0; n < appends; n++)
        {
            await store.AppendAsync("tail", new NewEntry(new byte[StreamBackend.PayloadBytes]));
            var appendedAt = Stopwatch.GetTimestamp();
            var heardAt = await heard.Reader.ReadAsync();
            times.Add(Stopwatch.GetElapsedTime(appendedAt, Math.Max(appendedAt, heardAt)).TotalMilliseconds);
        }

        enough.Cancel();
        await following;
        return Statistics.Median(times);
    }
}
