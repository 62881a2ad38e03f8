using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;

namespace Ledger;

/// <summary>The files of a repository, apart from those of its ledgers' stores. Blocks: call it offloaded.</summary>
internal sealed class RepositoryDirectory : IDisposable
{
    private const string LockName = "LOCK";
    private const string LedgersName = "ledgers";
    private const int LedgerNameSizeBytes = 16;

    private readonly IFileSystem _files;
    private readonly string _path;
    private readonly IDisposable? _lock;

    private RepositoryDirectory(IFileSystem files, string path, RepositoryFile file, IDisposable? heldLock)
    {
        (_files, _path, File, _lock) = (files, path, file, heldLock);
    }

    /// <summary>What the repository's file says.</summary>
    public RepositoryFile File { get; }

    /// <summary>Opens a repository, or makes one.</summary>
    /// <exception cref="StoreUnavailableException">It is none, is in use, is denied to this user, or
    /// the disk refuses.</exception>
    /// <exception cref="CorruptObjectException">Its file is damaged.</exception>
    /// <exception cref="FormatTooNewException">A newer version made it.</exception>
    public static RepositoryDirectory Open(LedgerRuntime runtime, string path, RepositoryOptions options)
    {
        try
        {
            return OpenUnguarded(runtime, path, options);
        }
        catch (DiskFullException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.DiskFull, $"The disk is full; the repository '{path}' was not opened.", error);
        }
        catch (IOException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.InputOutput,
                $"The repository '{path}' could not be opened. {error.Message}", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Denied,
                $"The repository '{path}' may not be opened by this user. {error.Message}", error);
        }
    }

    /// <summary>Where the store of a ledger is.</summary>
    public string PathOf(string ledger)
    {
        Span<byte> hash = stackalloc byte[ObjectId.HashSizeBytes];
        Blake3.Hash(CommitCodec.StrictUtf8.GetBytes(ledger), hash);
        return Path.Combine(_path, LedgersName, Convert.ToHexStringLower(hash[..LedgerNameSizeBytes]));
    }

    /// <summary>
    /// Whether a store was ever made at a path of <see cref="PathOf"/>: more than what a creation that a crash cut
    /// short leaves behind.
    /// </summary>
    public bool HasStore(string path) => _files.DirectoryExists(path) && _files.List(path).Any(
        static name => name is not (LogFormat.LockName or LogFormat.NewManifestName));

    /// <summary>Makes the directory above the stores, durably.</summary>
    public void PrepareForStores()
    {
        // Flushed also when it is there: whoever made it may have died before that.
        _files.CreateDirectory(Path.Combine(_path, LedgersName));
        _files.FlushDirectory(_path);
    }

    /// <summary>Where the file with the settings of synchronisation is, or is to be.</summary>
    public string SyncPath => Path.Combine(_path, Sync.SyncFile.Name);

    /// <summary>Removes the files of every store; the caller has closed them.</summary>
    /// <param name="runtime">Gives random numbers.</param>
    /// <returns>How many stores there were.</returns>
    public int RemoveStores(LedgerRuntime runtime)
    {
        var stores = ListStores();
        foreach (var store in stores)
        {
            StoreRemoval.Run(runtime, store);
        }

        return stores.Count;
    }

    /// <summary>Where the stores are that were ever made, in ordinal order.</summary>
    public IReadOnlyList<string> ListStores()
    {
        var path = Path.Combine(_path, LedgersName);
        return _files.DirectoryExists(path)
            ? [.. _files.List(path).Where(IsStoreName).Select(name => Path.Combine(path, name))]
            : [];
    }

    /// <inheritdoc/>
    public void Dispose() => _lock?.Dispose();

    private static RepositoryDirectory OpenUnguarded(LedgerRuntime runtime, string path, RepositoryOptions options)
    {
        var files = runtime.Files;
        var filePath = Path.Combine(path, RepositoryFile.Name);
        if (!files.FileExists(filePath))
        {
            CheckMayCreate(files, path, options);
            CreateDirectory(files, path);
        }

        var heldLock = TakeLock(files, path, options);
        RepositoryDirectory? opened = null;
        try
        {
            // Looked for again: somebody may have made it before the lock was taken.
            var file = files.FileExists(filePath) ? Read(files, filePath) : Create(runtime, path, options);
            return opened = new RepositoryDirectory(files, path, file, heldLock);
        }
        finally
        {
            if (opened is null)
            {
                heldLock?.Dispose();
            }
        }
    }

    private static void CheckMayCreate(IFileSystem files, string path, RepositoryOptions options)
    {
        var found = files.DirectoryExists(path) ? files.List(path) : null;

        // What a creation that a crash cut short leaves behind may be taken over; anything else is somebody's.
        if (files.FileExists(path) || found?.Any(name => name is not (LockName or RepositoryFile.NewName)) == true)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.NotARepository,
                $"'{path}' is not a repository and holds something else; it was left as it is.");
        }

        if (!options.CreateIfMissing || options.ReadOnly)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.NotARepository, $"There is no repository in '{path}'.");
        }
    }

    /// <summary>Makes a directory and the missing ones above it, so that all of them survive power loss.</summary>
    private static void CreateDirectory(IFileSystem files, string path)
    {
        var missing = new Stack<string>();
        for (var at = path; !files.DirectoryExists(at); at = ParentOf(at))
        {
            missing.Push(at);
        }

        files.CreateDirectory(path);
        while (missing.TryPop(out var made))
        {
            files.FlushDirectory(ParentOf(made));
        }
    }

    /// <summary>Makes the name of a directory durable, and those of the directories above it.</summary>
    private static void FlushNamesAbove(IFileSystem files, string path)
    {
        var parent = ParentOf(path);
        files.FlushDirectory(parent);
        while (Path.GetDirectoryName(parent) is { Length: > 0 } above)
        {
            try
            {
                files.FlushDirectory(above);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return; // Not a directory in which another opening could have made one.
            }

            parent = above;
        }
    }

    private static string ParentOf(string path) => Path.GetDirectoryName(path) is { Length: > 0 } parent ? parent : ".";

    private static IDisposable? TakeLock(IFileSystem files, string path, RepositoryOptions options)
    {
        var lockPath = Path.Combine(path, LockName);
        if (options.ReadOnly && !files.FileExists(lockPath))
        {
            return null;
        }

        return files.TryLock(lockPath) ?? throw new StoreUnavailableException(
            StoreUnavailableReason.Locked,
            $"The repository '{path}' is open in another process, or twice in this one.");
    }

    private static RepositoryFile Read(IFileSystem files, string path)
    {
        using var file = files.Open(path, FileOpening.ReadOnly);

        // One byte more than there should be shows that there is more.
        var content = new byte[RepositoryFile.SizeBytes + 1];
        return RepositoryFile.Decode(content.AsSpan(0, file.ReadFully(0, content)));
    }

    private static RepositoryFile Create(LedgerRuntime runtime, string path, RepositoryOptions options)
    {
        var created = RepositoryFile.Create(runtime);
        if (options.Secret is { } secret)
        {
            created = created with { Secret = secret };
        }

        var files = runtime.Files;
        var newPath = Path.Combine(path, RepositoryFile.NewName);
        if (files.FileExists(newPath))
        {
            files.Delete(newPath);
        }

        // It holds the secret.
        using (var file = files.Open(newPath, FileOpening.CreateNewPrivate))
        {
            file.Write(0, created.Encode());
            file.Flush();
        }

        // Also when the directory was there: whoever made it may not have come to that, or have died before.
        FlushNamesAbove(files, path);
        files.Rename(newPath, Path.Combine(path, RepositoryFile.Name));
        files.FlushDirectory(path);
        return created;
    }

    private static bool IsStoreName(string name) =>
        name.Length == 2 * LedgerNameSizeBytes && name.All(char.IsAsciiHexDigitLower);
}
