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
        LogMark? mark = null;
        foreach (var entry in segments.Entries(end.Position, added: null))
        {
            var from = entry.BasePosition;
            var to = Math.Min(entry.EndPosition, end.Position);

            // The chain of checksums begins anew at a segment whose predecessor is damaged or gone.
            var start = from == 0 ? new LogMark(0, 0) : mark?.Position == from ? mark : null;
            var reached = await runtime.Offload(
                static state => TryReadAll(state.segments, state.scanner, state.Number, state.start, state.to),
                (segments, scanner, entry.Number, start, to));
            if (reached is not { } read)
            {
                continue;
            }

            if (!read.IsWhole)
            {
                problems.Add(
                    $"Segment {LogFormat.SegmentName(entry.Number)} is damaged: log positions {read.End.Position} " +
                    $"to {to} cannot be read as records.");
            }

            bytes += read.End.Position - from;
            mark = read.End;
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
    /// <param name="segments">The log.</param>
    /// <param name="scanner">Reads them.</param>
    /// <param name="number">The segment's number.</param>
    /// <param name="start">Where they begin; null where the first of them says.</param>
    /// <param name="to">Where they should end.</param>
    /// <returns>
    /// Where they end, and whether these are all; null when the segment was removed since they were listed.
    /// </returns>
    private static (LogMark End, bool IsWhole)? TryReadAll(
        SegmentSet segments, LogScanner scanner, uint number, LogMark? start, long to)
    {
        if (Find(segments, number) is not { } segment)
        {
            return null;
        }

        try
        {
            using var use = segments.Use(segment);
            var mark = start ?? scanner.ReadFirstMark(use.File, segment) ?? new LogMark(segment.BasePosition, 0);
            while (mark.Position < to && scanner.TryRead(use.File, segment, mark, to) is { } record)
            {
                mark = new LogMark(mark.Position + record.Header.RecordSizeBytes, record.Checksum);
            }

            // What followed may have been copied to another segment since they were listed.
            var next = segments.All.FirstOrDefault(later => later.BasePosition > segment.BasePosition);
            return (mark, mark.Position == Math.Min(to, next?.BasePosition ?? to));
        }
        catch (FileNotFoundException) when (Find(segments, number) is null)
        {
            return null;
        }
    }

    private static Segment? Find(SegmentSet segments, uint number) =>
        segments.All.FirstOrDefault(segment => segment.Number == number);
}
