using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>A file system of which one directory can go away for a time, as a share that is not mounted.</summary>
/// <param name="inner">Does the work.</param>
/// <param name="root">The directory.</param>
internal sealed class VanishingFileSystem(IFileSystem inner, string root) : IFileSystem
{
    /// <summary>True while nothing in the directory can be found or made.</summary>
    public bool IsAway { get; set; }

    public IFile Open(string path, FileOpening opening) => inner.Open(Check(path), opening);

    public bool FileExists(string path) => !Hides(path) && inner.FileExists(path);

    public bool DirectoryExists(string path) => !Hides(path) && inner.DirectoryExists(path);

    public void CreateDirectory(string path) => inner.CreateDirectory(Check(path));

    public IReadOnlyList<string> List(string path) => inner.List(Check(path));

    public void Rename(string source, string target) => inner.Rename(Check(source), Check(target));

    public bool TryRename(string source, string target) => inner.TryRename(Check(source), Check(target));

    public void Delete(string path) => inner.Delete(Check(path));

    public void FlushDirectory(string path) => inner.FlushDirectory(Check(path));

    public IDisposable? TryLock(string path) => inner.TryLock(Check(path));

    public IDisposable? TryWatch(string path, Action changed) => inner.TryWatch(Check(path), changed);

    private bool Hides(string path) => IsAway && path.StartsWith(root, StringComparison.Ordinal);

    private string Check(string path) =>
        Hides(path) ? throw new DirectoryNotFoundException($"There is no directory '{root}'.") : path;
}
