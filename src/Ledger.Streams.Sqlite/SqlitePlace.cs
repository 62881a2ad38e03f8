using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Streams.Sqlite;

/// <summary>Why the file of a database cannot be opened, of which SQLite says nothing.</summary>
internal static class SqlitePlace
{
    /// <summary>The exception for a file that SQLite could not open or read. Blocks.</summary>
    /// <param name="files">The disk.</param>
    /// <param name="path">The file.</param>
    /// <param name="error">SQLite's error.</param>
    public static StoreUnavailableException Refusal(IFileSystem files, string path, Exception error)
    {
        var directory = Path.GetDirectoryName(Path.GetFullPath(path));
        if (files.DirectoryExists(path))
        {
            return new(
                StoreUnavailableReason.NotARepository, $"The database '{path}' is a directory, not a file.", error);
        }

        if (directory is not null && !files.DirectoryExists(directory))
        {
            return new(
                StoreUnavailableReason.InputOutput,
                $"The database '{path}' cannot be opened: there is no directory '{directory}'.", error);
        }

        return IsDenied(files, path)
            ? new(StoreUnavailableReason.Denied, $"The database '{path}' may not be opened by this user.", error)
            : new(StoreUnavailableReason.InputOutput, $"The database '{path}' cannot be opened or read.", error);
    }

    private static bool IsDenied(IFileSystem files, string path)
    {
        try
        {
            // A file that is missing is tried under another name: somebody else may make it at this moment.
            var isThere = files.FileExists(path);
            var tried = isThere ? path : $"{path}-access";
            files.Open(tried, isThere ? FileOpening.ReadOnly : FileOpening.CreateNewPrivate).Dispose();
            if (!isThere)
            {
                files.Delete(tried);
            }

            return false;
        }
        catch (UnauthorizedAccessException)
        {
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
