namespace Ledger.Objects.Segments;

/// <summary>What opening a store found.</summary>
/// <param name="Damage">
/// A sentence when acknowledged data is missing: the store is open for reading only. Null when nothing is missing.
/// </param>
/// <param name="TornTail">A sentence when a crash left an unfinished record behind the end, which was cut; otherwise
/// null.</param>
/// <param name="RecordsRead">Records read from the log.</param>
/// <param name="BytesRead">Their length.</param>
internal sealed record RecoveryReport(string? Damage, string? TornTail, long RecordsRead, long BytesRead);

/// <summary>The log as recovery left it.</summary>
/// <param name="Segments">Its segments.</param>
/// <param name="End">Behind the last valid record.</param>
/// <param name="FlushedTo">Everything before it is known to be on disk.</param>
/// <param name="Unflushed">The valid records from there on: the position of each, the checksum of the one
/// before.</param>
/// <param name="LastNumber">The greatest number of a segment file, listed or not.</param>
/// <param name="IsClean">The log ends exactly where the last clean close says, and so does its file.</param>
/// <param name="Report">What was found.</param>
internal sealed record RecoveredLog(
    SegmentSet Segments, LogMark End, long FlushedTo, IReadOnlyList<LogMark> Unflushed, uint LastNumber, bool IsClean,
    RecoveryReport Report);
