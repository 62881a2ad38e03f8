using Ledger.Runtime;

namespace Ledger.Simulation.Worlds;

/// <summary>A device's disk as one life of it sees it. Handles may be disposed of by anyone.</summary>
/// <param name="life">Whose calls they must be.</param>
/// <param name="inner">The disk.</param>
internal sealed class LifeFiles(Life life, IFileSystem inner) : IFileSystem
{
    public IFile Open(string path, FileOpening opening)
    {
        if (opening is FileOpening.CreateNew or FileOpening.CreateNewPrivate)
        {
            life.Change(10, Hash(path));
        }
        else
        {
            life.Call(10, Hash(path));
        }

        return new LifeFile(life, inner.Open(path, opening));
    }

    public bool FileExists(string path)
    {
        life.Call(11, Hash(path));
        return inner.FileExists(path);
    }

    public bool DirectoryExists(string path)
    {
        life.Call(12, Hash(path));
        return inner.DirectoryExists(path);
    }

    public void CreateDirectory(string path)
    {
        life.Change(13, Hash(path));
        inner.CreateDirectory(path);
    }

    public IReadOnlyList<string> List(string path)
    {
        life.Call(14, Hash(path));
        return inner.List(path);
    }

    public void Rename(string source, string target)
    {
        life.Change(15, Hash(source));
        inner.Rename(source, target);
    }

    public bool TryRename(string source, string target)
    {
        life.Change(16, Hash(source));
        return inner.TryRename(source, target);
    }

    public void Delete(string path)
    {
        life.Change(17, Hash(path));
        inner.Delete(path);
    }

    public void FlushDirectory(string path)
    {
        life.Change(18, Hash(path));
        inner.FlushDirectory(path);
    }

    public IDisposable? TryLock(string path)
    {
        life.Change(19, Hash(path));
        return inner.TryLock(path);
    }

    public IDisposable? TryWatch(string path, Action changed)
    {
        life.Call(20, Hash(path));
        return inner.TryWatch(path, changed);
    }

    // The hash of a string differs from process to process; this one does not.
    private static ulong Hash(string path)
    {
        var hash = 14695981039346656037UL;
        foreach (var letter in path)
        {
            hash = (hash ^ letter) * 1099511628211UL;
        }

        return hash;
    }

    private sealed class LifeFile(Life life, IFile inner) : IFile
    {
        public long Length
        {
            get
            {
                life.Call(21);
                return inner.Length;
            }
        }

        public int Read(long offset, Span<byte> buffer)
        {
            life.Call(22, (ulong)offset);
            return inner.Read(offset, buffer);
        }

        public void Write(long offset, ReadOnlySpan<byte> content)
        {
            life.Change(23, (ulong)(offset ^ ((long)content.Length << 40)));
            inner.Write(offset, content);
        }

        public void Flush()
        {
            life.Change(24);
            inner.Flush();
        }

        public void SetLength(long length)
        {
            life.Change(25, (ulong)length);
            inner.SetLength(length);
        }

        public void Preallocate(long length)
        {
            life.Change(26, (ulong)length);
            inner.Preallocate(length);
        }

        public void Dispose() => inner.Dispose();
    }
}
