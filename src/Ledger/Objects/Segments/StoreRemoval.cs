using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>Removes a store that nobody has open (docs/formats/repository.md). Blocks: call it offloaded.</summary>
internal static class StoreRemoval
{
    /// <summary>
    /// Removes every file of a directory. What a crash leaves on the way opens: as the whole store, or as an empty
    /// one.
    /// </summary>
    /// <exception cref="IOException">The disk refused; the same call goes on from there.</exception>
    public static void Run(LedgerRuntime runtime, string directory)
    {
        var files = runtime.Files;
        if (!TryEmpty(runtime, directory))
        {
            // On a disk that has no room for a manifest, the old one goes first: a store of which parts are missing
            // must not open. What a crash leaves then is refused as damaged, until it is removed again.
            Remove(files, directory, static name => name == LogFormat.ManifestName);
        }

        Remove(files, directory, static name => name != LogFormat.ManifestName);
        Remove(files, directory, static _ => true);
    }

    /// <summary>
    /// Gives the directory the manifest of a new store: recovery passes over segments and runs of another one.
    /// </summary>
    private static bool TryEmpty(LedgerRuntime runtime, string directory)
    {
        try
        {
            Manifest.Create(runtime.Random).Write(runtime.Files, directory, PlantedBugs.None);
            return true;
        }
        catch (DiskFullException)
        {
            return false;
        }
    }

    private static void Remove(IFileSystem files, string directory, Func<string, bool> isMeant)
    {
        foreach (var name in files.List(directory).Where(isMeant))
        {
            files.Delete(Path.Combine(directory, name));
        }

        files.FlushDirectory(directory);
    }
}
