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
            var segment = segments.All.First(candidate => candidate.Number == entry.Number);
            var from = entry.BasePosition;
            var to = Math.Min(entry.EndPosition, end.Position);
            var start = mark is { } known && known.Position == from ? known : new LogMark(from, 0);
            var reached = await runtime.Offload(
                static state => ReadAll(state.segments, state.scanner, state.segment, state.start, state.to),
                (segments, scanner, segment, start, to));
            if (reached.Position != to)
            {
                problems.Add(
                    $"Segment {LogFormat.SegmentName(segment.Number)} is damaged: log positions {reached.Position} " +
                    $"to {to} cannot be read as records.");
            }

            bytes += reached.Position - from;
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

    private static LogMark ReadAll(SegmentSet segments, LogScanner scanner, Segment segment, LogMark mark, long to)
    {
        using var use = segments.Use(segment);
        while (mark.Position < to && scanner.TryRead(use.File, segment, mark, to) is { } record)
        {
            mark = new LogMark(mark.Position + record.Header.RecordSizeBytes, record.Checksum);
        }

        return mark;
    }
}
