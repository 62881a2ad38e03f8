using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>One segment of the log: a range of log positions and the file that holds it.</summary>
/// <param name="number">Its number, which names its file.</param>
/// <param name="basePosition">Log position of its first record.</param>
/// <param name="file">The open file, owned by the segment.</param>
internal sealed class Segment(uint number, long basePosition, IFile file) : IDisposable
{
    /// <summary>Its number, which names its file.</summary>
    public uint Number { get; } = number;

    /// <summary>Log position of its first record.</summary>
    public long BasePosition { get; } = basePosition;

    /// <summary>The open file.</summary>
    public IFile File { get; } = file;

    /// <summary>Where a log position is in the file.</summary>
    public long OffsetOf(long position) => SegmentHeader.SizeBytes + (position - BasePosition);

    /// <inheritdoc/>
    public void Dispose() => File.Dispose();
}

/// <summary>
/// The segments of a log by position. Reading is safe at any time; changes come from one thread at a time.
/// </summary>
internal sealed class SegmentSet : IDisposable
{
    private readonly List<Segment> _retired = [];
    private Segment[] _segments = []; // Replaced as a whole, so that readers need no lock.

    /// <summary>All segments, ascending by position; each ends where the next begins.</summary>
    public IReadOnlyList<Segment> All => Volatile.Read(ref _segments);

    /// <summary>The newest segment, or null in an empty log.</summary>
    public Segment? Last => All is [.., var last] ? last : null;

    /// <summary>
    /// Adds the newest segment. It takes over the positions from its base on: the one before is cut there.
    /// </summary>
    public void Append(Segment segment)
    {
        var kept = _segments.TakeWhile(older => older.BasePosition < segment.BasePosition).ToArray();
        _retired.AddRange(_segments.Skip(kept.Length)); // Readers may still be in them.
        Volatile.Write(ref _segments, [.. kept, segment]);
    }

    /// <summary>Where each segment ends: at the base of the next; the last is open.</summary>
    public IEnumerable<SegmentEntry> Entries(long endPosition)
    {
        var segments = All;
        for (var i = 0; i < segments.Count; i++)
        {
            var end = i + 1 < segments.Count ? segments[i + 1].BasePosition : long.MaxValue;
            var live = Math.Max(Math.Min(end, endPosition) - segments[i].BasePosition, 0);
            yield return new SegmentEntry(segments[i].Number, segments[i].BasePosition, end, live);
        }
    }

    /// <summary>Reads from a log position.</summary>
    /// <returns>Bytes read; fewer than asked only where the file ends.</returns>
    public int Read(long position, Span<byte> buffer)
    {
        var segment = Find(position);
        return segment is null ? 0 : segment.File.ReadFully(segment.OffsetOf(position), buffer);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var segment in _segments.Concat(_retired))
        {
            segment.Dispose();
        }
    }

    private Segment? Find(long position)
    {
        var segments = Volatile.Read(ref _segments);
        int low = 0, high = segments.Length;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            (low, high) = segments[middle].BasePosition <= position ? (middle + 1, high) : (low, middle);
        }

        return low == 0 ? null : segments[low - 1];
    }
}
