using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;
using Ledger.Commits;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P8: what changed between two commits.</summary>
internal sealed class Diffs : Experiment
{
    /// <inheritdoc/>
    public override string Name => "p8";

    /// <inheritdoc/>
    public override string Title => "P8, the difference of two commits";

    /// <inheritdoc/>
    public override string Meaning =>
        "d of N entries get another value, scattered over the keys or beside each other; the difference is then " +
        "enumerated, warm, with the entries before and after. Beside it: reading both whole snapshots, as a store " +
        "without a shared tree must, and SQLite's EXCEPT over two tables. A ratio is our rate over theirs in the " +
        "same round.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var byDifference = new Dictionary<int, List<(double, double)>>();
        var sizes = context.Sizes([1_000, 10_000], [10_000, 100_000, 1_000_000], [10_000, 100_000, 1_000_000]);
        foreach (var size in sizes)
        {
            context.Report.IsHeadline = size == sizes[^1];
            var entries = new EntryStream(size, seed: 1, KeyOrder.Sorted);
            await using var ledger = await LedgerContender.OpenAsync(
                context.NewDirectory("p8"), entries.CacheSizeBytes);
            await ledger.LoadAsync(entries, batchSize: 10_000);
            var bySize = new List<(double, double)>();
            foreach (var isScattered in (bool[])[true, false])
            {
                foreach (var changes in (int[])[0, 1, 10, 100, 1_000])
                {
                    if (changes > size)
                    {
                        continue;
                    }

                    var rate = await RunAsync(context, ledger, entries, changes, isScattered);
                    if (isScattered && changes > 0)
                    {
                        bySize.Add((changes, rate));
                        byDifference.TryAdd(changes, []);
                        byDifference[changes].Add((size, rate));
                    }
                }
            }

            AddSlope(context, $"time of a scattered diff as d grows, N = {size:N0}", bySize, "≤ 1.05");
        }

        foreach (var (changes, points) in byDifference)
        {
            AddSlope(context, $"time of a scattered diff of {changes:N0} as N grows", points, "≤ 0.15");
        }
    }

    private static async Task<double> RunAsync(
        Context context, LedgerContender ledger, EntryStream entries, int changes, bool isScattered)
    {
        var page = ledger.Page;
        CommitId before;
        await using (var snapshot = await page.GetSnapshotAsync())
        {
            before = snapshot.Commit.Id;
        }

        await using var transaction = await page.BeginTransactionAsync();
        for (var i = 0; i < changes; i++)
        {
            var index = isScattered ? (int)((long)i * entries.Count / changes) : (entries.Count / 2) + i;
            await transaction.PutAsync(entries.Key(index % entries.Count), entries.Value(Random.Shared.Next()));
        }

        var after = await transaction.CommitAsync();
        var repeat = Math.Max(1, context.Operations(2, 200, 500, 1_000) / Math.Max(1, changes));
        var shape = changes == 0 ? "equal" : isScattered ? "scattered" : "adjacent";
        var what = $"N = {entries.Count:N0}, d = {changes:N0}, {shape}";
        var lanes = new List<Lane>
        {
            new("Ledger", (meter, _) => DiffAsync(ledger, before, after, changes, repeat, meter)),
        };
        var comparesAll = changes == 1 && isScattered;
        SqliteContender? sqlite = null;
        if (comparesAll)
        {
            lanes.Add(new Lane("two whole scans", (meter, _) => ScanBothAsync(ledger, before, after, meter)));
            sqlite = await AddSqliteAsync(context, entries, lanes);
        }

        var rounds = await Rounds.RunAsync(what, context.Rounds, 1, lanes, context.WarmUp);
        context.Report.Add(rounds);
        context.Report.Ratio(
            $"diff, {what}", [.. rounds.Samples("Ledger").Select(sample => 1e6 / sample.Rate)],
            changes == 1 && isScattered ? "≤ 200 at 1,000,000" : Report.NoGoal, "µs");
        foreach (var peer in rounds.Names.Where(name => name != "Ledger"))
        {
            context.Report.Ratio($"diff, {what}, over {peer}", rounds.RateRatios("Ledger", peer), Report.Reported);
        }

        await (sqlite?.DisposeAsync() ?? default);
        return rounds.MedianRate("Ledger");
    }

    private static async Task DiffAsync(
        LedgerContender ledger, CommitId before, CommitId after, int expected, int repeat, Meter meter)
    {
        meter.Start();
        for (var i = 0; i < repeat; i++)
        {
            var count = 0;
            await foreach (var change in ledger.Page.DiffAsync(before, after))
            {
                count++;
            }

            if (count != expected)
            {
                throw new InvalidOperationException($"The difference has {count} entries and not {expected}.");
            }
        }

        meter.Stop(repeat);
    }

    private static async Task ScanBothAsync(LedgerContender ledger, CommitId before, CommitId after, Meter meter)
    {
        meter.Start();
        var count = 0L;
        foreach (var commit in (CommitId[])[before, after])
        {
            await using var snapshot = await ledger.Page.GetSnapshotAsync(Pages.AsOf.Commit(commit));
            await foreach (var entry in snapshot.GetEntriesAsync())
            {
                count += entry.Value!.Value.Span[0] >= 0 ? 1 : 0;
            }
        }

        meter.Stop(count > 0 ? 1 : 0);
    }

    private static async Task<SqliteContender?> AddSqliteAsync(Context context, EntryStream entries, List<Lane> lanes)
    {
        if (!context.Contenders(Contender.Sqlite).Contains(Contender.Sqlite))
        {
            return null;
        }

        var sqlite = new SqliteContender(context.NewDirectory("p8"), entries.CacheSizeBytes);
        await sqlite.LoadAsync(entries, batchSize: 10_000);
        sqlite.Execute("CREATE TABLE earlier(k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID");
        sqlite.Execute("INSERT INTO earlier SELECT k, v FROM kv");
        await sqlite.PutAsync(entries.Key(entries.Count / 2), entries.Value(entries.Count));
        lanes.Add(new Lane("SQLite EXCEPT", async (meter, _) =>
        {
            meter.Start();
            var count = sqlite.CountRows("SELECT k, v FROM kv EXCEPT SELECT k, v FROM earlier");
            meter.Stop(count);
            await Task.CompletedTask;
        }));
        return sqlite;
    }
}
