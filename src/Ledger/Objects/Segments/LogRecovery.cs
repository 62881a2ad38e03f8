using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// Reads the log from the recovery position on and finds its end (docs/formats/log.md, "Recovery"). Blocks.
/// </summary>
internal sealed class LogRecovery
{
    private readonly IFileSystem _files;
    private readonly string _directory;
    private readonly Manifest _manifest;
    private readonly SegmentStoreOptions _options;
    private readonly StoreIndex _index;
    private readonly LogScanner _scanner;
    private readonly SegmentSet _segments;
    private readonly HashSet<uint> _numbers; // Of the segment files that are there.
    private readonly uint[] _laterNumbers;
    private readonly uint _lastNumber;
    private readonly List<LogMark> _unflushed = [];
    private int _unflushedMax = 4096; // Above it, those that proved to be on disk are left out.
    private LogMark _end;
    private long _flushedTo;
    private long _records;
    private string? _damage;

    private LogRecovery(
        IFileSystem files, string directory, Manifest manifest, SegmentStoreOptions options, StoreIndex index,
        SegmentSet segments)
    {
        (_files, _directory, _manifest, _options) = (files, directory, manifest, options);
        (_index, _segments) = (index, segments);
        _scanner = new LogScanner(manifest.StoreId, options.Bugs);
        _end = manifest.Recovery;
        _flushedTo = Math.Max(manifest.Recovery.Position, manifest.CleanClose?.Position ?? 0);
        var numbers = LogFormat.SegmentNumbers(files.List(directory)).ToArray();
        var lastListed = manifest.Segments.Select(static segment => segment.Number).DefaultIfEmpty(0u).Max();
        _numbers = [.. numbers];
        _laterNumbers = [.. numbers.Where(number => number > lastListed)];
        _lastNumber = Math.Max(lastListed, numbers.DefaultIfEmpty(0u).Max());
    }

    /// <summary>Recovers the log of a directory and fills the index with what the runs do not hold.</summary>
    /// <exception cref="CorruptObjectException">A segment that the manifest lists is not there.</exception>
    public static RecoveredLog Run(
        IFileSystem files, string directory, Manifest manifest, SegmentStoreOptions options, StoreIndex index)
    {
        var segments = new SegmentSet(files, directory, options.ReadOnly);
        RecoveredLog? recovered = null;
        try
        {
            recovered = new LogRecovery(files, directory, manifest, options, index, segments).Run();
            return recovered;
        }
        finally
        {
            if (recovered is null)
            {
                segments.Dispose();
            }
        }
    }

    private RecoveredLog Run()
    {
        ReadListedSegments();
        if (_damage is null)
        {
            ReadLaterSegments();
        }

        var torn = _damage is null ? LookBehindTheEnd() : null;
        if (_damage is null && _manifest.CleanClose is { } mark && mark.Position > _end.Position)
        {
            // What lies behind the end was acknowledged, then: it is no torn tail.
            (_damage, torn) = (Missing(mark.Position, "the store was closed cleanly at"), null);
        }

        _flushedTo = _options.Bugs.HasFlag(PlantedBugs.IgnoreFlushedTo) ? long.MaxValue : _flushedTo;
        var unflushed = _unflushed.Where(record => record.Position >= _flushedTo).ToList();
        var report = new RecoveryReport(_damage, torn, _records, _end.Position - _manifest.Recovery.Position);
        return new RecoveredLog(
            _segments, _end, Math.Min(_flushedTo, _end.Position), unflushed, _lastNumber, IsClean(), report);
    }

    private void ReadListedSegments()
    {
        Segment[] listed =
            [.. _manifest.Segments.Select(static entry => new Segment(entry.Number, entry.BasePosition))];
        _segments.Load(listed);
        for (var i = 0; i < _manifest.Segments.Count; i++)
        {
            var entry = _manifest.Segments[i];
            CheckIsThere(entry);
            _flushedTo = Math.Max(_flushedTo, entry.BasePosition);
            if (_damage is not null || _end.Position < entry.BasePosition || _end.Position >= entry.EndPosition)
            {
                continue; // Older than what is read: its file is not even opened.
            }

            using (var use = _segments.Use(listed[i]))
            {
                ReadRecords(use.File, listed[i], entry.EndPosition);
            }

            if (i + 1 < _manifest.Segments.Count && _end.Position != entry.EndPosition)
            {
                _damage = Missing(entry.EndPosition, "the manifest says that a segment goes to");
            }
        }
    }

    private void CheckIsThere(SegmentEntry entry)
    {
        if (!_numbers.Contains(entry.Number))
        {
            throw new CorruptObjectException(
                $"segment {LogFormat.SegmentName(entry.Number)}, log positions {entry.BasePosition} to " +
                $"{entry.EndPosition}, is not in '{_directory}'");
        }
    }

    /// <summary>Segments made after the manifest was written: each begins where the one before ended.</summary>
    private void ReadLaterSegments()
    {
        foreach (var number in _laterNumbers)
        {
            var file = Open(number);
            var isNext = false;
            try
            {
                isNext = ReadHeader(file) is { } found && found.StoreId == _manifest.StoreId &&
                    found.Number == number && found.BasePosition == _end.Position;
            }
            finally
            {
                if (!isNext)
                {
                    file.Dispose();
                }
            }

            if (!isNext)
            {
                continue;
            }

            var segment = new Segment(number, _end.Position);
            using var use = _segments.Adopt(segment, file);
            _segments.Append(segment);
            _flushedTo = Math.Max(_flushedTo, segment.BasePosition);
            ReadRecords(file, segment, long.MaxValue);
        }
    }

    private void ReadRecords(IFile file, Segment segment, long endPosition)
    {
        while (_scanner.TryRead(file, segment, _end, endPosition) is { } record)
        {
            var items = RecordItems.Decode(record.Body.Span, record.Header.ItemCount);
            _unflushed.Add(_end);
            _flushedTo = Math.Max(_flushedTo, record.Header.FlushedTo);
            _end = new LogMark(_end.Position + record.Header.RecordSizeBytes, record.Checksum);
            _index.Apply(items, record.Header.Position + RecordHeader.SizeBytes, _end);
            _records++;
            if (_unflushed.Count > _unflushedMax)
            {
                // So that a long tail which nobody flushed is not looked through again for each of its records.
                _unflushed.RemoveAll(mark => mark.Position < _flushedTo);
                _unflushedMax = Math.Max(_unflushedMax, 2 * _unflushed.Count);
            }
        }
    }

    /// <summary>
    /// Whether anything behind the end says that the log was longer on disk: then acknowledged data is damaged.
    /// </summary>
    /// <returns>A sentence when only an unfinished tail is there; null when nothing is.</returns>
    private string? LookBehindTheEnd()
    {
        var isTorn = false;
        if (_segments.Last is { } last)
        {
            using var use = _segments.Use(last);
            var offset = last.OffsetOf(_end.Position);
            var later = _scanner.FindLater(use.File, last.Number, last.BasePosition, offset);
            Weigh(later);
            isTorn = later is not null || HasBytes(use.File, offset);
        }

        foreach (var number in _laterNumbers.Where(number => number > (_segments.Last?.Number ?? 0)))
        {
            using var file = Open(number);
            var header = ReadHeader(file);
            if (header is { } found && found.StoreId == _manifest.StoreId && found.BasePosition > _end.Position)
            {
                // A segment is only begun once everything before it is on disk.
                _damage ??= Missing(found.BasePosition, "a later segment begins at");
            }

            Weigh(_scanner.FindLater(file, number, header?.BasePosition, SegmentHeader.SizeBytes));
        }

        return _damage is null && isTorn
            ? $"An unfinished record behind log position {_end.Position} was cut; it was never acknowledged."
            : null;
    }

    private void Weigh((long FlushedTo, long FirstPosition)? later)
    {
        if (later is { } found && found.FlushedTo > _end.Position &&
            !_options.Bugs.HasFlag(PlantedBugs.IgnoreFlushedTo))
        {
            _damage ??= Missing(
                found.FlushedTo, $"a record at {found.FirstPosition} says that the log was on disk to");
        }
    }

    private bool IsClean()
    {
        if (_damage is not null || _manifest.CleanClose != _end)
        {
            return false;
        }

        if (_segments.Last is not { } last)
        {
            return _laterNumbers.Length == 0;
        }

        using var use = _segments.Use(last);
        return last.Number == _lastNumber && use.File.Length == last.OffsetOf(_end.Position);
    }

    private string Missing(long knownTo, string evidence) =>
        $"Acknowledged data is damaged: the log in '{_directory}' can be read up to position {_end.Position}, but " +
        $"{evidence} {knownTo}. The store is open for reading only.";

    private static SegmentHeader? ReadHeader(IFile file)
    {
        var bytes = new byte[SegmentHeader.SizeBytes];
        return SegmentHeader.TryDecode(bytes.AsSpan(0, file.ReadFully(0, bytes)));
    }

    private static bool HasBytes(IFile file, long offset)
    {
        var bytes = new byte[4096];
        return bytes.AsSpan(0, file.ReadFully(offset, bytes)).ContainsAnyExcept((byte)0);
    }

    private IFile Open(uint number) => _files.Open(
        Path.Combine(_directory, LogFormat.SegmentName(number)),
        _options.ReadOnly ? FileOpening.ReadOnly : FileOpening.ReadWrite);
}
