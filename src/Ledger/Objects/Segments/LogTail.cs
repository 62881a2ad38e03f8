using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// The end of the log: where records are written and segments begun. Blocks; for one caller at a time.
/// </summary>
/// <remarks>
/// After a clean close it goes on in the last segment. After an unclean one it never writes to a file that an earlier
/// run
/// made: what is not known to be on disk is copied to a new segment first, and the manifest is replaced.
/// </remarks>
internal sealed class LogTail
{
    private readonly IFileSystem _files;
    private readonly string _directory;
    private readonly Guid _storeId;
    private readonly SegmentSet _segments;
    private readonly SegmentStoreOptions _options;
    private readonly Action _writeManifest;
    private IReadOnlyList<LogMark>? _unflushed; // Until the first write after an unclean close: the records to copy.
    private uint _lastNumber;
    private byte[] _buffer = new byte[64 << 10];
    private Exception? _stopped;
    private long _flushedTo;

    /// <summary>Makes the end of a log as recovery left it.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="directory">The store's directory.</param>
    /// <param name="storeId">The store.</param>
    /// <param name="recovered">What recovery found.</param>
    /// <param name="options">How the store was opened.</param>
    /// <param name="writeManifest">Replaces the manifest by one that lists the present segments.</param>
    public LogTail(
        IFileSystem files, string directory, Guid storeId, RecoveredLog recovered, SegmentStoreOptions options,
        Action writeManifest)
    {
        (_files, _directory, _storeId, _options, _writeManifest) = (files, directory, storeId, options, writeManifest);
        _segments = recovered.Segments;
        _lastNumber = recovered.LastNumber;
        _flushedTo = recovered.FlushedTo;
        End = recovered.End;
        var goesOn = recovered.IsClean || options.Bugs.HasFlag(PlantedBugs.AppendAfterCrash);
        _unflushed = goesOn ? null : recovered.Unflushed;
    }

    /// <summary>Where the next record goes.</summary>
    public LogMark End { get; private set; }

    /// <summary>Set once a flush failed: nothing is written any more.</summary>
    public Exception? Stopped => Volatile.Read(ref _stopped);

    /// <summary>Bytes written and not flushed yet.</summary>
    public long UnflushedBytes => End.Position - Volatile.Read(ref _flushedTo);

    /// <summary>True once this run of the program has written.</summary>
    public bool HasWritten { get; private set; }

    /// <summary>Writes one record that holds all members.</summary>
    /// <exception cref="StoreUnavailableException">Nothing of it was stored.</exception>
    public void Write(List<LogMember> members)
    {
        CheckWritable();
        var size = RecordHeader.SizeBytes + members.Sum(static member => member.Body.Length);
        Guarded(() => Prepare(size));

        var segment = _segments.Last!;
        var offset = segment.OffsetOf(End.Position);
        var checksum = Encode(members, size, segment.Number);
        try
        {
            segment.File.Write(offset, _buffer.AsSpan(0, size));
        }
        catch (IOException error)
        {
            TakeBack(segment, offset, error);
            throw Unavailable(error);
        }

        HasWritten = true;
        End = new LogMark(End.Position + size, checksum);
    }

    /// <summary>Makes everything written durable.</summary>
    /// <exception cref="OutcomeUnknownException">The flush failed; the log stops for good.</exception>
    public void Flush()
    {
        CheckWritable();
        if (UnflushedBytes == 0)
        {
            return;
        }

        // What an earlier run wrote and perhaps did not flush is made durable as a copy, never by another flush of it.
        Guarded(GoOnAfterCrash);
        if (UnflushedBytes == 0)
        {
            return;
        }

        try
        {
            if (!_options.Bugs.HasFlag(PlantedBugs.SkipFlush))
            {
                _segments.Last!.File.Flush();
            }
        }
        catch (IOException error)
        {
            throw Stop(error);
        }

        Volatile.Write(ref _flushedTo, End.Position);
    }

    /// <summary>Gives back the room reserved behind the end, so that a file's length tells a clean close.</summary>
    public void Trim()
    {
        var segment = _segments.Last!;
        segment.File.SetLength(segment.OffsetOf(End.Position));
        segment.File.Flush();
    }

    private uint Encode(List<LogMember> members, int size, uint segment)
    {
        if (_buffer.Length < size)
        {
            _buffer = new byte[Math.Max(size, _buffer.Length * 2)];
        }

        var at = RecordHeader.SizeBytes;
        var items = 0;
        foreach (var member in members)
        {
            member.Body.Span.CopyTo(_buffer.AsSpan(at));
            at += member.Body.Length;
            items += member.Items.Count;
        }

        return new RecordHeader(
            _storeId, segment, End.Position, _flushedTo, End.Checksum, size - RecordHeader.SizeBytes, items)
            .Seal(_buffer);
    }

    /// <summary>Sees to it that a record of this size has a segment and room in it.</summary>
    private void Prepare(int size)
    {
        GoOnAfterCrash();
        if (_segments.Last is not { } last)
        {
            Begin(End.Position);
        }
        else if (last.OffsetOf(End.Position) is var offset && offset > SegmentHeader.SizeBytes &&
            offset + size > _options.SegmentSizeBytes)
        {
            // A segment is on disk before the next one has a record: recovery relies on it.
            Flush();
            Begin(End.Position);
        }

        var segment = _segments.Last!;
        Reserve(segment.File, segment.OffsetOf(End.Position) + size);
    }

    /// <summary>
    /// Creates, reserves, writes the header, flushes, flushes the directory: then the segment may be used.
    /// </summary>
    private void Begin(long basePosition)
    {
        var segment = CreateSegment(basePosition);
        try
        {
            Publish(segment);
        }
        catch (IOException)
        {
            Discard(segment);
            throw;
        }
    }

    private void Publish(Segment segment)
    {
        segment.File.Flush();
        if (!_options.Bugs.HasFlag(PlantedBugs.SkipDirectoryFlush))
        {
            _files.FlushDirectory(_directory);
        }

        _segments.Append(segment);
    }

    private Segment CreateSegment(long basePosition)
    {
        // The number is used up even if this fails: a file of that name may be left.
        var number = ++_lastNumber;
        var file = _files.Open(Path.Combine(_directory, LogFormat.SegmentName(number)), FileOpening.CreateNew);
        var segment = new Segment(number, basePosition, file);
        try
        {
            Reserve(file, SegmentHeader.SizeBytes);
            file.Write(0, new SegmentHeader(_storeId, number, basePosition).Encode());
            return segment;
        }
        catch (IOException)
        {
            Discard(segment);
            throw;
        }
    }

    private void GoOnAfterCrash()
    {
        if (_unflushed is { } unflushed)
        {
            BeginAfterCrash(unflushed);
            _unflushed = null;
        }
    }

    /// <summary>
    /// Copies what is not known to be on disk to a new segment, cuts the old one before it, and says so.
    /// </summary>
    private void BeginAfterCrash(IReadOnlyList<LogMark> unflushed)
    {
        if (_segments.Last is null)
        {
            return;
        }

        var segment = CreateSegment(_flushedTo);
        try
        {
            var end = CopyRecords(unflushed, segment);
            Publish(segment);
            _writeManifest();
            End = end;
            Volatile.Write(ref _flushedTo, end.Position);
        }
        catch (IOException)
        {
            // The old segments still serve reads: the copied bytes are the same and nothing was written behind them.
            if (_segments.Last != segment)
            {
                Discard(segment);
            }

            throw;
        }
    }

    private LogMark CopyRecords(IReadOnlyList<LogMark> unflushed, Segment target)
    {
        var source = _segments.Last!;
        var end = unflushed.Count > 0 ? unflushed[0] : End;
        for (var i = 0; i < unflushed.Count; i++)
        {
            var next = i + 1 < unflushed.Count ? unflushed[i + 1].Position : End.Position;
            var record = new byte[next - unflushed[i].Position];
            var read = source.File.ReadFully(source.OffsetOf(unflushed[i].Position), record);
            var header = RecordHeader.TryDecode(record);
            if (read != record.Length || header is null || !RecordHeader.ChecksumMatches(record))
            {
                throw new IOException($"The record at log position {unflushed[i].Position} changed since it was read.");
            }

            var copy = header.Value with
            {
                Segment = target.Number,
                FlushedTo = _flushedTo,
                PreviousChecksum = end.Checksum,
            };
            var checksum = copy.Seal(record);
            var offset = target.OffsetOf(end.Position);
            Reserve(target.File, offset + record.Length);
            target.File.Write(offset, record);
            end = new LogMark(next, checksum);
        }

        return end;
    }

    /// <summary>Reserves room, doubling, so that a flush seldom has to write the file's length too.</summary>
    private void Reserve(IFile file, long lengthMin)
    {
        var length = file.Length;
        if (length >= lengthMin)
        {
            return;
        }

        var wanted = Math.Max(length * 2, LogFormat.PreallocationSizeBytesMin);
        wanted = Math.Max(Math.Min(wanted, _options.SegmentSizeBytes), lengthMin);
        try
        {
            file.Preallocate(wanted);
        }
        catch (DiskFullException) when (wanted > lengthMin)
        {
            file.Preallocate(lengthMin);
        }
    }

    /// <summary>A record that was refused must not appear after a crash: nothing of it may stay.</summary>
    private void TakeBack(Segment segment, long offset, IOException error)
    {
        try
        {
            segment.File.SetLength(offset);
        }
        catch (IOException)
        {
            throw Stop(error);
        }
    }

    private void Discard(Segment segment)
    {
        segment.Dispose();
        try
        {
            _files.Delete(Path.Combine(_directory, LogFormat.SegmentName(segment.Number)));
        }
        catch (IOException)
        {
            // A segment that the manifest does not list and that holds no record is ignored and removed later.
        }
    }

    private void CheckWritable()
    {
        if (Stopped is { } stopped)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Stopped,
                $"The store in '{_directory}' writes nothing since a flush failed; open it again.", stopped);
        }
    }

    private OutcomeUnknownException Stop(IOException error)
    {
        Volatile.Write(ref _stopped, error);
        return new OutcomeUnknownException(
            $"A flush of the store in '{_directory}' failed; what it should have made durable may be lost.", error);
    }

    private void Guarded(Action action)
    {
        try
        {
            action();
        }
        catch (IOException error)
        {
            throw Unavailable(error);
        }
    }

    private StoreUnavailableException Unavailable(IOException error) => error is DiskFullException
        ? new StoreUnavailableException(
            StoreUnavailableReason.DiskFull, $"The disk that holds '{_directory}' is full; nothing was written.", error)
        : new StoreUnavailableException(
            StoreUnavailableReason.InputOutput,
            $"The disk that holds '{_directory}' refused a write; nothing was written. {error.Message}", error);
}
