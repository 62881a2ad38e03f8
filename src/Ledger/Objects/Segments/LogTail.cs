using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// The end of the log: where records are written and segments begun. Blocks; for one caller at a time.
/// </summary>
/// <remarks>
/// After a clean close it goes on in the last segment. After an unclean one it never writes to a file that an earlier
/// run made: what is not known to be on disk is copied to a new segment first, and the manifest is replaced.
/// </remarks>
internal sealed class LogTail
{
    private readonly IFileSystem _files;
    private readonly string _directory;
    private readonly Guid _storeId;
    private readonly SegmentSet _segments;
    private readonly SegmentStoreOptions _options;
    private readonly StoreManifest _manifest;
    private IReadOnlyList<LogMark>? _unflushed; // Until the first write after an unclean close: the records to copy.
    private SegmentUse? _active; // The last segment's file, once it is written.
    private long _activeLength; // Its length, reserved room included.
    private long _activeOldLength; // What of it an earlier run of the program wrote, and copies after a crash.
    private uint _lastNumber;
    private byte[] _buffer = new byte[64 << 10];
    private Exception? _stopped;
    private long _flushedTo;

    /// <summary>Makes the end of a log as recovery left it.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="directory">The store's directory.</param>
    /// <param name="recovered">What recovery found.</param>
    /// <param name="options">How the store was opened.</param>
    /// <param name="manifest">Learns of copies before anything is written behind them.</param>
    public LogTail(
        IFileSystem files, string directory, RecoveredLog recovered, SegmentStoreOptions options,
        StoreManifest manifest)
    {
        (_files, _directory, _options, _manifest) = (files, directory, options, manifest);
        _storeId = manifest.StoreId;
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

    /// <summary>Where the newest segment that was full when this run of the program left it ends; 0 for none.</summary>
    public long SealedTo { get; private set; }

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
            _active!.Value.File.Write(offset, _buffer.AsSpan(0, size));
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            TakeBack(offset, error);
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
                (_active ?? _segments.Use(_segments.Last!)).File.Flush();
            }
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            throw Stop(error);
        }

        Volatile.Write(ref _flushedTo, End.Position);
    }

    /// <summary>Gives back the room reserved behind the end, so that a file's length tells a clean close.</summary>
    public void Trim()
    {
        var file = _active!.Value.File;
        file.SetLength(_segments.Last!.OffsetOf(End.Position));
        file.Flush();
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
            if (!_options.Bugs.HasFlag(PlantedBugs.SkipRollFlush))
            {
                Flush();
            }

            Begin(End.Position);
            SealedTo = End.Position;
        }

        if (_active is null)
        {
            Activate(_segments.Use(_segments.Last!));
        }

        Reserve(_segments.Last!.OffsetOf(End.Position) + size);
    }

    /// <summary>
    /// Creates, reserves, writes the header, flushes, flushes the directory: then the segment may be used.
    /// </summary>
    private void Begin(long basePosition)
    {
        var (segment, file) = CreateSegment(basePosition);
        try
        {
            Publish(file);
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            Discard(segment, file);
            throw;
        }

        _segments.Append(segment);
        Activate(_segments.Adopt(segment, file));
    }

    private void Activate(SegmentUse use)
    {
        _active?.Dispose();
        (_active, _activeLength) = (use, use.File.Length);
        _activeOldLength = Math.Max(0, _activeLength - LogFormat.PreallocationSizeBytesMin);
    }

    private void Publish(IFile file)
    {
        file.Flush();
        if (!_options.Bugs.HasFlag(PlantedBugs.SkipDirectoryFlush))
        {
            _files.FlushDirectory(_directory);
        }
    }

    private (Segment Segment, IFile File) CreateSegment(long basePosition)
    {
        // The number is used up even if this fails: a file of that name may be left.
        var number = ++_lastNumber;
        var file = _files.Open(Path.Combine(_directory, LogFormat.SegmentName(number)), FileOpening.CreateNew);
        var segment = new Segment(number, basePosition);
        try
        {
            Preallocate(file, 0, 0, SegmentHeader.SizeBytes);
            file.Write(0, new SegmentHeader(_storeId, number, basePosition).Encode());
            return (segment, file);
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            Discard(segment, file);
            throw;
        }
    }

    /// <summary>
    /// Copies what is not known to be on disk, and small segments before it, to a new segment; the one before that is
    /// cut there.
    /// </summary>
    private void GoOnAfterCrash()
    {
        if (_unflushed is not { } unflushed)
        {
            return;
        }

        if (_segments.Last is not null)
        {
            var copy = TailCopy.Plan(
                _segments, _storeId, _options, unflushed is [var first, ..] ? first : End, End,
                _manifest.RecoveryPosition);
            var (segment, file) = CreateSegment(copy.Start.Position);
            var mayBeListed = false;
            try
            {
                copy.Write(file, segment.Number);
                Publish(file);
                _manifest.ListCopies(segment, copy.Recovery, ref mayBeListed);
            }
            catch (Exception error) when (error.IsOfTheDisk)
            {
                // The old segments still serve reads: nothing was written behind the copies.
                file.Dispose();
                if (!mayBeListed)
                {
                    Discard(segment, file);
                }

                throw;
            }

            // Readers go to the copies first; only then does what they read before go away.
            Activate(_segments.Adopt(segment, file));
            _segments.Append(segment);
            End = copy.End;
            Volatile.Write(ref _flushedTo, End.Position);
            TailCopy.CutRoom(_segments, copy.Start.Position);
            _manifest.RemoveCopied();
        }

        _unflushed = null;
    }

    /// <summary>Reserves room in the last segment, so that a flush seldom has to write the file's length too.</summary>
    private void Reserve(long lengthMin)
    {
        if (_activeLength < lengthMin)
        {
            var file = _active!.Value.File;
            Preallocate(file, _activeLength, _activeLength - _activeOldLength, lengthMin);
            _activeLength = file.Length;
        }
    }

    private void Preallocate(IFile file, long length, long used, long lengthMin)
    {
        // As much again as this run of the program has used, though not for ever: what is reserved and not used is read
        // by the recovery after a crash.
        var wanted = Math.Max(used, LogFormat.PreallocationSizeBytesMin);
        wanted = length + Math.Min(wanted, LogFormat.PreallocationSizeBytesMax);
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
    private void TakeBack(long offset, Exception error)
    {
        try
        {
            _activeLength = offset;
            _active!.Value.File.SetLength(offset);
        }
        catch (Exception again) when (again.IsOfTheDisk)
        {
            throw Stop(error);
        }
    }

    private void Discard(Segment segment, IFile file)
    {
        file.Dispose();
        try
        {
            _files.Delete(Path.Combine(_directory, LogFormat.SegmentName(segment.Number)));
        }
        catch (Exception error) when (error.IsOfTheDisk)
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

    private OutcomeUnknownException Stop(Exception error)
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
        catch (Exception error) when (error.IsOfTheDisk)
        {
            throw Unavailable(error);
        }
    }

    private StoreUnavailableException Unavailable(Exception error) => error is DiskFullException
        ? new StoreUnavailableException(
            StoreUnavailableReason.DiskFull, $"The disk that holds '{_directory}' is full; nothing was written.", error)
        : new StoreUnavailableException(
            StoreUnavailableReason.InputOutput,
            $"The disk that holds '{_directory}' refused a write; nothing was written. {error.Message}", error);
}
