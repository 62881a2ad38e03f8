namespace Ledger.Streams;

/// <summary>What a store promises beyond appending and reading; the rest it refuses.</summary>
[Flags]
public enum StreamStoreCapabilities
{
    /// <summary>Only what every store does.</summary>
    None = 0,

    /// <summary>An append to one stream is written whole or not at all.</summary>
    AtomicBatch = 1 << 0,

    /// <summary>An append to several streams is written whole or not at all.</summary>
    AtomicAcrossStreams = 1 << 1,

    /// <summary>At most one entry of a stream has a dedup key.</summary>
    Dedup = 1 << 2,

    /// <summary>An append can say where the stream must end.</summary>
    ExpectedEnd = 1 << 3,

    /// <summary>Tags and annotations can be changed.</summary>
    Annotations = 1 << 4,

    /// <summary>A search can be for words.</summary>
    FullText = 1 << 5,

    /// <summary>Subscriptions hear of appends at once, not by polling.</summary>
    Push = 1 << 6,

    /// <summary>Durable consumers.</summary>
    Consumers = 1 << 7,

    /// <summary>Takes part in the caller's transaction.</summary>
    Enlist = 1 << 8,

    /// <summary>Can keep a log of its own changes for a bridge.</summary>
    MutationLogSource = 1 << 9,

    /// <summary>A stream may later show entries before its end.</summary>
    LateArrivals = 1 << 10,
}
