using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>A valid record that a scan came upon.</summary>
/// <param name="Header">Its header.</param>
/// <param name="Checksum">Its checksum.</param>
/// <param name="Record">All of its bytes; valid until the scan goes on.</param>
internal readonly record struct ScannedRecord(RecordHeader Header, uint Checksum, ReadOnlyMemory<byte> Record)
{
    /// <summary>Its items; valid until the scan goes on.</summary>
    public ReadOnlyMemory<byte> Body => Record[RecordHeader.SizeBytes..];
}

/// <summary>Reads the records of one segment in order, and looks for evidence behind the first bad one.</summary>
/// <param name="storeId">The store whose records count.</param>
/// <param name="bugs">Faults planted by a test.</param>
internal sealed class LogScanner(Guid storeId, PlantedBugs bugs)
{
    private const int ReadAheadSizeBytes = 64 << 10;

    private byte[] _buffer = [];
    private IFile? _bufferFile; // What the buffer holds: bytes of this file,
    private long _bufferOffset; // from this offset on,
    private int _bufferSize; // and so many of them.

    /// <summary>Reads the record at a mark, or returns null when there is no valid one.</summary>
    /// <param name="file">The segment's file.</param>
    /// <param name="segment">The segment that the position is in.</param>
    /// <param name="mark">The position, and the checksum of the record before it.</param>
    /// <param name="endPosition">Where the segment was cut; a record that passes it is not valid.</param>
    public ScannedRecord? TryRead(IFile file, Segment segment, LogMark mark, long endPosition)
    {
        var offset = segment.OffsetOf(mark.Position);
        if (ReadHeader(file, offset, ReadAheadSizeBytes) is not { } header || header.StoreId != storeId ||
            header.Segment != segment.Number || header.Position != mark.Position ||
            header.PreviousChecksum != mark.Checksum || header.RecordSizeBytes > endPosition - mark.Position ||
            ReadWhole(file, offset, header, ReadAheadSizeBytes) is not { } record)
        {
            return null;
        }

        return new ScannedRecord(header, RecordHeader.ReadChecksum(record.Span), record);
    }

    /// <summary>
    /// The mark of a segment's first record, by what that record says itself; null when it has none.
    /// </summary>
    public LogMark? ReadFirstMark(IFile file, Segment segment) =>
        ReadHeader(file, SegmentHeader.SizeBytes, ReadAheadSizeBytes) is { } header
            ? new LogMark(segment.BasePosition, header.PreviousChecksum)
            : null;

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
        var length = file.Length;
        var window = new byte[Math.Clamp(length - offset, RecordHeader.SizeBytes + 1, 64 << 10)];
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
                var header = ReadHeader(file, from + at, RecordHeader.SizeBytes);
                var position = basePosition + from + at - SegmentHeader.SizeBytes;
                if (header is { } candidate && candidate.StoreId == storeId && candidate.Segment == segmentNumber &&
                    candidate.Position == (position ?? candidate.Position) &&
                    ReadWhole(file, from + at, candidate, RecordHeader.SizeBytes) is not null)
                {
                    found = (
                        Math.Max(found?.FlushedTo ?? 0, candidate.FlushedTo),
                        found?.FirstPosition ?? candidate.Position);
                }
            }
        }

        return found;
    }

    private RecordHeader? ReadHeader(IFile file, long offset, int readAhead) =>
        TryGet(file, offset, RecordHeader.SizeBytes, readAhead) is { } header
            ? RecordHeader.TryDecode(header.Span)
            : null;

    private ReadOnlyMemory<byte>? ReadWhole(IFile file, long offset, RecordHeader header, int readAhead) =>
        TryGet(file, offset, header.RecordSizeBytes, readAhead) is { } record &&
        (bugs.HasFlag(PlantedBugs.SkipChecksum) || RecordHeader.ChecksumMatches(record.Span))
            ? record
            : default(ReadOnlyMemory<byte>?);

    /// <summary>Bytes of a file, out of the buffer when they are there; null when the file ends before.</summary>
    private ReadOnlyMemory<byte>? TryGet(IFile file, long offset, int size, int readAhead)
    {
        if (file != _bufferFile || offset < _bufferOffset || offset + size > _bufferOffset + _bufferSize)
        {
            var wanted = Math.Max(size, readAhead);
            if (_buffer.Length < wanted)
            {
                _buffer = new byte[Math.Max(wanted, _buffer.Length * 2)];
            }

            (_bufferFile, _bufferOffset) = (null, offset);
            _bufferSize = file.ReadFully(offset, _buffer.AsSpan(0, wanted));
            _bufferFile = file;
        }

        return offset + size <= _bufferOffset + _bufferSize
            ? _buffer.AsMemory((int)(offset - _bufferOffset), size)
            : default(ReadOnlyMemory<byte>?);
    }
}
