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

    /// <summary>
    /// Log written behind the recovery position at most, unless the disk refuses a checkpoint: what an opening reads.
    /// </summary>
    public long RecoverySizeBytesMax { get; init; } = 32L << 20;

    /// <summary>Length at which a segment is closed.</summary>
    public long SegmentSizeBytes { get; init; } = LogFormat.SegmentSizeBytesMax;

    /// <summary>
    /// A tail of at least this much log is indexed at a clean close, and at the first write after an opening; a shorter
    /// one is cheaper to read again than a run is to write and to merge.
    /// </summary>
    public long CloseCheckpointSizeBytes { get; init; } = 1L << 20;

    /// <summary>Bytes of runs that are kept in memory at most.</summary>
    public long CacheSizeBytes { get; init; } = 8L << 20;

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

    /// <summary>Recovery does not ask what was known to be on disk.</summary>
    IgnoreFlushedTo = 64,

    /// <summary>A run is not flushed before the manifest lists it.</summary>
    SkipRunFlush = 128,

    /// <summary>A segment is not flushed before the next one is begun.</summary>
    SkipRollFlush = 256,

    /// <summary>A merge forgets what was removed, though older runs may hold it.</summary>
    ForgetRemoved = 512,

    /// <summary>Segments whose records were copied are removed before the manifest lists the copies.</summary>
    RemoveBeforeListing = 1024,

    /// <summary>A fold takes the empty tree for a head whose tree is not stored.</summary>
    FoldOnWrongBase = 1 << 16,

    /// <summary>A tree that was rebuilt from changes is not compared with the root of its commit.</summary>
    SkipRootCheck = 1 << 17,
}
