using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// The newest records, copied to a new segment after a crash: all that are not known to be on disk, and with them small
/// segments before, so that processes that are killed again and again do not leave a file each
/// (docs/decisions/0004-small-segments-are-copied-along.md). Blocks.
/// </summary>
internal sealed class TailCopy
{
    /// <summary>A segment smaller than this is always copied along: a disk hardly writes less.</summary>
    private const long SmallSizeBytes = 4 << 10;

    /// <summary>What is copied along at most: larger segments are few already.</summary>
    private const long AlongSizeBytesMax = 2L << 20;

    private const int BufferSizeBytes = 64 << 10;

    private readonly SegmentSet _segments;
    private readonly LogScanner _scanner;
    private readonly LogMark _oldEnd;
    private readonly long _flushedTo;
    private readonly long _recoveryPosition;

    private TailCopy(
        SegmentSet segments, LogScanner scanner, LogMark flushedTo, LogMark end, long recoveryPosition)
    {
        (_segments, _scanner, _oldEnd, _recoveryPosition) = (segments, scanner, end, recoveryPosition);
        (Start, End, _flushedTo) = (flushedTo, end, flushedTo.Position);
    }

    /// <summary>Where the copies begin, and the checksum of the record before them, which is not copied.</summary>
    public LogMark Start { get; private set; }

    /// <summary>Where they end; its checksum is that of the last copy once they are written.</summary>
    public LogMark End { get; private set; }

    /// <summary>The recovery position with its new checksum; null when the record before it was not copied.</summary>
    public LogMark? Recovery { get; private set; }

    /// <summary>Decides where the copies begin.</summary>
    /// <param name="segments">The segments before.</param>
    /// <param name="storeId">The store.</param>
    /// <param name="options">How it was opened.</param>
    /// <param name="flushedTo">Everything before it is known to be on disk; the rest is copied in any case.</param>
    /// <param name="end">The end of the log.</param>
    /// <param name="recoveryPosition">The recovery position.</param>
    /// <exception cref="IOException">The disk refused a read.</exception>
    public static TailCopy Plan(
        SegmentSet segments, Guid storeId, SegmentStoreOptions options, LogMark flushedTo, LogMark end,
        long recoveryPosition)
    {
        var copy = new TailCopy(
            segments, new LogScanner(storeId, options.Bugs), flushedTo, end, recoveryPosition);
        var sizeMax = Math.Min(AlongSizeBytesMax, options.SegmentSizeBytes / 2);
        foreach (var segment in segments.All.Reverse())
        {
            // A segment goes along with at least half as much that must be copied anyway. So those that stay are each
            // more than twice the next, and a byte is copied about as often as the log can be halved.
            var copied = end.Position - copy.Start.Position;
            var size = copy.Start.Position - segment.BasePosition;
            if (size > Math.Max(2 * copied, SmallSizeBytes) || size + copied > sizeMax ||
                copy.FindStart(segment) is not { } start)
            {
                break;
            }

            copy.Start = start;
        }

        return copy;
    }

    /// <summary>Writes the copies, stamped anew, behind the header of a segment.</summary>
    /// <exception cref="IOException">The disk refused, or a record changed since it was read.</exception>
    public void Write(IFile file, uint number)
    {
        var buffer = new ByteWriter(BufferSizeBytes);
        var (from, to) = (Start, Start);
        var offset = (long)SegmentHeader.SizeBytes;
        file.Preallocate(Math.Max(file.Length, offset + (End.Position - Start.Position)));
        foreach (var entry in _segments.Entries(_oldEnd.Position, added: null))
        {
            if (entry.EndPosition <= from.Position || from.Position >= _oldEnd.Position)
            {
                continue;
            }

            var segment = _segments.All.First(known => known.Number == entry.Number);
            using var use = _segments.Use(segment);
            var end = Math.Min(entry.EndPosition, _oldEnd.Position);
            while (from.Position < end)
            {
                var record = _scanner.TryRead(use.File, segment, from, end) ?? throw new IOException(
                    $"The record at log position {from.Position} changed since it was read.");
                from = new LogMark(from.Position + record.Record.Length, record.Checksum);
                to = new LogMark(from.Position, Stamp(buffer, record, number, to.Checksum));
                Recovery = to.Position == _recoveryPosition ? to : Recovery;
                if (buffer.Length >= BufferSizeBytes)
                {
                    Flush();
                }
            }
        }

        Flush();
        End = to;

        void Flush()
        {
            if (buffer.Length > 0)
            {
                file.Write(offset, buffer.WrittenSpan);
                offset += buffer.Length;
                buffer.Clear();
            }
        }
    }

    /// <summary>Gives back the room behind the position at which a segment was cut.</summary>
    public static void CutRoom(SegmentSet segments, long position)
    {
        if (segments.All.LastOrDefault(segment => segment.BasePosition < position) is not { } cut)
        {
            return;
        }

        try
        {
            using var use = segments.Use(cut);
            use.File.SetLength(cut.OffsetOf(position));
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            // It costs room and nothing else.
        }
    }

    private uint Stamp(ByteWriter buffer, ScannedRecord record, uint number, uint previousChecksum)
    {
        var header = record.Header with
        {
            Segment = number,
            FlushedTo = Math.Min(_flushedTo, record.Header.Position),
            PreviousChecksum = previousChecksum,
        };
        var at = buffer.Length;
        buffer.WriteBytes(record.Record.Span);
        return header.Seal(buffer.MutableSpan[at..]);
    }

    /// <summary>The mark of a segment's first record, if all its records before the start can be read.</summary>
    private LogMark? FindStart(Segment segment)
    {
        using var use = _segments.Use(segment);
        if (segment.BasePosition == Start.Position)
        {
            return Start;
        }

        if (_scanner.ReadFirstMark(use.File, segment) is not { } first)
        {
            return null;
        }

        var mark = first;
        while (mark.Position < Start.Position &&
            _scanner.TryRead(use.File, segment, mark, Start.Position) is { } record)
        {
            mark = new LogMark(mark.Position + record.Record.Length, record.Checksum);
        }

        return mark == Start ? first : null;
    }
}
