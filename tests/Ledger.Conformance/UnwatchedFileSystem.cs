using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>A file system that tells nobody of changes, as many shares do not.</summary>
/// <param name="inner">Does the work.</param>
internal sealed class UnwatchedFileSystem(IFileSystem inner) : IFileSystem
{
    public IFile Open(string path, FileOpening opening) => inner.Open(path, opening);

    public bool FileExists(string path) => inner.FileExists(path);

    public bool DirectoryExists(string path) => inner.DirectoryExists(path);

    public void CreateDirectory(string path) => inner.CreateDirectory(path);

    public IReadOnlyList<string> List(string path) => inner.List(path);

    public void Rename(string source, string target) => inner.Rename(source, target);

    public bool TryRename(string source, string target) => inner.TryRename(source, target);

    public void Delete(string path) => inner.Delete(path);

    public void FlushDirectory(string path) => inner.FlushDirectory(path);

    public IDisposable? TryLock(string path) => inner.TryLock(path);

    public IDisposable? TryWatch(string path, Action changed) => null;
}
