using Ledger.Conformance;
using Ledger.Runtime;

namespace Ledger.Tests.Objects.Segments;

/// <summary>
/// A disk as one run of a program sees it: counts what is done, and ends with everything open when killed.
/// </summary>
internal sealed class LifeFileSystem(IFileSystem disk) : IFileSystem
{
    private readonly Lock _gate = new();
    private readonly List<IDisposable> _open = [];
    private bool _isKilled;

    public long BytesRead { get; private set; }

    public long BytesWritten { get; private set; }

    public int Flushes { get; private set; }

    public int FilesOpened { get; private set; }

    public int FilesOpenMax { get; private set; }

    /// <summary>Ends the process: nothing works any more, and its files and locks are free.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            _isKilled = true;
            foreach (var open in _open.ToArray())
            {
                open.Dispose();
            }

            _open.Clear();
        }
    }

    public IFile Open(string path, FileOpening opening) => Do(() =>
    {
        var file = new LifeFile(this, disk.Open(path, opening));
        _open.Add(file);
        FilesOpened++;
        FilesOpenMax = Math.Max(FilesOpenMax, _open.Count);
        return file;
    });

    public bool FileExists(string path) => Do(() => disk.FileExists(path));

    public bool DirectoryExists(string path) => Do(() => disk.DirectoryExists(path));

    public void CreateDirectory(string path) => Do(() => disk.CreateDirectory(path));

    public IReadOnlyList<string> List(string path) => Do(() => disk.List(path));

    public void Rename(string source, string target) => Do(() => disk.Rename(source, target));

    public bool TryRename(string source, string target) => Do(() => disk.TryRename(source, target));

    public IDisposable? TryWatch(string path, Action changed) => disk.TryWatch(path, changed);

    public void Delete(string path) => Do(() => disk.Delete(path));

    public void FlushDirectory(string path) => Do(() => disk.FlushDirectory(path));

    public IDisposable? TryLock(string path) => Do(() =>
    {
        var taken = disk.TryLock(path);
        if (taken is not null)
        {
            _open.Add(taken);
        }

        return taken;
    });

    private void Do(Action action) => Do(() =>
    {
        action();
        return true;
    });

    private TResult Do<TResult>(Func<TResult> function)
    {
        lock (_gate)
        {
            return _isKilled ? throw new SimulatedCrashException("The process was killed.") : function();
        }
    }

    private sealed class LifeFile(LifeFileSystem life, IFile file) : IFile
    {
        public long Length => life.Do(() => file.Length);

        public int Read(long offset, Span<byte> buffer)
        {
            lock (life._gate)
            {
                ObjectDisposedException.ThrowIf(life._isKilled, this);
                var count = file.Read(offset, buffer);
                life.BytesRead += count;
                return count;
            }
        }

        public void Write(long offset, ReadOnlySpan<byte> content)
        {
            lock (life._gate)
            {
                life.Do(() => true);
                life.BytesWritten += content.Length;
                file.Write(offset, content);
            }
        }

        public void Flush() => life.Do(() =>
        {
            life.Flushes++;
            file.Flush();
        });

        public void SetLength(long length) => life.Do(() => file.SetLength(length));

        public void Preallocate(long length) => life.Do(() => file.Preallocate(length));

        public void Dispose()
        {
            lock (life._gate)
            {
                life._open.Remove(this);
                file.Dispose();
            }
        }
    }
}
