using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P1: one put is one durable commit.</summary>
internal sealed partial class SinglePuts : Experiment
{
    private const int Slices = 8;

    /// <inheritdoc/>
    public override string Name => "p1";

    /// <inheritdoc/>
    public override string Title => "P1, one put that is one durable commit, one writer";

    /// <inheritdoc/>
    public override string Meaning =>
        "Random keys of 16 bytes among N, values of 100 bytes; a put returns when it is on the medium. The " +
        "contenders take turns every few dozen puts. A ratio is our rate over theirs in the same round: above " +
        "1 we are faster. " +
        "The probe writes 4 KiB into a preallocated file and calls fdatasync: no durable put can be faster.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var points = new List<(double, double)>();
        var operations = context.Operations(5, 25, 50, 50);
        var sizes = context.Sizes([1_000, 10_000], [1_000, 10_000, 100_000], [10_000, 100_000, 1_000_000]);
        foreach (var size in sizes)
        {
            context.Report.IsHeadline = size == sizes[^1];
            var rounds = await RunAsync(context, size, operations);
            points.Add((size, rounds.MedianRate("Ledger")));
        }

        AddSlope(context, "time of a durable put as N grows", points, "≤ 0.15");
        if (context.Settings.Scale != Scale.Smoke)
        {
            await CountFlushesAsync(context);
        }
    }

    private static async Task<Rounds> RunAsync(Context context, int size, int operations)
    {
        var entries = new EntryStream(size, seed: 1);
        using var probe = new DiskProbe(context.NewDirectory("probe"));
        var stores = new List<KeyValueStore>();
        foreach (var contender in context.Contenders(Contender.RocksDb, Contender.Sqlite, Contender.Lmdb))
        {
            var store = await Contenders.OpenAsync(contender, context.NewDirectory("p1"), entries.CacheSizeBytes);
            await store.LoadAsync(entries, batchSize: 10_000);
            stores.Add(store);
        }

        var indexes = entries.Uniform(operations, seed: 2);
        Lane[] lanes =
        [
            .. stores.Select(store => new Lane(
                store.Name, (meter, slice) => PutAsync(store, entries, meter, slice, indexes))),
            new Lane("probe", (meter, _) => ProbeAsync(probe, meter, operations)),
        ];
        var rounds = await Rounds.RunAsync($"N = {size:N0}", context.Rounds, Slices, lanes, context.WarmUp);
        context.Report.Add(rounds);
        foreach (var peer in rounds.Names.Where(name => name != "Ledger"))
        {
            context.Report.Ratio(
                $"durable puts, N = {size:N0}, over {peer}", rounds.RateRatios("Ledger", peer),
                peer switch { "probe" => "≥ 0.8", "RocksDB" => "≥ 1.2", "SQLite" => "≥ 1.0", _ => Report.Reported });
        }

        context.Report.Ratio(
            $"our flushes for each put, N = {size:N0}", rounds.Figures("Ledger", "flushes/op"), "1.0", "flushes");
        foreach (var store in stores)
        {
            context.Report.Say($"{store.Name}: {store.Settings}.");
            await store.DisposeAsync();
        }

        return rounds;
    }

    private static async Task PutAsync(
        KeyValueStore store, EntryStream entries, Meter meter, int slice, int[] indexes)
    {
        var ledger = store as LedgerContender;
        var flushes = ledger?.Files.Flushes;
        meter.Start();
        foreach (var index in indexes)
        {
            var started = Stopwatch.GetTimestamp();
            await store.PutAsync(entries.Key((index + (slice * 7919)) % entries.Count), entries.Value(index + slice));
            meter.AddLatency(started);
        }

        meter.Stop(indexes.Length);
        if (ledger is not null)
        {
            meter.Record("flushes/op", (ledger.Files.Flushes - flushes!.Value) / (double)indexes.Length);
        }
    }

    private static Task ProbeAsync(DiskProbe probe, Meter meter, int operations)
    {
        meter.Start();
        for (var i = 0; i < operations; i++)
        {
            var started = Stopwatch.GetTimestamp();
            probe.WriteAndFlush();
            meter.AddLatency(started);
        }

        meter.Stop(operations);
        return Task.CompletedTask;
    }

    /// <summary>Counts system calls of durable puts: what options promise is not believed.</summary>
    private static async Task CountFlushesAsync(Context context)
    {
        const int Puts = 200;
        var rows = new List<IReadOnlyList<string>>();
        foreach (var contender in context.Contenders(Contender.RocksDb, Contender.Sqlite, Contender.Lmdb))
        {
            var without = await CountFlushesAsync(context, contender, 0);
            var with = await CountFlushesAsync(context, contender, Puts);
            if (without is null || with is null)
            {
                context.Report.Say(
                    "The peers' flushes were not counted: strace is not here; it is in the Debian package strace.");
                return;
            }

            rows.Add(
            [
                Contenders.NameOf(contender),
                ((with.Value - without.Value) / (double)Puts).ToString("F2", CultureInfo.InvariantCulture),
            ]);
        }

        context.Report.Heading("Flushes counted by the kernel");
        context.Report.Say(
            $"fsync, fdatasync and msync for each of {Puts} puts, counted by strace, without those of opening and " +
            "closing. LMDB writes its meta page through a descriptor opened with O_DSYNC: a second flush that is not " +
            "in the number.");
        context.Report.Table(["contender", "flushes/put"], rows);
    }

    private static async Task<long?> CountFlushesAsync(Context context, Contender contender, int puts)
    {
        var log = context.NewDirectory("strace");
        var start = new ProcessStartInfo("strace") { RedirectStandardOutput = true };
        foreach (var argument in (string[])
            [
                "-f", "-qq", "-o", log, "-e", "trace=fsync,fdatasync,msync", "dotnet",
                typeof(SinglePuts).Assembly.Location, "child", "put", contender.ToString(),
                context.NewDirectory("counted"), puts.ToString(CultureInfo.InvariantCulture),
            ])
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using var process = Process.Start(start)!;
            await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? Flush().Count(await File.ReadAllTextAsync(log)) : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    [GeneratedRegex(@"^\d+\s+(fsync|fdatasync|msync)\(", RegexOptions.Multiline)]
    private static partial Regex Flush();
}
