namespace Ledger.Runtime;

/// <summary>How a file is opened.</summary>
public enum FileOpening
{
    /// <summary>Makes a new, empty file for reading and writing; an error when the name is taken.</summary>
    CreateNew,

    /// <summary>Opens a file that exists for reading and writing.</summary>
    ReadWrite,

    /// <summary>Opens a file that exists for reading.</summary>
    ReadOnly,

    /// <summary>
    /// As <see cref="CreateNew"/>, and only its owner may read and write the file, where the system knows owners.
    /// </summary>
    CreateNewPrivate,
}

/// <summary>The disk seam: what Ledger asks of a file system, and no more.</summary>
/// <remarks>
/// Every member blocks; callers go through <see cref="IScheduler.Offload"/>. Errors are <see cref="IOException"/>
/// (<see cref="FileNotFoundException"/>, <see cref="DirectoryNotFoundException"/>, <see cref="DiskFullException"/>) or
/// <see cref="UnauthorizedAccessException"/>. A name that was made, renamed or removed survives power loss only after
/// <see cref="FlushDirectory"/> of its directory; contents only after <see cref="IFile.Flush"/>.
/// </remarks>
public interface IFileSystem
{
    /// <summary>Opens or makes the file at <paramref name="path"/>.</summary>
    IFile Open(string path, FileOpening opening);

    /// <summary>True when a file, not a directory, is at <paramref name="path"/>.</summary>
    bool FileExists(string path);

    /// <summary>True when a directory is at <paramref name="path"/>.</summary>
    bool DirectoryExists(string path);

    /// <summary>Makes the directory and the missing ones above it; does nothing when it exists.</summary>
    void CreateDirectory(string path);

    /// <summary>Names (not paths) of the files and directories in a directory, in ordinal order.</summary>
    IReadOnlyList<string> List(string path);

    /// <summary>Gives a file a new name atomically, replacing a file that has it.</summary>
    void Rename(string source, string target);

    /// <summary>Gives a file a new name atomically, unless the name is taken.</summary>
    /// <remarks>
    /// Of any number of processes that want one name, exactly one gets it, also on a shared file system. A process
    /// that dies meanwhile may leave the file with both names. On some shared file systems false may come although
    /// this call succeeded, when its answer was lost: whoever must know looks at what has the name.
    /// </remarks>
    /// <returns>False when a file or a directory has the name; then nothing was changed.</returns>
    /// <exception cref="IOException">The file system cannot do this, or refused.</exception>
    bool TryRename(string source, string target);

    /// <summary>Removes a file; an error when there is none.</summary>
    void Delete(string path);

    /// <summary>Makes the names in a directory durable.</summary>
    void FlushDirectory(string path);

    /// <summary>Takes an exclusive lock on the file at <paramref name="path"/>, which is made when missing.</summary>
    /// <returns>The lock, released by disposal or by the end of the process; null when someone else holds it.</returns>
    /// <exception cref="IOException">The file system cannot lock: nobody would be kept out.</exception>
    IDisposable? TryLock(string path);

    /// <summary>Calls back after names in a directory changed: made, renamed to or from, or removed.</summary>
    /// <remarks>
    /// A hint and no more: a call may come late, twice, for nothing, or not at all, on a shared file system never for
    /// what another machine did. Whoever watches must also look by itself now and then.
    /// </remarks>
    /// <param name="path">A directory that exists.</param>
    /// <param name="changed">Called on any thread, several times at once; must be short and must not throw.</param>
    /// <returns>Ends the watch when disposed; null when this directory cannot be watched.</returns>
    IDisposable? TryWatch(string path, Action changed);
}

/// <summary>An open file, read and written at offsets. Safe for concurrent reads and one writer.</summary>
public interface IFile : IDisposable
{
    /// <summary>Length in bytes.</summary>
    long Length { get; }

    /// <summary>Reads at most the buffer's length from <paramref name="offset"/>.</summary>
    /// <returns>Bytes read, perhaps fewer than asked; 0 only at or after the end.</returns>
    int Read(long offset, Span<byte> buffer);

    /// <summary>
    /// Writes all of <paramref name="content"/> at <paramref name="offset"/>, growing the file when needed.
    /// </summary>
    /// <exception cref="DiskFullException">There is no room; any part of the content may have been written.</exception>
    void Write(long offset, ReadOnlySpan<byte> content);

    /// <summary>Makes everything written so far, and the length, durable.</summary>
    /// <remarks>
    /// After it failed, nothing is known of what was written since the last success; never call it again.
    /// </remarks>
    void Flush();

    /// <summary>Cuts the file, or grows it with zeros.</summary>
    void SetLength(long length);

    /// <summary>
    /// Reserves room so that writes below <paramref name="length"/> need none; grows the length with zeros.
    /// </summary>
    /// <exception cref="DiskFullException">There is no room; the length is unchanged.</exception>
    void Preallocate(long length);
}

/// <summary>Reads that do not stop short.</summary>
internal static class FileExtensions
{
    extension(IFile file)
    {
        /// <summary>Fills the buffer as far as the file goes.</summary>
        /// <returns>Bytes read; fewer than the buffer's length only at the end of the file.</returns>
        public int ReadFully(long offset, Span<byte> buffer)
        {
            var total = 0;
            while (total < buffer.Length)
            {
                var count = file.Read(offset + total, buffer[total..]);
                if (count == 0)
                {
                    break;
                }

                total += count;
            }

            return total;
        }
    }
}
