namespace Ledger.Conformance;

/// <summary>Builds the disk that is found after a crash. Used once.</summary>
/// <param name="loss">What is lost.</param>
/// <param name="random">Decides what the loss leaves open.</param>
/// <param name="pendingNames">Changes of names that are not durable, in the order in which they were made.</param>
/// <param name="lastWritten">The file that a torn write can be in, or null.</param>
internal sealed class CrashImageBuilder(
    CrashLoss loss, Random random, IReadOnlyList<NameChange> pendingNames, FaultyContent? lastWritten)
{
    private readonly Dictionary<FaultyDirectory, Dictionary<string, object>> _names = [];
    private readonly Dictionary<object, object> _images = [];

    /// <summary>The root directory of the new disk.</summary>
    public FaultyDirectory Build(FaultyDirectory root)
    {
        foreach (var change in KeptNames())
        {
            change.Apply(NamesOf);
        }

        return (FaultyDirectory)ImageOf(root);
    }

    private IEnumerable<NameChange> KeptNames()
    {
        switch (loss)
        {
            case CrashLoss.LoseAll or CrashLoss.LoseNames:
                return [];
            case CrashLoss.RandomSubset:
                // A journal keeps the first ones; coins alone would all but never lose or keep all of them.
                var kept = random.Next(pendingNames.Count + 1);
                return random.Next(2) == 0
                    ? pendingNames.Take(kept)
                    : pendingNames.Where(_ => random.Next(2) == 0).ToArray();
            default:
                return pendingNames;
        }
    }

    private Dictionary<string, object> NamesOf(FaultyDirectory directory)
    {
        if (!_names.TryGetValue(directory, out var names))
        {
            names = new Dictionary<string, object>(directory.Durable, StringComparer.Ordinal);
            _names.Add(directory, names);
        }

        return names;
    }

    private object ImageOf(object entry)
    {
        if (_images.TryGetValue(entry, out var image))
        {
            return image;
        }

        if (entry is FaultyContent content)
        {
            image = new FaultyContent(content.After(loss, content == lastWritten, random));
            _images.Add(entry, image);
            return image;
        }

        var directory = new FaultyDirectory();
        _images.Add(entry, directory);

        // In ordinal order, because the files take from the seed in turn.
        foreach (var (name, below) in NamesOf((FaultyDirectory)entry).OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            var copy = ImageOf(below);
            directory.Entries.Add(name, copy);
            directory.Durable.Add(name, copy);
        }

        return directory;
    }
}
