namespace Ledger.Streams;

/// <summary>The limits that every store checks, in Unicode scalar values where they are of text.</summary>
public static class StreamLimits
{
    /// <summary>Characters of a stream's name, at least 1.</summary>
    public const int StreamNameLengthMax = 512;

    /// <summary>Characters of an order, dedup or source key, at least 1.</summary>
    public const int KeyLengthMax = 512;

    /// <summary>Bytes of a payload.</summary>
    public const int PayloadSizeBytesMax = 16 << 20;

    /// <summary>Tags of an entry.</summary>
    public const int TagsMax = 64;

    /// <summary>Characters of a tag, at least 1.</summary>
    public const int TagLengthMax = 256;

    /// <summary>Metadata of an entry, and annotations of an entry.</summary>
    public const int PairsMax = 64;

    /// <summary>Characters of a key of metadata or annotations, at least 1.</summary>
    public const int PairKeyLengthMax = 256;

    /// <summary>Characters of a value of metadata or annotations.</summary>
    public const int PairValueLengthMax = 4_096;

    /// <summary>Entries of one append, at least 1.</summary>
    public const int BatchEntriesMax = 10_000;

    /// <summary>Bytes of all payloads of one append.</summary>
    public const int BatchSizeBytesMax = 16 << 20;

    /// <summary>Characters of a search, at least 1.</summary>
    public const int SearchLengthMax = 4_096;

    /// <summary>Characters of a store's name: a letter or underscore, then letters, digits and underscores.</summary>
    public const int StoreNameLengthMax = 48;

    /// <summary>Characters of a consumer's name, at least 1.</summary>
    public const int ConsumerNameLengthMax = 256;
}
