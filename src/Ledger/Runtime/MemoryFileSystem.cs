namespace Ledger.Runtime;

/// <summary>A file system in memory, with the rules and the errors of a real one; nothing survives it.</summary>
/// <remarks>
/// Safe from any thread. Space is counted in blocks of 4 KiB, as disks do: room that a file grew over without writing
/// or preallocating takes none. A deleted file gives its room back when its last handle is closed.
/// </remarks>
public sealed class MemoryFileSystem : IFileSystem
{
    private readonly Lock _gate = new();
    private readonly DirectoryWatches _watches = new();
    private readonly MemoryDirectory _root = new();
    private readonly MemorySpace _space;

    /// <summary>Makes an empty file system that holds nothing but the root directory.</summary>
    /// <param name="capacityBytes">Room for contents, rounded down to blocks; without a limit by default.</param>
    public MemoryFileSystem(long capacityBytes = long.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(capacityBytes);
        _space = new MemorySpace(capacityBytes / MemorySpace.BlockSizeBytes);
    }

    /// <summary>Bytes that contents take up now, in whole blocks.</summary>
    public long UsedBytes => _space.UsedBytes;

    /// <inheritdoc/>
    public IFile Open(string path, FileOpening opening)
    {
        var file = OpenUnreported(path, opening);
        if (opening is FileOpening.CreateNew or FileOpening.CreateNewPrivate)
        {
            _watches.Report(path);
        }

        return file;
    }

    /// <inheritdoc/>
    public bool FileExists(string path) => Find(path) is MemoryContent;

    /// <inheritdoc/>
    public bool DirectoryExists(string path) => Find(path) is MemoryDirectory;

    /// <inheritdoc/>
    public void CreateDirectory(string path)
    {
        lock (_gate)
        {
            var directory = _root;
            foreach (var segment in Segments(path))
            {
                if (!directory.Entries.TryGetValue(segment, out var entry))
                {
                    entry = new MemoryDirectory();
                    directory.Entries.Add(segment, entry);
                }

                directory = entry as MemoryDirectory
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
    public void Delete(string path)
    {
        lock (_gate)
        {
            if (Find(path) is not MemoryContent content)
            {
                throw new FileNotFoundException($"Cannot delete '{path}': there is no such file.", path);
            }

            var (parent, name) = FindParent(path);
            parent.Entries.Remove(name);
            content.Unlink();
        }

        _watches.Report(path);
    }

    /// <inheritdoc/>
    public void FlushDirectory(string path)
    {
        lock (_gate)
        {
            _ = FindDirectory(path);
        }
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
    public IDisposable? TryLock(string path)
    {
        lock (_gate)
        {
            var (parent, name) = FindParent(path);
            return parent.Entries.GetValueOrDefault(name) switch
            {
                null => MemoryLock.TryTake(AddFile(parent, name)),
                MemoryContent content => MemoryLock.TryTake(content),
                _ => throw new UnauthorizedAccessException($"Cannot lock '{path}': it is a directory."),
            };
        }
    }

    private static string[] Segments(string path) => Path.GetFullPath(path).Split(
        [Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries);

    private MemoryFile OpenUnreported(string path, FileOpening opening)
    {
        lock (_gate)
        {
            var (parent, name) = FindParent(path);
            var existing = parent.Entries.GetValueOrDefault(name);
            if (opening is FileOpening.CreateNew or FileOpening.CreateNewPrivate)
            {
                if (existing is not null)
                {
                    throw new IOException($"Cannot make the file '{path}': the name is taken.");
                }

                return new MemoryFile(AddFile(parent, name), path, isWritable: true);
            }

            return existing switch
            {
                null => throw new FileNotFoundException($"Cannot open '{path}': there is no such file.", path),
                MemoryContent { IsLocked: true } => throw new IOException($"Cannot open '{path}': it is locked."),
                MemoryContent content => new MemoryFile(content, path, opening == FileOpening.ReadWrite),
                _ => throw new UnauthorizedAccessException($"Cannot open '{path}' as a file: it is a directory."),
            };
        }
    }

    /// <summary>Moves a name; false when it is there already, or when it is taken and may not be replaced.</summary>
    private bool TryMove(string source, string target, bool replaces)
    {
        lock (_gate)
        {
            if (Find(source) is not MemoryContent content)
            {
                throw new FileNotFoundException($"Cannot rename '{source}': there is no such file.", source);
            }

            var (targetParent, targetName) = FindParent(target);
            var existing = targetParent.Entries.GetValueOrDefault(targetName);
            if (ReferenceEquals(existing, content) || (existing is not null && !replaces))
            {
                return false;
            }

            if (existing is MemoryDirectory)
            {
                throw new IOException($"Cannot rename '{source}' to '{target}': a directory has that name.");
            }

            (existing as MemoryContent)?.Unlink();
            var (sourceParent, sourceName) = FindParent(source);
            sourceParent.Entries.Remove(sourceName);
            targetParent.Entries[targetName] = content;
            return true;
        }
    }

    private MemoryContent AddFile(MemoryDirectory parent, string name)
    {
        var content = new MemoryContent(_space);
        parent.Entries.Add(name, content);
        return content;
    }

    private object? Find(string path)
    {
        lock (_gate)
        {
            object? entry = _root;
            foreach (var segment in Segments(path))
            {
                entry = (entry as MemoryDirectory)?.Entries.GetValueOrDefault(segment);
            }

            return entry;
        }
    }

    private MemoryDirectory FindDirectory(string path) => Find(path) as MemoryDirectory
        ?? throw new DirectoryNotFoundException($"There is no directory '{path}'.");

    private (MemoryDirectory Parent, string Name) FindParent(string path)
    {
        var segments = Segments(path);
        if (segments.Length == 0)
        {
            throw new UnauthorizedAccessException($"'{path}' is the root directory, not a file.");
        }

        object? entry = _root;
        foreach (var segment in segments[..^1])
        {
            entry = (entry as MemoryDirectory)?.Entries.GetValueOrDefault(segment);
        }

        return entry is MemoryDirectory parent
            ? (parent, segments[^1])
            : throw new DirectoryNotFoundException($"The directory of '{path}' does not exist.");
    }

    /// <summary>Entries are <see cref="MemoryDirectory"/> or <see cref="MemoryContent"/>.</summary>
    private sealed class MemoryDirectory
    {
        public Dictionary<string, object> Entries { get; } = new(StringComparer.Ordinal);
    }

    private sealed class MemoryLock(MemoryContent content) : IDisposable
    {
        private bool _isReleased;

        public static MemoryLock? TryTake(MemoryContent content) =>
            content.TryLock() ? new MemoryLock(content) : null;

        public void Dispose()
        {
            if (!Interlocked.Exchange(ref _isReleased, true))
            {
                content.Unlock();
            }
        }
    }
}
