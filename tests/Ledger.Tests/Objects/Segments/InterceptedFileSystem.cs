using Ledger.Runtime;

namespace Ledger.Tests.Objects.Segments;

/// <summary>A disk that tells a test of every call before it is made and after, so that it can wait or throw.</summary>
/// <remarks>
/// Calls are named open, rename, delete, list, flush directory; read, write, flush, set length, preallocate.
/// </remarks>
internal sealed class InterceptedFileSystem(IFileSystem disk) : IFileSystem
{
    /// <summary>Told of a call and its path before it is made; may throw instead.</summary>
    public Action<string, string> Before { get; set; } = static (_, _) => { };

    /// <summary>Told of a call and its path once it has been made.</summary>
    public Action<string, string> After { get; set; } = static (_, _) => { };

    /// <summary>Files that are open.</summary>
    public int OpenFiles { get; private set; }

    public IFile Open(string path, FileOpening opening) =>
        Do("open", path, () =>
        {
            var file = new InterceptedFile(this, path, disk.Open(path, opening));
            OpenFiles++;
            return file;
        });

    public bool FileExists(string path) => disk.FileExists(path);

    public bool DirectoryExists(string path) => disk.DirectoryExists(path);

    public void CreateDirectory(string path) => disk.CreateDirectory(path);

    public IReadOnlyList<string> List(string path) => Do("list", path, () => disk.List(path));

    public void Rename(string source, string target) => Do("rename", source, () => disk.Rename(source, target));

    public bool TryRename(string source, string target) =>
        Do("rename", source, () => disk.TryRename(source, target));

    public void Delete(string path) => Do("delete", path, () => disk.Delete(path));

    public void FlushDirectory(string path) => Do("flush directory", path, () => disk.FlushDirectory(path));

    public IDisposable? TryLock(string path) => disk.TryLock(path);

    public IDisposable? TryWatch(string path, Action changed) => disk.TryWatch(path, changed);

    private void Do(string call, string path, Action action) => Do(call, path, () =>
    {
        action();
        return true;
    });

    private TResult Do<TResult>(string call, string path, Func<TResult> function)
    {
        Before(call, path);
        var result = function();
        After(call, path);
        return result;
    }

    private sealed class InterceptedFile(InterceptedFileSystem files, string path, IFile file) : IFile
    {
        private bool _isClosed;

        public long Length => file.Length;

        public int Read(long offset, Span<byte> buffer)
        {
            files.Before("read", path);
            var count = file.Read(offset, buffer);
            files.After("read", path);
            return count;
        }

        public void Write(long offset, ReadOnlySpan<byte> content)
        {
            files.Before("write", path);
            file.Write(offset, content);
            files.After("write", path);
        }

        public void Flush() => files.Do("flush", path, file.Flush);

        public void SetLength(long length) => files.Do("set length", path, () => file.SetLength(length));

        public void Preallocate(long length) => files.Do("preallocate", path, () => file.Preallocate(length));

        public void Dispose()
        {
            files.OpenFiles -= _isClosed ? 0 : 1;
            _isClosed = true;
            file.Dispose();
        }
    }
}
