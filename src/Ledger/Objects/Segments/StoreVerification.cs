using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>Reads everything a store has and checks its checksums.</summary>
internal static class StoreVerification
{
    /// <summary>Checks the log from its first record to its end, and every block of every run.</summary>
    /// <returns>Bytes of log checked, and a sentence for each fault.</returns>
    public static async ValueTask<(long LogBytes, IReadOnlyList<string> Problems)> RunAsync(
        LedgerRuntime runtime, Guid storeId, SegmentSet segments, LogMark end, StoreIndex index)
    {
        var problems = new List<string>();
        var scanner = new LogScanner(storeId, PlantedBugs.None);
        var bytes = 0L;
        LogMark? mark = null; // The chain of checksums begins anew at a segment whose predecessor is gone.
        foreach (var entry in segments.Entries(end.Position, added: null))
        {
            var from = entry.BasePosition;
            var to = Math.Min(entry.EndPosition, end.Position);
            var start = mark is { } known && known.Position == from ? known : new LogMark(from, 0);
            var reached = await runtime.Offload(
                static state => TryReadAll(state.segments, state.scanner, state.Number, state.start, state.to),
                (segments, scanner, entry.Number, start, to));
            if (reached is not { } read)
            {
                continue;
            }

            if (read.Position != to)
            {
                problems.Add(
                    $"Segment {LogFormat.SegmentName(entry.Number)} is damaged: log positions {read.Position} " +
                    $"to {to} cannot be read as records.");
            }

            bytes += read.Position - from;
            mark = reached;
        }

        using var runs = index.UseRuns();
        foreach (var run in runs.All)
        {
            try
            {
                await runtime.Offload(
                    static state =>
                    {
                        state.Verify();
                        return true;
                    },
                    run);
            }
            catch (CorruptObjectException error)
            {
                problems.Add(error.Message);
            }
        }

        return (bytes, problems);
    }

    /// <summary>Reads the records of a segment.</summary>
    /// <returns>Where they end; null when a checkpoint has removed the segment since they were listed.</returns>
    private static LogMark? TryReadAll(SegmentSet segments, LogScanner scanner, uint number, LogMark mark, long to)
    {
        if (Find(segments, number) is not { } segment)
        {
            return null;
        }

        try
        {
            using var use = segments.Use(segment);
            while (mark.Position < to && scanner.TryRead(use.File, segment, mark, to) is { } record)
            {
                mark = new LogMark(mark.Position + record.Header.RecordSizeBytes, record.Checksum);
            }

            return mark;
        }
        catch (FileNotFoundException) when (Find(segments, number) is null)
        {
            return null;
        }
    }

    private static Segment? Find(SegmentSet segments, uint number) =>
        segments.All.FirstOrDefault(segment => segment.Number == number);
}
