using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;
using Ledger.Pages;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P14: opening beside the peers, after a clean close and after SIGKILL.</summary>
internal sealed class ColdOpens : Experiment
{
    private const string FirstGet = "first get ms";
    private const string Again = "again ms";
    private const string Resident = "peak RSS MiB";

    /// <inheritdoc/>
    public override string Name => "p14";

    /// <inheritdoc/>
    public override string Title => "P14, opening a store and its first get, after a clean close and after SIGKILL";

    /// <inheritdoc/>
    public override string Meaning =>
        "A new process for each opening, after the store's files were dropped from the system's cache. Time counts " +
        "from the program's first line, so the runtime's start is not in it, but compiling our code is; 'again' is a " +
        "second opening in the same process. For SIGKILL a process writes a journal (single buffered puts for " +
        "Ledger, durable transactions of 1,000 for the others) and kills itself; every round opens a copy. A " +
        "ratio is their " +
        "time over ours in the same round: above 1 we are faster.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var sizes = context.Sizes([10_000], [10_000, 100_000], [10_000, 100_000, 1_000_000]);
        foreach (var size in sizes)
        {
            context.Report.IsHeadline = size == sizes[^1];
            foreach (var journalEntries in (int[])[0, context.Operations(100, 10_000, 140_000, 560_000)])
            {
                await RunAsync(context, size, journalEntries);
            }
        }
    }

    private static async Task RunAsync(Context context, int size, int journalEntries)
    {
        var entries = new EntryStream(size, seed: 1);
        var lanes = new List<Lane>();
        foreach (var contender in context.Contenders(Contender.Sqlite, Contender.RocksDb, Contender.Lmdb))
        {
            var directory = context.NewDirectory("p14");
            await using (var store = await Contenders.OpenAsync(contender, directory, entries.CacheSizeBytes))
            {
                await store.LoadAsync(entries, batchSize: 10_000);
            }

            if (journalEntries > 0)
            {
                await ChildTasks.FillAndDieInChildAsync(contender, directory, journalEntries);
            }

            lanes.Add(new Lane(
                Contenders.NameOf(contender),
                (meter, round) => OpenAsync(context, contender, directory, entries.Key(round % size), meter)));
        }

        var state = journalEntries == 0 ? "clean" : $"killed with {journalEntries:N0} entries of journal";
        var what = $"N = {size:N0}, {state}";
        var rounds = await Rounds.RunAsync(what, context.Rounds, 1, lanes);
        context.Report.Add(rounds);
        context.Report.Ratio(
            $"cold open to first get, {what}", rounds.Figures("Ledger", FirstGet),
            journalEntries == 0 ? "≤ 30" : Report.NoGoal, "ms");
        context.Report.Ratio(
            $"the same again in the process, {what}", rounds.Figures("Ledger", Again), Report.Reported, "ms");
        if (journalEntries > 0)
        {
            var megabytes = journalEntries * (double)EntryStream.SizeBytes / 1e6;
            context.Report.Ratio(
                $"recovery of the journal's payload, {what}",
                [.. rounds.Figures("Ledger", FirstGet).Select(ms => megabytes / (ms / 1_000))], "≥ 200", "MB/s");
        }

        foreach (var peer in rounds.Names.Where(name => name != "Ledger"))
        {
            context.Report.Ratio(
                $"cold open, {what}, over {peer}",
                [.. rounds.Figures("Ledger", FirstGet)
                    .Zip(rounds.Figures(peer, FirstGet), (ours, theirs) => theirs / ours)],
                Report.Reported);
        }
    }

    private static async Task OpenAsync(
        Context context, Contender contender, string directory, ReadOnlyMemory<byte> key, Meter meter)
    {
        var copy = context.NewDirectory("copy");
        DirectorySize.Copy(directory, copy);
        DiskProbe.DropCache(copy);
        Opening? opening = null;
        await meter.MeasureAsync(1, async () =>
            opening = await ChildTasks.OpenInChildAsync(contender, copy, PageId.Root, key));
        Directory.Delete(copy, recursive: true);
        if (!opening!.IsFound)
        {
            throw new InvalidOperationException($"{contender} lost an entry.");
        }

        meter.Record("open ms", opening.OpenMs);
        meter.Record(FirstGet, opening.FirstGetMs);
        meter.Record(Again, opening.SecondOpenMs);
        meter.Record(Resident, opening.ResidentBytes / (double)(1 << 20));
    }
}
