using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P13 without collection: what overwriting leaves on disk.</summary>
internal sealed class SpaceUsed : Experiment
{
    private const string OnDisk = "on disk / live";
    private const string Compacted = "compacted / live";
    private const string Written = "written / put bytes";

    /// <inheritdoc/>
    public override string Name => "p13";

    /// <inheritdoc/>
    public override string Title => "P13, bytes on disk over live bytes after overwriting every entry many times";

    /// <inheritdoc/>
    public override string Meaning =>
        "N entries, each overwritten, in durable transactions of 1,000; the store is closed and its files are added " +
        "up. Compacted means RocksDB's full compaction and SQLite's VACUUM. Ledger keeps every commit: the history " +
        "that the others do not have is in its number, and nothing collects it.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        foreach (var size in context.Sizes([1_000], [10_000], [100_000]))
        {
            var overwrites = context.Operations(2, 5, 20, 100);
            var entries = new EntryStream(size, seed: 1);
            Lane[] lanes =
            [
                .. context.Contenders(Contender.RocksDb, Contender.Lmdb, Contender.Sqlite).Select(contender =>
                    new Lane(
                        Contenders.NameOf(contender),
                        (meter, _) => OverwriteAsync(context, contender, entries, overwrites, meter))),
            ];
            var what = $"N = {size:N0}, {overwrites} times";
            var rounds = await Rounds.RunAsync(what, context.Pick(1, 1, 3, 3), 1, lanes);
            context.Report.Add(rounds);
            context.Report.Ratio($"on disk over live bytes, {what}", rounds.Figures("Ledger", OnDisk), Report.Reported);
            foreach (var peer in rounds.Names.Where(name => name != "Ledger"))
            {
                context.Report.Ratio(
                    $"on disk over live bytes, {what}, {peer}", rounds.Figures(peer, OnDisk), Report.Reported);
                context.Report.Ratio(
                    $"bytes on disk, {what}, over {peer} compacted",
                    [.. rounds.Figures("Ledger", OnDisk)
                        .Zip(rounds.Figures(peer, Compacted), (ours, theirs) => ours / theirs)],
                    peer == "RocksDB" ? "≤ 1.5 once history is collected" : Report.NoGoal);
            }
        }
    }

    private static async Task OverwriteAsync(
        Context context, Contender contender, EntryStream entries, int overwrites, Meter meter)
    {
        var directory = context.NewDirectory("p13");
        var writtenBefore = ProcessFigures.WriteBytes;
        await using (var store = await Contenders.OpenAsync(contender, directory, entries.CacheSizeBytes))
        {
            await meter.MeasureAsync((long)entries.Count * (overwrites + 1), async () =>
            {
                for (var pass = 0; pass <= overwrites; pass++)
                {
                    await store.LoadAsync(entries, valueSeed: pass * 1_009);
                }
            });
        }

        double live = entries.PayloadBytes;
        meter.Record(OnDisk, DirectorySize.Bytes(directory) / live);
        meter.Record(Written, (ProcessFigures.WriteBytes - writtenBefore) / (live * (overwrites + 1)));
        await using (var store = await Contenders.OpenAsync(contender, directory, entries.CacheSizeBytes))
        {
            await store.CompactAsync();
        }

        meter.Record(Compacted, DirectorySize.Bytes(directory) / live);
        Directory.Delete(directory, recursive: true);
    }
}
