using System.Diagnostics;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P4: reading single keys.</summary>
internal sealed class Gets : Experiment
{
    private const int TimedOneByOne = 2_000;

    /// <inheritdoc/>
    public override string Name => "p4";

    /// <inheritdoc/>
    public override string Title => "P4, gets of random, zipf and missing keys, warm and cold";

    /// <inheritdoc/>
    public override string Meaning =>
        "Warm: every cache holds everything, after a first pass. 'Ledger' reads the page's newest state, 'Ledger " +
        "held' a snapshot that is kept open; 'LMDB' renews a reader for every get, 'LMDB held' keeps one. Nobody " +
        "copies the value; everybody looks at it. Cold: the store is opened after its files were dropped from " +
        "the system's " +
        "cache, and the first gets are timed with the opening. A ratio is our rate over theirs in the same round.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var points = new List<(double, double)>();
        var sizes = context.Sizes([10_000], [10_000, 100_000, 1_000_000], [10_000, 100_000, 1_000_000]);
        foreach (var size in sizes)
        {
            context.Report.IsHeadline = size == sizes[^1];
            var entries = new EntryStream(size, seed: 1);
            var contenders = context.Contenders(Contender.RocksDb, Contender.Lmdb, Contender.Sqlite);
            var directories = contenders.ToDictionary(contender => contender, _ => context.NewDirectory("p4"));
            foreach (var contender in contenders)
            {
                await using var store = await Contenders.OpenAsync(
                    contender, directories[contender], entries.CacheSizeBytes);
                await store.LoadAsync(entries, batchSize: 10_000);
                await store.CompactAsync();
            }

            points.Add((size, await RunWarmAsync(context, entries, directories)));
            await RunColdAsync(context, entries, directories);
            foreach (var directory in directories.Values)
            {
                Directory.Delete(directory, recursive: true);
            }
        }

        AddSlope(context, "time of a warm random get as N grows", points, "≤ log N");
    }

    private static async Task<double> RunWarmAsync(
        Context context, EntryStream entries, Dictionary<Contender, string> directories)
    {
        var readers = new List<(string Name, Func<ReadOnlyMemory<byte>, ValueTask<int>> Get)>();
        var stores = new List<KeyValueStore>();
        foreach (var (contender, directory) in directories)
        {
            var store = await Contenders.OpenAsync(contender, directory, entries.CacheSizeBytes);
            stores.Add(store);
            readers.Add((store.Name, store.GetAsync));
            if (store is LedgerContender ledger)
            {
                await ledger.HoldSnapshotAsync();
                readers.Add(("Ledger held", ledger.GetHeldAsync));
            }
            else if (store is LmdbContender lmdb)
            {
                readers.Add(("LMDB held", lmdb.GetHeldAsync));
            }

            await ReadAllAsync(store.GetAsync, entries);
        }

        var operations = context.Operations(100, 20_000, 100_000, 200_000);
        var missing = new EntryStream(Math.Min(entries.Count, 100_000), seed: 99);
        (string Name, EntryStream Keys, int[] Draws)[] kinds =
        [
            ("random", entries, entries.Uniform(operations, seed: 3)),
            ("zipf", entries, entries.Zipf(operations, seed: 4)),
            ("missing", missing, missing.Uniform(operations, seed: 5)),
        ];
        var rate = 0.0;
        foreach (var (kind, keys, draws) in kinds)
        {
            var rounds = await Rounds.RunAsync(
                $"Warm, {kind}, N = {entries.Count:N0}", context.Rounds, 1,
                [.. readers.Select(reader => new Lane(
                    reader.Name, (meter, _) => GetAsync(reader.Get, keys, draws, meter, kind != "missing")))],
                context.WarmUp);
            context.Report.Add(rounds);
            AddRatios(context, rounds, $"warm gets, {kind}, N = {entries.Count:N0}");
            rate = kind == "random" ? rounds.MedianRate("Ledger") : rate;
        }

        foreach (var store in stores)
        {
            await store.DisposeAsync();
        }

        return rate;
    }

    private static void AddRatios(Context context, Rounds rounds, string what)
    {
        foreach (var (ours, peer, goal) in ((string, string, string)[])
            [
                ("Ledger", "RocksDB", "≥ 2"), ("Ledger", "LMDB", "≥ 0.5"), ("Ledger", "SQLite", Report.Reported),
                ("Ledger held", "LMDB held", "≥ 0.5"),
            ])
        {
            if (rounds.Has(ours) && rounds.Has(peer))
            {
                context.Report.Ratio($"{what}, {ours} over {peer}", rounds.RateRatios(ours, peer), goal);
            }
        }

        if (rounds.Has("Ledger held"))
        {
            foreach (var name in (string[])["Ledger", "Ledger held"])
            {
                context.Report.Ratio(
                    $"{what}, allocated by {name} for each",
                    [.. rounds.Samples(name).Select(sample => sample.AllocatedBytes / (double)sample.Operations)],
                    "≤ 64", "bytes");
            }
        }
    }

    private static async Task ReadAllAsync(Func<ReadOnlyMemory<byte>, ValueTask<int>> get, EntryStream entries)
    {
        for (var i = 0; i < entries.Count; i++)
        {
            await get(entries.Key(i));
        }
    }

    private static async Task GetAsync(
        Func<ReadOnlyMemory<byte>, ValueTask<int>> get, EntryStream keys, int[] draws, Meter meter, bool areThere)
    {
        var found = 0;
        meter.Start();
        foreach (var index in draws)
        {
            if (await get(keys.Key(index)) >= 0)
            {
                found++;
            }
        }

        meter.Stop(draws.Length);
        if (found != (areThere ? draws.Length : 0))
        {
            throw new InvalidOperationException($"{found} of {draws.Length} keys were found.");
        }

        // Reading the clock costs as much as a tenth of a get: a part of its own.
        foreach (var index in draws.Take(TimedOneByOne))
        {
            var started = Stopwatch.GetTimestamp();
            await get(keys.Key(index));
            meter.AddLatency(started);
        }
    }

    private static async Task RunColdAsync(
        Context context, EntryStream entries, Dictionary<Contender, string> directories)
    {
        var draws = entries.Uniform(context.Pick(20, 500, 1_000, 1_000), seed: 6);
        var rounds = await Rounds.RunAsync(
            $"Cold, random, N = {entries.Count:N0}", context.Rounds, 1,
            [.. directories.Select(pair => new Lane(
                Contenders.NameOf(pair.Key),
                (meter, _) => GetColdAsync(pair.Key, pair.Value, entries, draws, meter)))]);
        context.Report.Add(rounds);
        foreach (var peer in rounds.Names.Where(name => name != "Ledger"))
        {
            context.Report.Ratio(
                $"first {draws.Length:N0} gets after a cold open, N = {entries.Count:N0}, over {peer}",
                rounds.RateRatios("Ledger", peer), Report.NoGoal);
        }
    }

    private static async Task GetColdAsync(
        Contender contender, string directory, EntryStream entries, int[] draws, Meter meter)
    {
        DiskProbe.DropCache(directory);
        meter.Start();
        await using var store = await Contenders.OpenAsync(contender, directory, entries.CacheSizeBytes);
        foreach (var index in draws)
        {
            var started = Stopwatch.GetTimestamp();
            await store.GetAsync(entries.Key(index));
            meter.AddLatency(started);
        }

        meter.Stop(draws.Length);
    }
}
