namespace Ledger.Streams;

/// <summary>Where a stream must end for an append to happen.</summary>
public readonly record struct ExpectedEnd
{
    private ExpectedEnd(bool isChecked, EntryId id) => (IsChecked, Id) = (isChecked, id);

    /// <summary>Anywhere; the default value.</summary>
    public static ExpectedEnd Any => default;

    /// <summary>Nothing was ever appended; a stream that was trimmed empty is not new.</summary>
    public static ExpectedEnd New => new(true, default);

    /// <summary>False for <see cref="Any"/>.</summary>
    public bool IsChecked { get; }

    /// <summary>The last entry ever appended; none for <see cref="New"/>.</summary>
    public EntryId Id { get; }

    /// <summary>The stream's last entry ever appended is this one, trimmed or not.</summary>
    public static ExpectedEnd At(EntryId id) => new(true, id);

    /// <inheritdoc/>
    public override string ToString() => !IsChecked ? "any" : Id.IsNone ? "new" : Id.ToString();
}

/// <summary>Entries for one stream.</summary>
/// <param name="Stream">1 to 512 characters.</param>
/// <param name="Entries">1 to 10,000, in the order in which they are to stand.</param>
public sealed record StreamAppend(string Stream, IReadOnlyList<NewEntry> Entries)
{
    /// <summary>Where the stream must end; anywhere by default.</summary>
    public ExpectedEnd ExpectedEnd { get; init; }
}

/// <summary>What became of one entry of an append.</summary>
/// <param name="Id">The new entry, or the one that was there already.</param>
/// <param name="IsDuplicate">True when nothing was written for it.</param>
public readonly record struct AppendedEntry(EntryId Id, bool IsDuplicate);

/// <summary>What became of an append.</summary>
/// <param name="Entries">One for each entry that was given, in that order.</param>
/// <param name="End">The last entry ever appended to the stream, afterwards.</param>
public sealed record AppendResult(IReadOnlyList<AppendedEntry> Entries, EntryId End)
{
    /// <summary>How many entries were there already.</summary>
    public int DuplicateCount => Entries.Count(entry => entry.IsDuplicate);
}
