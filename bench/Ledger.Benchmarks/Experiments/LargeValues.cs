using System.Buffers.Binary;
using System.Globalization;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Reporting;
using Ledger.Benchmarks.Stores;
using Ledger.Objects;

namespace Ledger.Benchmarks.Experiments;

/// <summary>P9: values of many megabytes, beside restic.</summary>
internal sealed class LargeValues : Experiment
{
    private const string Stored = "stored bytes";
    private const string PeakMiB = "peak RSS MiB";
    private const int VersionsMax = 20;
    private static readonly byte[] Key = "value"u8.ToArray();

    /// <inheritdoc/>
    public override string Name => "p9";

    /// <inheritdoc/>
    public override string Title => "P9, large values: in, out, one byte inserted at the front, versions of a tree";

    /// <inheritdoc/>
    public override string Meaning =>
        "A file of random bytes is streamed into a value and flushed, then read back. restic backs the same file up " +
        "into a local repository without compression, as a process; what it takes for an empty file is its own row. " +
        "The probe copies the file and flushes the copy. Stored bytes are what went through our disk seam, and the " +
        "growth of restic's repository. The versions are `git archive` of this repository's last commits, as tar. " +
        "Rates are bytes per second; a ratio is our rate over theirs in the same round.";

    /// <inheritdoc/>
    public override async Task RunAsync(Context context)
    {
        var hasRestic = await Restic.IsPresentAsync(context);
        var sizes = context.Settings.Entries ??
            context.Pick<int[]>([100_000], [1_000_000, 16_000_000], [1_000_000, 128_000_000],
                [1_000_000, 100_000_000, 1 << 30]);
        foreach (var size in sizes)
        {
            context.Report.IsHeadline = size == sizes[^1];
            await RunAsync(context, size, hasRestic);
        }

        await RunVersionsAsync(context, hasRestic);
    }

    private static async Task RunAsync(Context context, int size, bool hasRestic)
    {
        var directory = context.NewDirectory("p9");
        Directory.CreateDirectory(directory);
        var source = Path.Combine(directory, "source");
        var edited = Path.Combine(directory, "edited");
        var lanes = new List<Lane>
        {
            new("Ledger", (meter, round) => IngestAsync(context, source, edited, size, meter)),
            new("probe", (meter, _) => meter.MeasureAsync(size, () =>
            {
                var target = context.NewDirectory("copy");
                DiskProbe.CopyAndFlush(source, target);
                File.Delete(target);
                return Task.CompletedTask;
            })),
        };
        if (hasRestic)
        {
            lanes.Add(new Lane("restic", (meter, _) => Restic.BackUpAsync(context, source, size, meter)));
            lanes.Add(new Lane("restic, empty file", (meter, _) => Restic.BackUpAsync(context, null, size, meter)));
        }

        FillFile(source, size, seed: (ulong)size);
        await using (var prefix = File.Create(edited))
        {
            prefix.WriteByte(7);
            await using var rest = File.OpenRead(source);
            await rest.CopyToAsync(prefix);
        }

        var what = $"{size:N0} bytes";
        var rounds = await Rounds.RunAsync($"Values of {what}", context.Rounds, 1, lanes, context.WarmUp / 4);
        context.Report.Add(rounds);
        foreach (var peer in rounds.Names.Where(name => name is "probe" or "restic"))
        {
            context.Report.Ratio(
                $"value in, {what}, over {peer}", rounds.RateRatios("Ledger", peer),
                peer == "restic" ? "≥ 1.5" : "≥ 0.8 where the disk is the bound");
        }

        if (rounds.Has("restic"))
        {
            context.Report.Ratio(
                $"value in, {what}, over restic without its start",
                [.. rounds.Samples("Ledger").Select((sample, i) => sample.Rate * Math.Max(
                    0, rounds.Samples("restic")[i].Seconds - rounds.Samples("restic, empty file")[i].Seconds) / size)],
                Report.NoGoal);
        }

        context.Report.Ratio($"value out, {what}", rounds.Figures("Ledger", "out GB/s"), "≥ 1 warm", "GB/s");
        context.Report.Ratio(
            $"one byte at the front, {what}: stored in mean chunks", rounds.Figures("Ledger", "edit chunks"),
            "≤ 3", "chunks");
        context.Report.Ratio($"peak memory, {what}", rounds.Figures("Ledger", PeakMiB), "≤ 64", "MiB");
        Directory.Delete(directory, recursive: true);
    }

    private static async Task IngestAsync(Context context, string source, string edited, long size, Meter meter)
    {
        // docs/formats/values.md: the mean for random content.
        const double MeanChunkBytes = 72 * 1024;
        var directory = context.NewDirectory("store");
        await using (var ledger = await LedgerContender.OpenAsync(directory, 64L << 20, Durability.Flushed))
        {
            GC.Collect();
            ProcessFigures.ResetPeak();
            var before = ledger.Files.BytesWritten;
            await meter.MeasureAsync(size, () => PutFileAsync(ledger, source, Key));
            meter.Record(Stored, ledger.Files.BytesWritten - before);
            var reading = System.Diagnostics.Stopwatch.GetTimestamp();
            var read = await ReadAsync(ledger, Key);
            var seconds = System.Diagnostics.Stopwatch.GetElapsedTime(reading).TotalSeconds;
            meter.Record("out GB/s", read / seconds / 1e9);
            meter.Record(PeakMiB, ProcessFigures.PeakResidentBytes / (double)(1 << 20));
            before = ledger.Files.BytesWritten;
            await PutFileAsync(ledger, edited, "edited"u8.ToArray());
            meter.Record("edit chunks", (ledger.Files.BytesWritten - before) / MeanChunkBytes);
            if (read != size)
            {
                throw new InvalidOperationException($"{read} of {size} bytes came back.");
            }
        }

        Directory.Delete(directory, recursive: true);
    }

    private static async Task PutFileAsync(LedgerContender ledger, string path, byte[] key)
    {
        await using var content = File.OpenRead(path);
        var reference = await ledger.Page.CreateReferenceAsync(content, content.Length);
        await ledger.Page.PutReferenceAsync(key, reference);
    }

    private static async Task<long> ReadAsync(LedgerContender ledger, byte[] key)
    {
        await using var snapshot = await ledger.Page.GetSnapshotAsync();
        await using var stream = await snapshot.OpenReadAsync(key)
            ?? throw new InvalidOperationException("The value is not there.");
        var buffer = new byte[1 << 20];
        var total = 0L;
        int read;
        while ((read = await stream.ReadAsync(buffer)) > 0)
        {
            total += read;
        }

        return total;
    }

    private static async Task RunVersionsAsync(Context context, bool hasRestic)
    {
        var count = context.Pick(2, 5, VersionsMax, VersionsMax).ToString(CultureInfo.InvariantCulture);
        var commits = (await Machine.GitAsync("log", "--format=%H", "-n", count))
            ?.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        if (commits is null || commits.Length < 2)
        {
            context.Report.Say("No versions of a source tree: git or this repository's history is not here.");
            return;
        }

        var directory = context.NewDirectory("versions");
        Directory.CreateDirectory(directory);
        await using var ledger = await LedgerContender.OpenAsync(context.NewDirectory("store"), 64L << 20);
        var repository = hasRestic ? await Restic.CreateAsync(context) : null;
        var (total, before) = (0L, ledger.Files.BytesWritten);
        var theirsBefore = repository is null ? 0 : DirectorySize.Bytes(repository);
        foreach (var (commit, index) in commits.Reverse().Select((commit, index) => (commit, index)))
        {
            var tar = Path.GetFullPath(Path.Combine(directory, $"{index}.tar"));
            if (await Machine.GitAsync("archive", "--format=tar", "-o", tar, commit) is null)
            {
                context.Report.Say($"git could not write commit {commit} as tar.");
                return;
            }

            total += new FileInfo(tar).Length;
            await PutFileAsync(ledger, tar, BitConverter.GetBytes(index));
            if (repository is not null)
            {
                await Restic.BackUpAsync(repository, tar);
            }
        }

        var ours = ledger.Files.BytesWritten - before;
        context.Report.Figure(
            $"{commits.Length} versions of this repository's tree: tar bytes over stored", total / (double)ours,
            Report.Reported, "×");
        if (repository is not null)
        {
            var theirs = DirectorySize.Bytes(repository) - theirsBefore;
            context.Report.Figure(
                $"{commits.Length} versions of this repository's tree: restic's stored bytes over ours",
                theirs / (double)ours, "≥ 0.9", "×");
        }
    }

    private static void FillFile(string path, long size, ulong seed)
    {
        using var file = File.Create(path);
        var buffer = new byte[1 << 20];
        for (var left = size; left > 0; left -= buffer.Length)
        {
            for (var i = 0; i < buffer.Length; i += sizeof(ulong))
            {
                // Xorshift: content that does not compress or repeat, and is quick to make.
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                BinaryPrimitives.WriteUInt64LittleEndian(buffer.AsSpan(i), seed);
            }

            file.Write(buffer, 0, (int)Math.Min(left, buffer.Length));
        }
    }
}
