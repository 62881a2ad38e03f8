using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>A model of what a disk may do, in memory and repeatable from one seed.</summary>
/// <remarks>
/// <para>
/// It knows for each file which bytes are on the disk and which writes are not yet, in sectors of 512 bytes, and for
/// each directory which names are. A file's flush makes its bytes and length durable, but not its name; a directory's
/// flush makes the names in it durable, but not what is in the files. A rename between directories is durable with
/// either of them.
/// </para>
/// <para>
/// <see cref="Faults"/> says what goes wrong and when; without it nothing does. After a crash everything but disposal
/// throws <see cref="SimulatedCrashException"/>, and <see cref="CrashImage"/> is the disk that the next life finds.
/// </para>
/// <para>Safe from any thread; repeatable only if the calls come in the same order.</para>
/// </remarks>
public sealed class FaultyFileSystem : IFileSystem
{
    private readonly Lock _gate = new();
    private readonly DirectoryWatches _watches = new();
    private readonly FaultyDirectory _root = new();
    private readonly List<NameChange> _pendingNames = [];
    private FaultyContent? _lastWritten;

    /// <summary>Makes an empty disk that holds nothing but the root directory.</summary>
    /// <param name="seed">Decides everything that the options leave open.</param>
    public FaultyFileSystem(int seed = 0)
    {
        Faults = new DiskFaults(seed);
    }

    private FaultyFileSystem(FaultyDirectory root, int seed)
        : this(seed) => _root = root;

    /// <summary>What goes wrong, and the count and the log of operations.</summary>
    public DiskFaults Faults { get; }

    /// <inheritdoc/>
    public IFile Open(string path, FileOpening opening)
    {
        lock (_gate)
        {
            Faults.ThrowIfCrashed();
            var (place, existing) = FindPlace(path);
            if (opening is FileOpening.CreateNew or FileOpening.CreateNewPrivate)
            {
                return existing is null
                    ? new FaultyFile(this, Create(place, path), path, isWritable: true)
                    : throw new IOException($"Cannot make the file '{path}': the name is taken.");
            }

            return existing switch
            {
                null => throw new FileNotFoundException($"Cannot open '{path}': there is no such file.", path),
                FaultyContent { IsLocked: true } => throw new IOException($"Cannot open '{path}': it is locked."),
                FaultyContent content => new FaultyFile(this, content, path, opening == FileOpening.ReadWrite),
                _ => throw new UnauthorizedAccessException($"Cannot open '{path}' as a file: it is a directory."),
            };
        }
    }

    /// <inheritdoc/>
    public bool FileExists(string path) => Find(path) is FaultyContent;

    /// <inheritdoc/>
    public bool DirectoryExists(string path) => Find(path) is FaultyDirectory;

    /// <summary>Makes the directory and the missing ones above it, each of them one operation.</summary>
    public void CreateDirectory(string path)
    {
        lock (_gate)
        {
            Faults.ThrowIfCrashed();
            var directory = _root;
            foreach (var segment in Segments(path))
            {
                if (!directory.Entries.TryGetValue(segment, out var entry))
                {
                    entry = new FaultyDirectory();
                    var place = new Place(directory, segment);
                    Faults.Perform(
                        new DiskOperation("mkdir", path),
                        () => ChangeName(new NameChange(entry, null, place)),
                        needsRoom: true);
                }

                directory = entry as FaultyDirectory
                    ?? throw new IOException($"Cannot make the directory '{path}': '{segment}' is a file.");
            }
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> List(string path)
    {
        lock (_gate)
        {
            return [.. FindDirectory(path).Entries.Keys.Order(StringComparer.Ordinal)];
        }
    }

    /// <inheritdoc/>
    public void Rename(string source, string target)
    {
        if (TryMove(source, target, replaces: true))
        {
            _watches.Report(source, target);
        }
    }

    /// <inheritdoc/>
    public bool TryRename(string source, string target)
    {
        var isRenamed = TryMove(source, target, replaces: false);
        if (isRenamed)
        {
            _watches.Report(source, target);
        }

        return isRenamed;
    }

    /// <inheritdoc/>
    public IDisposable? TryWatch(string path, Action changed)
    {
        lock (_gate)
        {
            _ = FindDirectory(path);
        }

        return _watches.Add(path, changed);
    }

    /// <inheritdoc/>
    public void Delete(string path)
    {
        lock (_gate)
        {
            var content = FindContent(path, "delete");
            var change = new NameChange(content, FindPlace(path).Place, null);
            Faults.Perform(new DiskOperation("delete", path), () => ChangeName(change));
        }

        _watches.Report(path);
    }

    /// <inheritdoc/>
    public void FlushDirectory(string path)
    {
        lock (_gate)
        {
            var directory = FindDirectory(path);
            Faults.Perform(
                new DiskOperation("flush directory", path),
                () => FlushNames(Faults.IgnoreDirectoryFlushes ? [] : Pending()),
                part: random => FlushNames([.. Pending().Where(_ => random.Next(2) == 0)]),
                probability: Faults.FlushFailureProbability);

            NameChange[] Pending() => [.. _pendingNames.Where(change => change.Concerns(directory))];
        }
    }

    /// <inheritdoc/>
    public IDisposable? TryLock(string path)
    {
        lock (_gate)
        {
            Faults.ThrowIfCrashed();
            var (place, existing) = FindPlace(path);
            var content = existing switch
            {
                null => Create(place, path),
                FaultyContent found => found,
                _ => throw new UnauthorizedAccessException($"Cannot lock '{path}': it is a directory."),
            };
            if (content.IsLocked || content.Handles > 0)
            {
                return null;
            }

            content.IsLocked = true;
            return new FileLock(this, content);
        }
    }

    /// <summary>The disk as the next life finds it, with nothing open, locked, pending or failing.</summary>
    /// <remarks>Leaves this one as it is, so that it can be asked for any number of losses, crashed or not.</remarks>
    /// <param name="loss">What is lost of what was not flushed.</param>
    /// <param name="seed">Decides what the loss leaves open, and is the seed of the new disk.</param>
    public FaultyFileSystem CrashImage(CrashLoss loss, int seed = 0)
    {
        lock (_gate)
        {
            return new FaultyFileSystem(
                new CrashImageBuilder(loss, new Random(seed), _pendingNames, _lastWritten).Build(_root), seed);
        }
    }

    /// <summary>
    /// The disk as the next life finds it when the process was killed and the machine went on: what was not flushed is
    /// there, and is still on its way, so that a later crash may take it.
    /// </summary>
    /// <remarks>A copy, with nothing open, locked or failing.</remarks>
    /// <param name="seed">The seed of the copy.</param>
    public FaultyFileSystem Survivor(int seed = 0)
    {
        lock (_gate)
        {
            var clone = new DiskClone();
            var survivor = new FaultyFileSystem(clone.Of(_root), seed);
            survivor._pendingNames.AddRange(_pendingNames.Select(clone.Of));
            survivor._lastWritten = _lastWritten is null ? null : clone.Of(_lastWritten);
            return survivor;
        }
    }

    /// <summary>Paths of all files that programs see, in ordinal order.</summary>
    public IReadOnlyList<string> Files()
    {
        lock (_gate)
        {
            return [.. Walk(_root, Path.GetPathRoot(Path.GetFullPath("/"))!).Order(StringComparer.Ordinal)];
        }

        static IEnumerable<string> Walk(FaultyDirectory directory, string path) => directory.Entries.SelectMany(
            entry => entry.Value is FaultyDirectory below
                ? Walk(below, Path.Combine(path, entry.Key))
                : [Path.Combine(path, entry.Key)]);
    }

    /// <summary>A file as programs see it; also after a crash.</summary>
    public byte[] ReadAllBytes(string path)
    {
        lock (_gate)
        {
            var content = ContentAt(path).Current;
            var bytes = new byte[content.Length];
            content.Read(0, bytes);
            return bytes;
        }
    }

    /// <summary>Damages a bit of a file, on the disk and as programs see it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="bitIndex">Eight times the byte's offset, plus 0 for the lowest bit to 7 for the highest.</param>
    public void FlipBit(string path, long bitIndex)
    {
        lock (_gate)
        {
            var content = ContentAt(path);
            ArgumentOutOfRangeException.ThrowIfNegative(bitIndex);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(bitIndex, content.Current.Length * 8);
            content.FlipBit(bitIndex);
        }
    }

    /// <summary>Makes everything durable without counting an operation: how a test's preparations end.</summary>
    public void MakeDurable()
    {
        lock (_gate)
        {
            FlushNames([.. _pendingNames]);
            foreach (var path in Files())
            {
                ContentAt(path).Flush();
            }
        }
    }

    internal long LengthOf(FaultyFile file)
    {
        lock (_gate)
        {
            Faults.ThrowIfCrashed();
            return file.Content.Current.Length;
        }
    }

    internal int Read(FaultyFile file, long offset, Span<byte> buffer)
    {
        lock (_gate)
        {
            return file.Content.Current.Read(offset, buffer[..Faults.CountRead(file.Path, offset, buffer.Length)]);
        }
    }

    internal void Write(FaultyFile file, long offset, ReadOnlySpan<byte> bytes)
    {
        var copy = bytes.ToArray();
        lock (_gate)
        {
            if (copy.Length == 0)
            {
                Faults.ThrowIfCrashed();
                return;
            }

            var needsRoom = Faults.IsFullEvenWhereReserved || offset + copy.Length > file.Content.ReservedLength;
            Faults.Perform(
                new DiskOperation("write", file.Path, offset, copy.Length),
                () => WritePart(copy.Length),
                part: random => WritePart(RandomPrefix(random)),
                failure: random => WritePart(RandomPrefix(random)),
                probability: Faults.WriteFailureProbability,
                needsRoom);
        }

        // Whole sectors, as a disk writes them.
        int RandomPrefix(Random random)
        {
            var first = SparseBytes.SectorOf(offset);
            var sectors = random.Next(SparseBytes.SectorOf(offset + copy.Length - 1) - first + 1);
            return sectors == 0 ? 0 : (int)(((long)(first + sectors) * SparseBytes.SectorSize) - offset);
        }

        void WritePart(int length)
        {
            if (length > 0)
            {
                file.Content.Write(offset, copy.AsSpan(0, length));
                _lastWritten = file.Content;
            }
        }
    }

    internal void Flush(FaultyFile file)
    {
        lock (_gate)
        {
            Faults.Perform(
                new DiskOperation("flush", file.Path),
                Faults.IgnoreFileFlushes ? () => { }
            : file.Content.Flush,
                part: file.Content.FlushPart,
                failure: file.Content.FailFlush,
                probability: Faults.FlushFailureProbability);
        }
    }

    internal void SetLength(FaultyFile file, long length)
    {
        lock (_gate)
        {
            Faults.Perform(
                new DiskOperation("set length", file.Path, length), () => file.Content.SetLength(length));
        }
    }

    internal void Preallocate(FaultyFile file, long length)
    {
        lock (_gate)
        {
            Faults.Perform(
                new DiskOperation("preallocate", file.Path, length),
                () => file.Content.Preallocate(length),
                needsRoom: length > file.Content.ReservedLength);
        }
    }

    internal void Close(FaultyFile file)
    {
        lock (_gate)
        {
            file.Content.Handles--;
        }
    }

    private static string[] Segments(string path) => Path.GetFullPath(path).Split(
        [Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Moves a name; false when it is there already, or when it is taken and may not be replaced.</summary>
    private bool TryMove(string source, string target, bool replaces)
    {
        lock (_gate)
        {
            var content = FindContent(source, "rename");
            var (to, existing) = FindPlace(target);
            if (existing == content || (existing is not null && !replaces))
            {
                return false;
            }

            if (existing is FaultyDirectory)
            {
                throw new IOException($"Cannot rename '{source}' to '{target}': a directory has that name.");
            }

            var change = new NameChange(content, FindPlace(source).Place, to);
            Faults.Perform(new DiskOperation("rename", source, Target: target), () => ChangeName(change));
            return true;
        }
    }

    private FaultyContent Create(Place place, string path)
    {
        var content = new FaultyContent();
        Faults.Perform(
            new DiskOperation("create", path), () => ChangeName(new NameChange(content, null, place)), needsRoom: true);
        return content;
    }

    private void ChangeName(NameChange change)
    {
        change.Apply(directory => directory.Entries);
        _pendingNames.Add(change);
    }

    private void FlushNames(NameChange[] changes)
    {
        foreach (var change in changes)
        {
            change.Apply(directory => directory.Durable);
        }

        _pendingNames.RemoveAll(changes.Contains);
    }

    private object? Find(string path)
    {
        lock (_gate)
        {
            Faults.ThrowIfCrashed();
            return EntryAt(Segments(path));
        }
    }

    private object? EntryAt(ReadOnlySpan<string> segments)
    {
        object? entry = _root;
        foreach (var segment in segments)
        {
            entry = (entry as FaultyDirectory)?.Entries.GetValueOrDefault(segment);
        }

        return entry;
    }

    private FaultyContent ContentAt(string path) => EntryAt(Segments(path)) as FaultyContent
        ?? throw new FileNotFoundException($"There is no file '{path}'.", path);

    private FaultyContent FindContent(string path, string action) => Find(path) as FaultyContent
        ?? throw new FileNotFoundException($"Cannot {action} '{path}': there is no such file.", path);

    private FaultyDirectory FindDirectory(string path) => Find(path) as FaultyDirectory
        ?? throw new DirectoryNotFoundException($"There is no directory '{path}'.");

    private (Place Place, object? Existing) FindPlace(string path)
    {
        var segments = Segments(path);
        if (segments.Length == 0)
        {
            throw new UnauthorizedAccessException($"'{path}' is the root directory, not a file.");
        }

        return EntryAt(segments.AsSpan(..^1)) is FaultyDirectory parent
            ? (new Place(parent, segments[^1]), parent.Entries.GetValueOrDefault(segments[^1]))
            : throw new DirectoryNotFoundException($"The directory of '{path}' does not exist.");
    }

    private sealed class FileLock(FaultyFileSystem files, FaultyContent content) : IDisposable
    {
        private bool _isReleased;

        public void Dispose()
        {
            lock (files._gate)
            {
                if (!_isReleased)
                {
                    _isReleased = true;
                    content.IsLocked = false;
                }
            }
        }
    }
}
