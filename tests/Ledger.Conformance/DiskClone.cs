namespace Ledger.Conformance;

/// <summary>Copies a modelled disk with everything that is on its way. Used once.</summary>
internal sealed class DiskClone
{
    private readonly Dictionary<object, object> _clones = [];

    /// <summary>The copy of a directory, with all that is in it.</summary>
    public FaultyDirectory Of(FaultyDirectory directory) => (FaultyDirectory)OfEntry(directory);

    /// <summary>The copy of a file.</summary>
    public FaultyContent Of(FaultyContent content) => (FaultyContent)OfEntry(content);

    /// <summary>The same change between the copies.</summary>
    public NameChange Of(NameChange change) => new(OfEntry(change.Entry), Of(change.From), Of(change.To));

    private Place? Of(Place? place) => place is { } at ? at with { Directory = Of(at.Directory) } : null;

    private object OfEntry(object entry)
    {
        if (_clones.TryGetValue(entry, out var known))
        {
            return known;
        }

        if (entry is FaultyContent content)
        {
            var copy = content.Clone();
            _clones.Add(entry, copy);
            return copy;
        }

        var original = (FaultyDirectory)entry;
        var directory = new FaultyDirectory();
        _clones.Add(entry, directory);
        foreach (var (name, below) in original.Entries)
        {
            directory.Entries.Add(name, OfEntry(below));
        }

        foreach (var (name, below) in original.Durable)
        {
            directory.Durable.Add(name, OfEntry(below));
        }

        return directory;
    }
}
