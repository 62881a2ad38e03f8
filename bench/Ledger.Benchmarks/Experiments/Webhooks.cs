using System.Diagnostics;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;
using Ledger.Conformance.Hooks;
using Ledger.Runtime;
using Ledger.Server.Hooks;
using Ledger.Streams;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P18, its hooks: deliveries in a second, append to POST, a dead endpoint, and what comes twice.</summary>
internal sealed class Webhooks : Experiment
{
    private const string WithDead = "50 hooks, one dead";
    private const string WithoutDead = "49 hooks";
    private const string One = "1 hook";
    private const string Plain = "plain posts";
    private const int Streams = 100;

    /// <inheritdoc/>
    public override string Name => "p18";

    /// <inheritdoc/>
    public override string Title => "P18, deliveries of hooks to a local endpoint";

    /// <inheritdoc/>
    public override string Meaning =>
        "Entries of 256 bytes are appended to a SQLite file, and every hook posts each of them, signed, to an " +
        "endpoint in this process, so that both share the two cores. A delivery is one entry that the endpoint took " +
        "from one " +
        "hook. 'Plain posts' are requests of one entry each by the same client without a store or a cursor. The time " +
        "from append to POST is from the acknowledgement of a single append to the first request.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var live = context.Pick(3, 49, 49, 49);
        await using var withDead = await HookBackend.StartAsync(context.NewDirectory("dead"), live, 1);
        await using var without = await HookBackend.StartAsync(context.NewDirectory("live"), live, 0);
        await using var one = await HookBackend.StartAsync(context.NewDirectory("one"), 1, 0);
        await MeasureRatesAsync(context, withDead, without, one, live);
        await MeasureDelaysAsync(context, withDead, without, one);
        await MeasureKillAsync(context);
    }

    private static async Task MeasureRatesAsync(
        Context context, HookBackend withDead, HookBackend without, HookBackend one, int live)
    {
        var each = context.Pick(1, 4, 8, 16);
        var alone = context.Operations(50, 1_000, 2_000, 4_000);
        using var sender = new PlainPosts(one.Endpoint.Url);
        var rounds = await Rounds.RunAsync(
            "deliveries", context.Rounds, context.Pick(1, 2, 4, 8),
            [
                new Lane(WithDead, (meter, _) => DeliverAsync(meter, withDead, Streams, each, live)),
                new Lane(WithoutDead, (meter, _) => DeliverAsync(meter, without, Streams, each, live)),
                new Lane(One, (meter, _) => DeliverAsync(meter, one, alone, 1, 1)),
                new Lane(Plain, (meter, _) => meter.MeasureAsync(alone, () => sender.SendAsync(alone))),
            ],
            context.WarmUp);
        context.Report.Add(rounds);
        foreach (var name in new[] { WithDead, One })
        {
            double[] rates = [.. rounds.Samples(name).Select(sample => sample.Rate)];
            context.Report.Ratio($"deliveries in a second, {name}", rates, "≥ 5,000", "/s");
        }

        context.Report.Ratio("50 hooks, one dead, over 49", rounds.RateRatios(WithDead, WithoutDead), "≥ 0.95");
        context.Report.Ratio("1 hook over plain posts", rounds.RateRatios(One, Plain), Report.Reported);
    }

    private static Task DeliverAsync(Meter meter, HookBackend backend, int streams, int count, int live) =>
        meter.MeasureAsync(
            (long)streams * count * live, () => backend.DeliverAsync(Enumerable.Range(0, streams), count));

    private static async Task MeasureDelaysAsync(
        Context context, HookBackend withDead, HookBackend without, HookBackend one)
    {
        var appends = context.Pick(2, 50, 100, 200);
        var rounds = await Rounds.RunAsync(
            "append to POST", context.Rounds, 1,
            [
                new Lane(WithDead, (meter, slice) => DelayAsync(meter, withDead, slice, appends)),
                new Lane(WithoutDead, (meter, slice) => DelayAsync(meter, without, slice, appends)),
                new Lane(One, (meter, slice) => DelayAsync(meter, one, slice, appends)),
            ],
            context.WarmUp);
        context.Report.Add(rounds);
        foreach (var name in new[] { WithDead, One })
        {
            var samples = rounds.Samples(name);
            double[] medians = [.. samples.Select(sample => sample.P50Us / 1_000)];
            double[] tails = [.. samples.Select(sample => sample.P99Us / 1_000)];
            context.Report.Ratio($"append to POST, p50, {name}", medians, "≤ 10", "ms");
            context.Report.Ratio($"append to POST, p99, {name}", tails, Report.Reported, "ms");
        }
    }

    private static async Task DelayAsync(Meter meter, HookBackend backend, int slice, int appends)
    {
        meter.Start();
        var times = new List<double>();
        for (var n = 0; n < appends; n++)
        {
            times.Add(await backend.DeliverAsync([slice + n], 1));
        }

        meter.Stop(appends);
        meter.AddLatencies(times);
    }

    /// <summary>A process that delivers is killed while it does, again and again.</summary>
    private static async Task MeasureKillAsync(Context context)
    {
        var kills = context.Pick(1, 3, 7, 20);
        var entries = context.Pick(200, 2_000, 2_000, 2_000);
        var directory = context.NewDirectory("kill");
        Directory.CreateDirectory(directory);
        var path = Path.Combine(directory, "streams.db");
        var (taken, appended) = (0L, 0L);
        var runtime = LedgerRuntime.CreateSystem();
        await using var endpoint = new HookEndpoint((request, _) =>
        {
            Interlocked.Add(ref taken, HookBackend.CountOf(request.Body));
            return new ValueTask<string?>("200");
        });
        await using var store = HookBackend.Open(path);
        await store.EnsureCreatedAsync();
        for (var kill = 0; kill <= kills; kill++)
        {
            using var child = Supervisor.Start(["child", "hooks", path, endpoint.Url.ToString()]);
            var before = Interlocked.Read(ref taken);
            await Parallel.ForAsync(0, entries, async (n, token) =>
                await store.AppendAsync($"s{n % Streams}", HookBackend.Entry(n), cancellationToken: token));
            appended += entries;
            while (kill < kills
                ? Interlocked.Read(ref taken) < before + (entries / 2)
                : (await store.ListConsumersAsync()) is not [{ Pending: 0, Position.Value: var done }]
                    || done < appended)
            {
                await runtime.Delay(TimeSpan.FromMilliseconds(20), CancellationToken.None);
            }

            child.Kill();
            await child.WaitForExitAsync();
        }

        var plan = new HookPlan();
        context.Report.Figure(
            $"entries that came twice after {kills} kills, for each", (taken - appended) / (double)kills,
            $"those of {plan.Concurrency} requests at most", "entries");
    }

    /// <summary>Requests of one entry each, as a hook makes them, sixteen at once.</summary>
    private sealed class PlainPosts(Uri url) : IDisposable
    {
        private readonly HookSender _sender = new(
            HookBackend.Hook("plain", url), new HookNetwork().CreateHandler(HookBackend.Hook("plain", url), 16),
            TimeProvider.System);

        public Task SendAsync(int count) => Parallel.ForAsync(
            0, count, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (n, token) =>
            {
                var answer = await _sender.SendAsync("plain", [], token);
                Debug.Assert(answer.Outcome == HookOutcome.Delivered, "The endpoint takes everything.");
            });

        public void Dispose() => _sender.Dispose();
    }
}
