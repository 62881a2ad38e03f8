using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>Opens the files of a store: lock, manifest, runs, log. Blocks: call it offloaded.</summary>
internal static class StoreOpening
{
    /// <summary>Makes a store of what was opened.</summary>
    public delegate SegmentStore Maker(
        LedgerRuntime runtime, string directory, SegmentStoreOptions options, IDisposable? heldLock, Manifest manifest,
        StoreIndex index, RecoveredLog recovered);

    /// <summary>Opens the store of a directory.</summary>
    public static SegmentStore Open(
        LedgerRuntime runtime, string directory, SegmentStoreOptions options, Maker make)
    {
        try
        {
            return OpenLocked(runtime, directory, options, make);
        }
        catch (DiskFullException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.DiskFull, $"The disk is full; the store in '{directory}' was not opened.",
                error);
        }
        catch (IOException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.InputOutput,
                $"The store in '{directory}' could not be opened. {error.Message}", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Denied,
                $"The store in '{directory}' may not be opened by this user. {error.Message}", error);
        }
    }

    private static SegmentStore OpenLocked(
        LedgerRuntime runtime, string directory, SegmentStoreOptions options, Maker make)
    {
        var mayCreate = options.CreateIfMissing && !options.ReadOnly;
        if (!runtime.Files.DirectoryExists(directory))
        {
            if (!mayCreate)
            {
                throw NoStore(directory);
            }

            runtime.Files.CreateDirectory(directory);
        }

        var heldLock = TakeLock(runtime.Files, directory, options);
        var index = new StoreIndex(runtime, options.CacheSizeBytes);
        SegmentStore? store = null;
        RecoveredLog? recovered = null;
        try
        {
            var manifest = Manifest.Read(runtime.Files, directory) ??
                (mayCreate ? Create(runtime, directory, options) : throw NoStore(directory));
            OpenRuns(runtime.Files, directory, manifest, index);
            recovered = LogRecovery.Run(runtime.Files, directory, manifest, options, index);
            store = make(runtime, directory, options, heldLock, manifest, index, recovered);
            return store;
        }
        finally
        {
            if (store is null)
            {
                recovered?.Segments.Dispose();
                index.Dispose();
                heldLock?.Dispose();
            }
        }
    }

    private static IDisposable? TakeLock(IFileSystem files, string directory, SegmentStoreOptions options)
    {
        var path = Path.Combine(directory, LogFormat.LockName);
        if (options.ReadOnly && !files.FileExists(path))
        {
            return null; // A read-only open creates nothing.
        }

        return files.TryLock(path) ?? throw new StoreUnavailableException(
            StoreUnavailableReason.Locked,
            $"The store in '{directory}' is open in another process, or twice in this one.");
    }

    private static Manifest Create(LedgerRuntime runtime, string directory, SegmentStoreOptions options)
    {
        var names = runtime.Files.List(directory);
        if (LogFormat.SegmentNumbers(names).Any() || LogFormat.RunNumbers(names).Any())
        {
            throw new CorruptObjectException($"'{directory}' has segments or runs, but no manifest");
        }

        // Also when the directory was there: whoever made it may not have come to flush its name.
        if (Path.GetDirectoryName(directory) is { Length: > 0 } parent)
        {
            runtime.Files.FlushDirectory(parent);
        }

        var manifest = Manifest.Create(runtime.Random);
        manifest.Write(runtime.Files, directory, options.Bugs);
        return manifest;
    }

    /// <summary>Opens the runs one after the other; the index owns each as soon as it is open.</summary>
    private static void OpenRuns(IFileSystem files, string directory, Manifest manifest, StoreIndex index)
    {
        foreach (var entry in manifest.Runs)
        {
            var path = Path.Combine(directory, LogFormat.RunName(entry.Number));
            if (!files.FileExists(path))
            {
                throw new CorruptObjectException($"run {LogFormat.RunName(entry.Number)} is not in '{directory}'");
            }

            index.AddOldest(Run.Open(files.Open(path, FileOpening.ReadOnly), manifest.StoreId, entry, index.Cache));
        }
    }

    private static StoreUnavailableException NoStore(string directory) => new(
        StoreUnavailableReason.NotARepository, $"There is no store in '{directory}'.");
}
