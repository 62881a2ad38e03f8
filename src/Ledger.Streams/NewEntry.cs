using System.Collections.ObjectModel;

namespace Ledger.Streams;

/// <summary>An entry to append. Everything is copied before the append returns.</summary>
/// <param name="Payload">0 bytes to <see cref="StreamLimits.PayloadSizeBytesMax"/>.</param>
public sealed record NewEntry(ReadOnlyMemory<byte> Payload)
{
    /// <summary>Groups entries within the stream, 1 to 512 characters; null for none.</summary>
    public string? OrderKey { get; init; }

    /// <summary>An entry of the stream that has it already makes this one a duplicate; null for none.</summary>
    public string? DedupKey { get; init; }

    /// <summary>The entry's name where it came from, 1 to 512 characters; not unique; null for none.</summary>
    public string? SourceId { get; init; }

    /// <summary>The version of the payload's schema, 1 or more.</summary>
    public int SchemaVersion { get; init; } = 1;

    /// <summary>At most 64 keys; never changes afterwards.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; init; } = ReadOnlyDictionary<string, string>.Empty;

    /// <summary>At most 64; repeated ones are kept once.</summary>
    public IReadOnlyList<string> Tags { get; init; } = [];

    /// <summary>When it was made, for entries that come from elsewhere; null for the store's clock.</summary>
    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>What a search finds the entry by; null when it is not text.</summary>
    public string? SearchText { get; init; }
}
