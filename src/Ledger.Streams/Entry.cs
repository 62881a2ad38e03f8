using System.Collections.ObjectModel;

namespace Ledger.Streams;

/// <summary>An entry as it is stored. The payload, keys, version and metadata never change; the rest may.</summary>
public sealed record Entry
{
    /// <summary>Names the entry in its store.</summary>
    public required EntryId Id { get; init; }

    /// <summary>Its place in the store's order of commit; null only before an external append was stamped.</summary>
    public Position? Position { get; init; }

    /// <summary>The stream's name when the entry was read.</summary>
    public required string Stream { get; init; }

    /// <summary>The bytes that were appended.</summary>
    public ReadOnlyMemory<byte> Payload { get; init; }

    /// <summary>Groups entries within the stream; null for none.</summary>
    public string? OrderKey { get; init; }

    /// <summary>At most one entry of the stream has it; null for none.</summary>
    public string? DedupKey { get; init; }

    /// <summary>The entry's name where it came from; null for none.</summary>
    public string? SourceId { get; init; }

    /// <summary>The version of the payload's schema, 1 or more.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>Fixed at the append.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>In the order in which they were given; each once.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>Set after the append.</summary>
    public IReadOnlyDictionary<string, string> Annotations { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>The store's clock at the append, in whole milliseconds; it may go back, and orders nothing.</summary>
    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>When tags or annotations were last set; null when never.</summary>
    public DateTimeOffset? UpdatedAt { get; init; }
}
