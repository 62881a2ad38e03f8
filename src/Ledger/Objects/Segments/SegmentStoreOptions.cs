using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ledger.Objects.Segments;

/// <summary>How a segment store is opened.</summary>
internal sealed record SegmentStoreOptions
{
    /// <summary>Creates nothing, repairs nothing, writes nothing.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Makes the store when the directory has none.</summary>
    public bool CreateIfMissing { get; init; } = true;

    /// <summary>Log written between two checkpoints.</summary>
    public long CheckpointSizeBytes { get; init; } = 16L << 20;

    /// <summary>Length at which a segment is closed.</summary>
    public long SegmentSizeBytes { get; init; } = LogFormat.SegmentSizeBytesMax;

    /// <summary>
    /// A tail of at least this much log is indexed at a clean close; a shorter one is cheaper to read again than the
    /// whole run is to write.
    /// </summary>
    public long CloseCheckpointSizeBytes { get; init; } = 1L << 20;

    /// <summary>Where log messages go.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Faults to commit on purpose, so that the tests can show that they would be found.</summary>
    public PlantedBugs Bugs { get; init; }
}

/// <summary>Faults that tests plant. Nothing outside the tests sets one.</summary>
[Flags]
internal enum PlantedBugs
{
    /// <summary>The product as it is.</summary>
    None = 0,

    /// <summary>The log is never flushed.</summary>
    SkipFlush = 1,

    /// <summary>Writes are acknowledged before the flush that they wait for.</summary>
    AcknowledgeBeforeFlush = 2,

    /// <summary>The directory is not flushed after a file was made or renamed.</summary>
    SkipDirectoryFlush = 4,

    /// <summary>Recovery and row reads believe bytes without comparing their checksum.</summary>
    SkipChecksum = 8,

    /// <summary>The manifest is renamed before its contents are flushed.</summary>
    SkipManifestFlush = 16,

    /// <summary>After a crash the store goes on in the segment that the earlier run made.</summary>
    AppendAfterCrash = 32,

    /// <summary>Recovery does not look for records behind the first bad one.</summary>
    IgnoreFlushedTo = 64,
}
