using Ledger.Runtime;

namespace Ledger.Benchmarks.Measuring;

/// <summary>Counts what goes through the disk seam: the same files, with four counters.</summary>
internal sealed class CountingFileSystem(IFileSystem inner) : IFileSystem
{
    private long _flushes;
    private long _directoryFlushes;
    private long _bytesWritten;
    private long _bytesRead;

    /// <summary>Flushes of file contents.</summary>
    public long Flushes => Interlocked.Read(ref _flushes);

    /// <summary>Flushes of directories.</summary>
    public long DirectoryFlushes => Interlocked.Read(ref _directoryFlushes);

    /// <summary>Bytes handed over to be written.</summary>
    public long BytesWritten => Interlocked.Read(ref _bytesWritten);

    /// <summary>Bytes that came back from reads.</summary>
    public long BytesRead => Interlocked.Read(ref _bytesRead);

    /// <inheritdoc/>
    public IFile Open(string path, FileOpening opening) => new CountingFile(this, inner.Open(path, opening));

    /// <inheritdoc/>
    public bool FileExists(string path) => inner.FileExists(path);

    /// <inheritdoc/>
    public bool DirectoryExists(string path) => inner.DirectoryExists(path);

    /// <inheritdoc/>
    public void CreateDirectory(string path) => inner.CreateDirectory(path);

    /// <inheritdoc/>
    public IReadOnlyList<string> List(string path) => inner.List(path);

    /// <inheritdoc/>
    public void Rename(string source, string target) => inner.Rename(source, target);

    /// <inheritdoc/>
    public bool TryRename(string source, string target) => inner.TryRename(source, target);

    /// <inheritdoc/>
    public IDisposable? TryWatch(string path, Action changed) => inner.TryWatch(path, changed);

    /// <inheritdoc/>
    public void Delete(string path) => inner.Delete(path);

    /// <inheritdoc/>
    public void FlushDirectory(string path)
    {
        Interlocked.Increment(ref _directoryFlushes);
        inner.FlushDirectory(path);
    }

    /// <inheritdoc/>
    public IDisposable? TryLock(string path) => inner.TryLock(path);

    private sealed class CountingFile(CountingFileSystem counts, IFile inner) : IFile
    {
        public long Length => inner.Length;

        public int Read(long offset, Span<byte> buffer)
        {
            var count = inner.Read(offset, buffer);
            Interlocked.Add(ref counts._bytesRead, count);
            return count;
        }

        public void Write(long offset, ReadOnlySpan<byte> content)
        {
            Interlocked.Add(ref counts._bytesWritten, content.Length);
            inner.Write(offset, content);
        }

        public void Flush()
        {
            Interlocked.Increment(ref counts._flushes);
            inner.Flush();
        }

        public void SetLength(long length) => inner.SetLength(length);

        public void Preallocate(long length) => inner.Preallocate(length);

        public void Dispose() => inner.Dispose();
    }
}
