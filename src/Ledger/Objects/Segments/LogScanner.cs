using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>A valid record that a scan came upon.</summary>
/// <param name="Header">Its header.</param>
/// <param name="Checksum">Its checksum.</param>
/// <param name="Body">Its items; valid until the scan goes on.</param>
internal readonly record struct ScannedRecord(RecordHeader Header, uint Checksum, ReadOnlyMemory<byte> Body);

/// <summary>Reads the records of one segment in order, and looks for evidence behind the first bad one.</summary>
/// <param name="storeId">The store whose records count.</param>
/// <param name="bugs">Faults planted by a test.</param>
internal sealed class LogScanner(Guid storeId, PlantedBugs bugs)
{
    private byte[] _buffer = new byte[64 << 10];

    /// <summary>Reads the record at a mark, or returns null when there is no valid one.</summary>
    /// <param name="segment">The segment that the position is in.</param>
    /// <param name="mark">The position, and the checksum of the record before it.</param>
    /// <param name="endPosition">Where the segment was cut; a record that passes it is not valid.</param>
    public ScannedRecord? TryRead(Segment segment, LogMark mark, long endPosition)
    {
        var offset = segment.OffsetOf(mark.Position);
        if (ReadHeader(segment.File, offset) is not { } header || header.StoreId != storeId ||
            header.Segment != segment.Number || header.Position != mark.Position ||
            header.PreviousChecksum != mark.Checksum || header.RecordSizeBytes > endPosition - mark.Position ||
            !ReadWhole(segment.File, offset, header))
        {
            return null;
        }

        var record = _buffer.AsMemory(0, header.RecordSizeBytes);
        return new ScannedRecord(
            header, RecordHeader.ReadChecksum(record.Span), record[RecordHeader.SizeBytes..]);
    }

    /// <summary>
    /// Looks from a file offset to the end of the file for valid records, wherever they begin: a damaged one in between
    /// does not hide them.
    /// </summary>
    /// <param name="file">The file.</param>
    /// <param name="segmentNumber">The number in its name.</param>
    /// <param name="basePosition">Log position of its first record; null when its header is damaged.</param>
    /// <param name="offset">Where in the file the search begins.</param>
    /// <returns>The greatest position that one of them says was on disk, and where the first of them is; null for
    /// none.</returns>
    public (long FlushedTo, long FirstPosition)? FindLater(
        IFile file, uint segmentNumber, long? basePosition, long offset)
    {
        (long FlushedTo, long FirstPosition)? found = null;
        var window = new byte[1 << 20];
        var length = file.Length;
        for (var from = offset; from < length; from += window.Length - RecordHeader.SizeBytes)
        {
            var read = file.ReadFully(from, window);
            for (var at = 0; at < read; at++)
            {
                var next = window.AsSpan(at, read - at).IndexOf(RecordHeader.Magic);
                if (next < 0)
                {
                    break;
                }

                at += next;
                var header = ReadHeader(file, from + at);
                var position = basePosition + from + at - SegmentHeader.SizeBytes;
                if (header is { } candidate && candidate.StoreId == storeId && candidate.Segment == segmentNumber &&
                    candidate.Position == (position ?? candidate.Position) && ReadWhole(file, from + at, candidate))
                {
                    found = (
                        Math.Max(found?.FlushedTo ?? 0, candidate.FlushedTo),
                        found?.FirstPosition ?? candidate.Position);
                }
            }
        }

        return found;
    }

    private RecordHeader? ReadHeader(IFile file, long offset)
    {
        Span<byte> header = stackalloc byte[RecordHeader.SizeBytes];
        return file.ReadFully(offset, header) == header.Length ? RecordHeader.TryDecode(header) : null;
    }

    private bool ReadWhole(IFile file, long offset, RecordHeader header)
    {
        if (offset + header.RecordSizeBytes > file.Length)
        {
            return false;
        }

        if (_buffer.Length < header.RecordSizeBytes)
        {
            _buffer = new byte[Math.Max(header.RecordSizeBytes, _buffer.Length * 2)];
        }

        var record = _buffer.AsSpan(0, header.RecordSizeBytes);
        return file.ReadFully(offset, record) == record.Length &&
            (bugs.HasFlag(PlantedBugs.SkipChecksum) || RecordHeader.ChecksumMatches(record));
    }
}
