namespace Ledger.Runtime.Real;

/// <summary>The operating system's files.</summary>
internal sealed class SystemFileSystem : IFileSystem
{
    /// <summary>Others may read, write, rename and delete: who may use a store is decided by its lock file.</summary>
    private const FileShare Everything = FileShare.ReadWrite | FileShare.Delete;

    /// <inheritdoc/>
    public IFile Open(string path, FileOpening opening)
    {
        try
        {
            return opening switch
            {
                FileOpening.CreateNew => new SystemFile(
                    File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, Everything), path, true),
                FileOpening.CreateNewPrivate => CreatePrivate(path),
                FileOpening.ReadWrite => new SystemFile(
                    File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, Everything), path, true),
                FileOpening.ReadOnly => new SystemFile(
                    File.OpenHandle(path, FileMode.Open, FileAccess.Read, Everything), path, false),
                _ => throw new ArgumentOutOfRangeException(nameof(opening)),
            };
        }
        catch (IOException exception) when (Native.IsDiskFull(exception))
        {
            throw new DiskFullException(path, exception);
        }
    }

    /// <inheritdoc/>
    public bool FileExists(string path) => File.Exists(path);

    /// <inheritdoc/>
    public bool DirectoryExists(string path) => Directory.Exists(path);

    /// <inheritdoc/>
    public void CreateDirectory(string path)
    {
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (IOException exception) when (Native.IsDiskFull(exception))
        {
            throw new DiskFullException(path, exception);
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> List(string path)
    {
        var names = Directory.EnumerateFileSystemEntries(path).Select(entry => Path.GetFileName(entry)).ToArray();
        Array.Sort(names, StringComparer.Ordinal);
        return names;
    }

    /// <inheritdoc/>
    public void Rename(string source, string target)
    {
        if (Directory.Exists(target))
        {
            throw new IOException($"Cannot rename '{source}' to '{target}': a directory has that name.");
        }

        try
        {
            File.Move(source, target, overwrite: true);
        }
        catch (IOException exception) when (Native.IsDiskFull(exception))
        {
            throw new DiskFullException(target, exception);
        }
    }

    /// <inheritdoc/>
    public bool TryRename(string source, string target)
    {
        if (Native.IsUnix)
        {
            return Native.TryRename(source, target);
        }

        try
        {
            // On Windows this is one call that refuses a name that is taken.
            File.Move(source, target, overwrite: false);
            return true;
        }
        catch (IOException exception) when (Native.IsNameTaken(exception))
        {
            return false;
        }
        catch (IOException exception) when (Native.IsDiskFull(exception))
        {
            throw new DiskFullException(target, exception);
        }
    }

    /// <inheritdoc/>
    public IDisposable? TryWatch(string path, Action changed)
    {
        if (!Directory.Exists(path))
        {
            throw new DirectoryNotFoundException($"Cannot watch the directory '{path}': there is none.");
        }

        var watcher = new FileSystemWatcher(path) { NotifyFilter = NotifyFilters.FileName };
        watcher.Created += (_, _) => changed();
        watcher.Renamed += (_, _) => changed();
        watcher.Deleted += (_, _) => changed();

        // Calls were dropped, or the directory went away: whoever watches looks for itself.
        watcher.Error += (_, _) => changed();
        try
        {
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch (Exception exception) when (exception is IOException or PlatformNotSupportedException)
        {
            // The user's share of watches is used up, or the file system has none.
            watcher.Dispose();
            return null;
        }
    }

    /// <inheritdoc/>
    public void Delete(string path)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"Cannot delete '{path}': there is no such file.", path);
        }

        File.Delete(path);
    }

    /// <inheritdoc/>
    public void FlushDirectory(string path)
    {
        if (!Directory.Exists(path))
        {
            throw new DirectoryNotFoundException($"Cannot flush the directory '{path}': there is none.");
        }

        // Windows has no call for this: NTFS journals its names in order by itself.
        if (Native.IsUnix)
        {
            Native.FlushDirectory(path);
        }
    }

    /// <inheritdoc/>
    public IDisposable? TryLock(string path)
    {
        FileStream? opened = null;
        var isLocked = false;
        try
        {
            // On Unix this is flock, so it holds against other processes and other handles of this one, and the
            // kernel gives it back when the process ends, however it ends.
            opened = OpenToLock(path);
            isLocked = !Native.IsUnix || Native.TryLock(opened.SafeFileHandle, path, opened.CanWrite);
            return isLocked ? opened : null;
        }
        catch (IOException exception) when (Native.IsSharingViolation(exception))
        {
            return null;
        }
        catch (IOException exception) when (Native.IsDiskFull(exception))
        {
            throw new DiskFullException(path, exception);
        }
        finally
        {
            if (!isLocked)
            {
                opened?.Dispose();
            }
        }
    }

    private static FileStream OpenToLock(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, bufferSize: 0);
        }
        catch (Exception exception) when (File.Exists(path) &&
            (exception is UnauthorizedAccessException || (exception is IOException io && Native.IsReadOnlyMedium(io))))
        {
            // Who may only read, or has a medium that nobody can write to, can hold the lock all the same.
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.None, bufferSize: 0);
        }
    }

    private static SystemFile CreatePrivate(string path)
    {
        var options = new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = Everything,
            BufferSize = 0,
        };
        if (!OperatingSystem.IsWindows())
        {
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        // Only a stream can be given a mode, and only a plain handle is wanted.
        new FileStream(path, options).Dispose();
        return new SystemFile(
            File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, Everything), path, isWritable: true);
    }
}
