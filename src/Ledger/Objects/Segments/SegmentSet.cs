using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>One segment of the log: a range of log positions in a file.</summary>
/// <param name="number">Its number, which names its file.</param>
/// <param name="basePosition">Log position of its first record.</param>
internal sealed class Segment(uint number, long basePosition)
{
    /// <summary>Its number, which names its file.</summary>
    public uint Number { get; } = number;

    /// <summary>Log position of its first record.</summary>
    public long BasePosition { get; } = basePosition;

    /// <summary>Where a log position is in the file.</summary>
    public long OffsetOf(long position) => SegmentHeader.SizeBytes + (position - BasePosition);
}

/// <summary>
/// The segments of a log by position, and the few of their files that are open. Reading is safe at any time; changes of
/// the list come from one thread at a time.
/// </summary>
/// <param name="files">The disk.</param>
/// <param name="directory">The store's directory.</param>
/// <param name="isReadOnly">True when files are opened for reading only.</param>
internal sealed class SegmentSet(IFileSystem files, string directory, bool isReadOnly) : IDisposable
{
    /// <summary>Files that stay open while nobody uses them.</summary>
    public const int IdleFilesMax = 16;

    private readonly Lock _gate = new();
    private readonly List<OpenSegment> _open = []; // Under the gate; those used last are at the end.
    private Segment[] _segments = []; // Replaced as a whole, so that readers need no lock.

    /// <summary>All segments, ascending by position; each ends where the next begins.</summary>
    public IReadOnlyList<Segment> All => Volatile.Read(ref _segments);

    /// <summary>The newest segment, or null in an empty log.</summary>
    public Segment? Last => All is [.., var last] ? last : null;

    /// <summary>Begins with these segments, ascending by position.</summary>
    public void Load(IEnumerable<Segment> segments) => _segments = [.. segments];

    /// <summary>
    /// Adds the newest segment. It takes over the positions from its base on: the one before is cut there.
    /// </summary>
    public void Append(Segment segment) => Volatile.Write(ref _segments, With(segment));

    /// <summary>The segments as the manifest lists them: each ends at the base of the next; the last is open.</summary>
    /// <param name="endPosition">Where the log ends, for the estimate of what is in the last one.</param>
    /// <param name="added">A segment to list as if it had been added; null for none.</param>
    public IReadOnlyList<SegmentEntry> Entries(long endPosition, Segment? added)
    {
        var segments = added is null ? _segments : With(added);
        var entries = new List<SegmentEntry>(segments.Length);
        for (var i = 0; i < segments.Length; i++)
        {
            var end = i + 1 < segments.Length ? segments[i + 1].BasePosition : long.MaxValue;
            var live = Math.Max(Math.Min(end, endPosition) - segments[i].BasePosition, 0);
            entries.Add(new SegmentEntry(segments[i].Number, segments[i].BasePosition, end, live));
        }

        return entries;
    }

    /// <summary>Reads from a log position.</summary>
    /// <returns>Bytes read; fewer than asked only where the file ends.</returns>
    public int Read(long position, Span<byte> buffer)
    {
        while (Find(position) is { } segment)
        {
            try
            {
                using var use = Use(segment);
                var read = use.File.ReadFully(segment.OffsetOf(position), buffer);
                if (Find(position) == segment)
                {
                    return read;
                }

                // Its records were copied to another segment since it was looked up, and perhaps it was cut meanwhile.
            }
            catch (FileNotFoundException) when (Find(position) != segment)
            {
                // Likewise, and the file was removed.
            }
        }

        return 0;
    }

    /// <summary>Opens a segment's file, or uses the one that is open; dispose the use.</summary>
    /// <exception cref="IOException">The disk refused.</exception>
    public SegmentUse Use(Segment segment)
    {
        if (TryUse(segment) is { } known)
        {
            return known;
        }

        var path = Path.Combine(directory, LogFormat.SegmentName(segment.Number));
        return Adopt(segment, files.Open(path, isReadOnly ? FileOpening.ReadOnly : FileOpening.ReadWrite));
    }

    /// <summary>Uses a file that was just made for a segment; the set owns it from now on.</summary>
    public SegmentUse Adopt(Segment segment, IFile file) => Adopt(new OpenSegment(segment, file));

    /// <summary>Closes all files.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _open.ForEach(static open => open.File.Dispose());
            _open.Clear();
        }
    }

    internal void EndUse(OpenSegment ended)
    {
        lock (_gate)
        {
            ended.Uses--;
        }

        CloseIdle();
    }

    private Segment[] With(Segment segment) =>
        [.. _segments.TakeWhile(older => older.BasePosition < segment.BasePosition), segment];

    private SegmentUse? TryUse(Segment segment)
    {
        lock (_gate)
        {
            var place = _open.FindLastIndex(open => open.Segment == segment);
            return place < 0 ? null : UseAt(place);
        }
    }

    private SegmentUse Adopt(OpenSegment made)
    {
        SegmentUse use;
        lock (_gate)
        {
            var place = _open.FindLastIndex(open => open.Segment == made.Segment);
            if (place < 0)
            {
                _open.Add(made);
                return UseAt(_open.Count - 1);
            }

            use = UseAt(place);
        }

        made.File.Dispose(); // Somebody else was faster.
        return use;
    }

    private SegmentUse UseAt(int place)
    {
        var open = _open[place];
        if (place < _open.Count - 1)
        {
            _open.RemoveAt(place);
            _open.Add(open);
        }

        open.Uses++;
        return new SegmentUse(this, open);
    }

    private void CloseIdle()
    {
        OpenSegment? idle = null;
        lock (_gate)
        {
            if (_open.Count > IdleFilesMax && _open.FindIndex(static open => open.Uses == 0) is var place and >= 0)
            {
                idle = _open[place];
                _open.RemoveAt(place);
            }
        }

        idle?.File.Dispose();
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

/// <summary>The open file of a segment.</summary>
/// <param name="segment">The segment.</param>
/// <param name="file">Its file, owned by the set.</param>
internal sealed class OpenSegment(Segment segment, IFile file)
{
    /// <summary>The segment.</summary>
    public Segment Segment { get; } = segment;

    /// <summary>Its file.</summary>
    public IFile File { get; } = file;

    /// <summary>Who reads or writes it now. Under the set's gate.</summary>
    public int Uses { get; set; }
}

/// <summary>Keeps a segment's file open until it is disposed.</summary>
/// <param name="set">The set that owns the file.</param>
/// <param name="open">The file.</param>
internal readonly struct SegmentUse(SegmentSet set, OpenSegment open) : IDisposable
{
    /// <summary>The open file.</summary>
    public IFile File => open.File;

    /// <inheritdoc/>
    public void Dispose() => set.EndUse(open);
}
