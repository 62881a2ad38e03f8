namespace Ledger.Conformance;

/// <summary>A directory of the modelled disk: the names that programs see, and those that are on it for sure.</summary>
internal sealed class FaultyDirectory
{
    /// <summary>What programs see: <see cref="FaultyDirectory"/> or <see cref="FaultyContent"/> by name.</summary>
    public Dictionary<string, object> Entries { get; } = new(StringComparer.Ordinal);

    /// <summary>What is on the disk.</summary>
    public Dictionary<string, object> Durable { get; } = new(StringComparer.Ordinal);
}

/// <summary>A name that was given, moved or taken away. Atomic: it is on the disk or it is not.</summary>
/// <param name="Entry">The file or directory that the name is of.</param>
/// <param name="From">Where the name was; null for a new one.</param>
/// <param name="To">Where the name is; null for one that was taken away.</param>
internal sealed record NameChange(object Entry, Place? From, Place? To)
{
    /// <summary>Does to the names on a disk what this change did to those that programs see.</summary>
    /// <remarks>Earlier changes may be missing there, so a name goes only if it is this entry's.</remarks>
    /// <param name="namesOf">The names in a directory on that disk.</param>
    public void Apply(Func<FaultyDirectory, Dictionary<string, object>> namesOf)
    {
        if (From is { } from && namesOf(from.Directory).GetValueOrDefault(from.Name) == Entry)
        {
            namesOf(from.Directory).Remove(from.Name);
        }

        if (To is { } to)
        {
            namesOf(to.Directory)[to.Name] = Entry;
        }
    }

    /// <summary>True when flushing the directory brings this change to the disk.</summary>
    public bool Concerns(FaultyDirectory directory) => From?.Directory == directory || To?.Directory == directory;
}

/// <summary>A name in a directory.</summary>
/// <param name="Directory">The directory.</param>
/// <param name="Name">The name in it, without separators.</param>
internal readonly record struct Place(FaultyDirectory Directory, string Name);
