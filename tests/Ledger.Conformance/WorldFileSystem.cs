using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>Passes everything on to a file system, and fails the run when a call comes from elsewhere.</summary>
/// <remarks>Handles and locks may be disposed from anywhere, so that a failed run can be cleaned up.</remarks>
/// <param name="world">Whose thread the calls must come from.</param>
/// <param name="inner">Does the work.</param>
public sealed class WorldFileSystem(WorldScheduler world, IFileSystem inner) : IFileSystem
{
    private IFileSystem Inner
    {
        get
        {
            world.CheckThread("The file system was called");
            return inner;
        }
    }

    /// <inheritdoc/>
    public IFile Open(string path, FileOpening opening) => new WorldFile(world, Inner.Open(path, opening));

    /// <inheritdoc/>
    public bool FileExists(string path) => Inner.FileExists(path);

    /// <inheritdoc/>
    public bool DirectoryExists(string path) => Inner.DirectoryExists(path);

    /// <inheritdoc/>
    public void CreateDirectory(string path) => Inner.CreateDirectory(path);

    /// <inheritdoc/>
    public IReadOnlyList<string> List(string path) => Inner.List(path);

    /// <inheritdoc/>
    public void Rename(string source, string target) => Inner.Rename(source, target);

    /// <inheritdoc/>
    public bool TryRename(string source, string target) => Inner.TryRename(source, target);

    /// <inheritdoc/>
    public IDisposable? TryWatch(string path, Action changed) => Inner.TryWatch(path, changed);

    /// <inheritdoc/>
    public void Delete(string path) => Inner.Delete(path);

    /// <inheritdoc/>
    public void FlushDirectory(string path) => Inner.FlushDirectory(path);

    /// <inheritdoc/>
    public IDisposable? TryLock(string path) => Inner.TryLock(path);

    private sealed class WorldFile(WorldScheduler world, IFile inner) : IFile
    {
        public long Length => Inner.Length;

        private IFile Inner
        {
            get
            {
                world.CheckThread("A file was used");
                return inner;
            }
        }

        public int Read(long offset, Span<byte> buffer) => Inner.Read(offset, buffer);

        public void Write(long offset, ReadOnlySpan<byte> content) => Inner.Write(offset, content);

        public void Flush() => Inner.Flush();

        public void SetLength(long length) => Inner.SetLength(length);

        public void Preallocate(long length) => Inner.Preallocate(length);

        public void Dispose() => inner.Dispose();
    }
}
