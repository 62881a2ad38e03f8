using System.Diagnostics;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Stores;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Merging;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P8's second half: merging two heads.</summary>
internal sealed class Merges : Experiment
{
    private const int Changes = 1_000;

    /// <inheritdoc/>
    public override string Name => "p8m";

    /// <inheritdoc/>
    public override string Title => "P8, merging two heads that have 1,000 changes each";

    /// <inheritdoc/>
    public override string Meaning =>
        "Two connections change 1,000 scattered keys of N each, none of them the same, in one commit or in 1,000; " +
        "then " +
        "the two heads are merged by the newest writer of each key, warm and buffered. Time is that of the merge " +
        "alone, until the merge commit is the head.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var bySize = new Dictionary<int, List<(double, double)>> { [1] = [], [Changes] = [] };
        foreach (var size in context.Sizes([10_000], [10_000, 100_000, 1_000_000], [10_000, 100_000, 1_000_000]))
        {
            context.Report.IsHeadline = size >= 1_000_000;
            var entries = new EntryStream(size, seed: 1, KeyOrder.Sorted);
            await using var ledger = await LedgerContender.OpenAsync(
                context.NewDirectory("p8m"), entries.CacheSizeBytes, Durability.Buffered);
            await ledger.LoadAsync(entries, batchSize: 10_000);
            ledger.Ledger.SetConflictResolver(PageId.Root, MergePolicy.None);
            foreach (var (commits, goal) in ((int, string)[])[(1, "≤ 20"), (Changes, "≤ 60")])
            {
                bySize[commits].Add((size, await RunAsync(context, ledger, entries, commits, goal)));
            }
        }

        foreach (var (commits, points) in bySize)
        {
            AddSlope(context, $"time of a merge of {commits:N0} commits a side as N grows", points, "≤ 0.15");
        }
    }

    private static async Task<double> RunAsync(
        Context context, LedgerContender ledger, EntryStream entries, int commits, string goal)
    {
        var changes = Math.Min(Changes, entries.Count / 2);
        commits = Math.Min(commits, changes);
        var merges = context.Operations(1, 3, 5, 20);
        var what = $"{commits:N0} commits a side, N = {entries.Count:N0}";
        var rounds = await Rounds.RunAsync(
            what, context.Rounds, 1,
            [new Lane("Ledger", (meter, _) => MergeAsync(ledger, entries, changes, commits, merges, meter))],
            context.WarmUp);
        context.Report.Add(rounds);
        context.Report.Ratio(
            $"merge, {what}, p50", [.. rounds.Samples("Ledger").Select(sample => sample.P50Us / 1_000)], goal, "ms");
        return rounds.MedianRate("Ledger");
    }

    private static async Task MergeAsync(
        LedgerContender ledger, EntryStream entries, int changes, int commits, int merges, Meter meter)
    {
        for (var merge = 0; merge < merges; merge++)
        {
            await using var other = await ledger.Ledger.GetPageAsync(PageId.Root);
            await DivergeAsync(ledger.Page, other, entries, changes, commits);
            meter.Start();
            var started = Stopwatch.GetTimestamp();
            await ledger.Page.MergeHeadsAsync();
            meter.AddLatency(started);
            meter.Stop(1);
            var heads = await ledger.Page.GetHeadsAsync();
            if (heads.Count != 1)
            {
                throw new InvalidOperationException($"After the merge the page has {heads.Count} heads.");
            }
        }
    }

    private static async Task DivergeAsync(IPage left, IPage right, EntryStream entries, int changes, int commits)
    {
        // Both begin before either commits: so the second one makes a head of its own.
        var mine = await left.BeginTransactionAsync();
        var theirs = await right.BeginTransactionAsync();
        await CommitAsync(left, mine, entries, 0, changes, commits);
        await CommitAsync(right, theirs, entries, 1, changes, commits);
    }

    private static async Task CommitAsync(
        IPage page, ITransaction first, EntryStream entries, int side, int changes, int commits)
    {
        var transaction = first;
        for (var commit = 0; commit < commits; commit++)
        {
            for (var i = commit * changes / commits; i < (commit + 1) * changes / commits; i++)
            {
                var index = (int)(((2L * i) + side) * entries.Count / (2L * changes));
                await transaction.PutAsync(entries.Key(index), entries.Value(Random.Shared.Next()));
            }

            await transaction.CommitAsync();
            await transaction.DisposeAsync();
            transaction = commit + 1 < commits ? await page.BeginTransactionAsync() : transaction;
        }
    }
}
