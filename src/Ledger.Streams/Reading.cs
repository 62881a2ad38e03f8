using System.Collections.ObjectModel;

namespace Ledger.Streams;

/// <summary>Which entries are meant; the conditions hold together, and one that is absent holds always.</summary>
public sealed record EntryFilter
{
    /// <summary>Every entry.</summary>
    public static EntryFilter None { get; } = new();

    /// <summary>The order key; null for any.</summary>
    public string? OrderKey { get; init; }

    /// <summary>Tags that the entry has, all of them.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Metadata that the entry has, key and value.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Annotations that the entry has, key and value.</summary>
    public IReadOnlyDictionary<string, string> Annotations { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>Created then or later; null for no bound.</summary>
    public DateTimeOffset? CreatedFrom { get; init; }

    /// <summary>Created before then; null for no bound.</summary>
    public DateTimeOffset? CreatedBefore { get; init; }

    /// <summary>Whether an entry is meant.</summary>
    public bool Matches(Entry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        return (OrderKey is null || OrderKey == entry.OrderKey)
            && Tags.All(entry.Tags.Contains)
            && Metadata.All(pair => entry.Metadata.TryGetValue(pair.Key, out var value) && value == pair.Value)
            && Annotations.All(pair => entry.Annotations.TryGetValue(pair.Key, out var value) && value == pair.Value)
            && (CreatedFrom is not { } from || entry.CreatedAt >= from)
            && (CreatedBefore is not { } before || entry.CreatedAt < before);
    }

    /// <summary>True when every entry is meant.</summary>
    internal bool IsEmpty => OrderKey is null && Tags.Count == 0 && Metadata.Count == 0 && Annotations.Count == 0
        && CreatedFrom is null && CreatedBefore is null;
}

/// <summary>What is read of a stream, and in which direction.</summary>
public sealed record ReadOptions
{
    /// <summary>Only entries with a larger id; it need not exist. Zero for no bound.</summary>
    public EntryId After { get; init; }

    /// <summary>Only entries with a smaller id; it need not exist. Null for no bound.</summary>
    public EntryId? Before { get; init; }

    /// <summary>Entries at most, 1 or more; null for all.</summary>
    public int? Limit
    {
        get;
        init => field = value is null or >= 1
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A limit is 1 or more.");
    }

    /// <summary>Newest first.</summary>
    public bool Descending { get; init; }

    /// <summary>Which entries.</summary>
    public EntryFilter Filter { get; init; } = EntryFilter.None;
}

/// <summary>What a search looks in, and how.</summary>
public sealed record SearchOptions
{
    /// <summary>The stream; null for every stream of the store.</summary>
    public string? Stream { get; init; }

    /// <summary>How the query is read.</summary>
    public SearchMode Mode { get; init; }

    /// <summary>The bounds, the direction and the filter.</summary>
    public ReadOptions Read { get; init; } = new();
}

/// <summary>How a search reads its query.</summary>
public enum SearchMode
{
    /// <summary>A piece of the text, without regard to case; no character has a special meaning.</summary>
    Substring,

    /// <summary>Words that the text has, all of them, by the database's index.</summary>
    FullText,
}

/// <summary>What is known of a stream without reading it.</summary>
/// <param name="Name">The name.</param>
/// <param name="Count">Entries now.</param>
/// <param name="First">The first entry there is; null when all are trimmed.</param>
/// <param name="Last">The last entry there is; null when all are trimmed.</param>
/// <param name="End">The last entry ever appended.</param>
public sealed record StreamInfo(string Name, long Count, EntryId? First, EntryId? Last, EntryId End);

/// <summary>Which streams are listed.</summary>
public sealed record ListOptions
{
    /// <summary>Only names after this one, by Unicode scalar value; null for no bound.</summary>
    public string? After { get; init; }

    /// <summary>Names at most, 1 or more; null for all.</summary>
    public int? Limit
    {
        get;
        init => field = value is null or >= 1
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A limit is 1 or more.");
    }

    /// <summary>Also streams whose entries are all trimmed.</summary>
    public bool IncludeEmpty { get; init; }
}
