using System.Globalization;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Stores;
using Ledger.Pages;

namespace Ledger.Benchmarks.Experiments;

/// <summary>Many short-lived processes that each put one key.</summary>
internal sealed class ShortProcesses : Experiment
{
    /// <inheritdoc/>
    public override string Name => "processes";

    /// <inheritdoc/>
    public override string Title => "Short-lived processes that each put one key: the store they leave";

    /// <inheritdoc/>
    public override string Meaning =>
        "Each opens the repository, puts one durable key of 16 bytes with a value of 100, and closes it. Most of " +
        "them are openings in one process, because the store cannot tell them from processes; some are " +
        "processes. At four " +
        "points along the way the store is looked at: its bytes for each put, its files, and the time of a cold open " +
        "to the first get in a new process.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var openings = context.Operations(8, 400, 4_000, 100_000);
        var processes = context.Pick(2, 20, 100, 1_000);
        var directory = context.NewDirectory("processes");
        var rows = new List<IReadOnlyList<string>>();
        var done = 0;
        for (var quarter = 1; quarter <= 4; quarter++)
        {
            var rounds = await Rounds.RunAsync($"Puts {done:N0} to {done + (openings / 4):N0}", 1, 1,
            [
                new Lane("open, put, close", async (meter, _) =>
                {
                    meter.Start();
                    for (var i = 0; i < openings / 4; i++)
                    {
                        await ChildTasks.PutOneAsync(directory, ++done);
                    }

                    meter.Stop(openings / 4);
                }),
            ]);
            await LookAsync(context, directory, done, quarter == 4, rounds.MedianRate("open, put, close"), rows);
        }

        var process = await Rounds.RunAsync($"{processes:N0} processes", 1, 1,
        [
            new Lane("processes", async (meter, _) =>
            {
                meter.Start();
                for (var i = 0; i < processes; i++)
                {
                    using var child = Supervisor.Start(
                        ["child", "put-one", directory, (++done).ToString(CultureInfo.InvariantCulture)]);
                    await child.WaitForExitAsync();
                }

                meter.Stop(processes);
            }),
        ]);
        await LookAsync(context, directory, done, isLast: false, process.MedianRate("processes"), rows);
        context.Report.Heading("The store along the way");
        context.Report.Table(
            ["puts", "bytes on disk", "bytes/put", "files", "open to first get ms", "bytes read at open",
                "puts/s before it"],
            rows);
    }

    private static async Task LookAsync(
        Context context, string directory, int done, bool isLast, double rate, List<IReadOnlyList<string>> rows)
    {
        var bytes = DirectorySize.Bytes(directory);
        var files = DirectorySize.Files(directory);
        DiskProbe.DropCache(directory);
        var opening = await ChildTasks.OpenInChildAsync(
            Contender.Ledger, directory, PageId.Root, new EntryStream(1, seed: 1).Key(0));
        rows.Add(
        [
            done.ToString("N0", CultureInfo.InvariantCulture), bytes.ToString("N0", CultureInfo.InvariantCulture),
            Reporting.Report.Number(bytes / (double)done), files.ToString(CultureInfo.InvariantCulture),
            Reporting.Report.Number(opening.FirstGetMs),
            opening.BytesRead.ToString("N0", CultureInfo.InvariantCulture), Reporting.Report.Number(rate),
        ]);
        if (isLast)
        {
            context.Report.Figure($"store of {done:N0} one-put openings, files", files, "few", "files");
            context.Report.Figure(
                $"store of {done:N0} one-put openings, on disk for each put", bytes / (double)done, "small", "bytes");
            context.Report.Figure(
                $"store of {done:N0} one-put openings, open to first get", opening.FirstGetMs, "≤ 30", "ms");
        }
    }
}
