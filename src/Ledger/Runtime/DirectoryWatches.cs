namespace Ledger.Runtime;

/// <summary>Who watches which directory of a file system in memory. Safe from any thread.</summary>
internal sealed class DirectoryWatches
{
    private readonly Lock _gate = new();
    private readonly List<Watch> _watches = [];

    /// <summary>Begins a watch.</summary>
    /// <param name="path">The directory.</param>
    /// <param name="changed">What <see cref="Report"/> calls.</param>
    /// <returns>Ends the watch when disposed.</returns>
    public IDisposable Add(string path, Action changed)
    {
        var watch = new Watch(this, Path.GetFullPath(path), changed);
        lock (_gate)
        {
            _watches.Add(watch);
        }

        return watch;
    }

    /// <summary>Calls those who watch the directories of these paths. Call it without holding a lock.</summary>
    public void Report(params ReadOnlySpan<string> paths)
    {
        foreach (var path in paths)
        {
            var directory = Path.GetDirectoryName(Path.GetFullPath(path));
            Watch[] watches;
            lock (_gate)
            {
                watches = [.. _watches.Where(watch => watch.Directory == directory)];
            }

            foreach (var watch in watches)
            {
                watch.Changed();
            }
        }
    }

    private void Remove(Watch watch)
    {
        lock (_gate)
        {
            _watches.Remove(watch);
        }
    }

    private sealed class Watch(DirectoryWatches owner, string directory, Action changed) : IDisposable
    {
        public string Directory { get; } = directory;

        public Action Changed { get; } = changed;

        public void Dispose() => owner.Remove(this);
    }
}
