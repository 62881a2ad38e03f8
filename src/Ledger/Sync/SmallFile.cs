using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>Files that are read and written as a whole. Blocks: call it offloaded.</summary>
internal static class SmallFile
{
    /// <summary>Reads a file.</summary>
    /// <exception cref="IOException">It is longer than it may be, or cannot be read.</exception>
    public static byte[] Read(IFileSystem files, string path, int sizeBytesMax)
    {
        using var file = files.Open(path, FileOpening.ReadOnly);
        if (file.Length > sizeBytesMax)
        {
            throw new IOException($"The file '{path}' has {file.Length} bytes, more than {sizeBytesMax}.");
        }

        var content = new byte[file.Length];
        return content[..file.ReadFully(0, content)];
    }

    /// <summary>Makes a file that only its owner may read; durable when it returns.</summary>
    /// <exception cref="IOException">The name is taken, or the disk refuses.</exception>
    public static void WriteNew(IFileSystem files, string path, ReadOnlySpan<byte> content)
    {
        using (var file = files.Open(path, FileOpening.CreateNewPrivate))
        {
            file.Write(0, content);
            file.Flush();
        }

        files.FlushDirectory(ParentOf(path));
    }

    /// <summary>Puts a file that only its owner may read in the place of another, or of none; durable.</summary>
    public static void Replace(IFileSystem files, string path, ReadOnlySpan<byte> content)
    {
        var newPath = path + ".new";
        if (files.FileExists(newPath))
        {
            files.Delete(newPath);
        }

        WriteNew(files, newPath, content);
        files.Rename(newPath, path);
        files.FlushDirectory(ParentOf(path));
    }

    /// <summary>Turns what the disk says into what the library says.</summary>
    /// <exception cref="StoreUnavailableException">The disk refused.</exception>
    public static T Guard<T>(string path, Func<T> work)
    {
        try
        {
            return work();
        }
        catch (DiskFullException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.DiskFull, $"The disk is full; '{path}' was not written.", error);
        }
        catch (IOException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.InputOutput, $"'{path}' cannot be used. {error.Message}", error);
        }
        catch (UnauthorizedAccessException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Denied, $"'{path}' may not be used by this user. {error.Message}", error);
        }
    }

    private static string ParentOf(string path) => Path.GetDirectoryName(path) is { Length: > 0 } parent ? parent : ".";
}
