using System.Collections.ObjectModel;

namespace Ledger.Streams.Typed;

/// <summary>A value to append.</summary>
/// <param name="Value">The value.</param>
/// <typeparam name="T">Its type.</typeparam>
public sealed record NewEntry<T>(T Value)
{
    /// <inheritdoc cref="NewEntry.OrderKey"/>
    public string? OrderKey { get; init; }

    /// <inheritdoc cref="NewEntry.DedupKey"/>
    public string? DedupKey { get; init; }

    /// <inheritdoc cref="NewEntry.SourceId"/>
    public string? SourceId { get; init; }

    /// <inheritdoc cref="NewEntry.Metadata"/>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <inheritdoc cref="NewEntry.Tags"/>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <inheritdoc cref="NewEntry.CreatedAt"/>
    public DateTimeOffset? CreatedAt { get; init; }
}

/// <summary>A stored entry with its value, brought to the schema's version.</summary>
/// <param name="Value">The value.</param>
/// <param name="Raw">The entry as it is stored, with the version and the payload that it was appended with.</param>
/// <typeparam name="T">The value's type.</typeparam>
public sealed record Entry<T>(T Value, Entry Raw)
{
    /// <inheritdoc cref="Entry.Id"/>
    public EntryId Id => Raw.Id;
}
