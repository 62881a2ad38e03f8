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
internal enum PlantedBugs : long
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

    /// <summary>An entry is appended before the blobs that it names are put.</summary>
    SyncEntryBeforeBlobs = 1L << 32,

    /// <summary>The anchor is saved before what it covers.</summary>
    SyncAnchorTooEarly = 1L << 33,

    /// <summary>An entry whose acknowledgement was lost is composed anew.</summary>
    SyncRecomposeAfterLostAnswer = 1L << 34,

    /// <summary>A commit is applied although a parent is not here.</summary>
    SyncChildBeforeParent = 1L << 35,

    /// <summary>A head is shown before its eager values are here.</summary>
    SyncHeadBeforeValues = 1L << 36,

    /// <summary>Two entries are sealed with one nonce.</summary>
    SyncReuseNonce = 1L << 37,

    /// <summary>A merge takes its sides for each other: the older head decides.</summary>
    SwapMergeParents = 1L << 38,

    /// <summary>Sequence numbers and hashes of a device's entries are not compared.</summary>
    SyncSkipChainCheck = 1L << 39,

    /// <summary>An entry that cannot be applied stops the feed.</summary>
    SyncQuarantineStopsFeed = 1L << 40,

    /// <summary>The root that received changes lead to is not compared with the commit's.</summary>
    SyncSkipRootCheck = 1L << 41,

    /// <summary>What the cloud says about the anchor is not looked at.</summary>
    SyncSkipAnchorCheck = 1L << 42,

    /// <summary>An entry is appended before it is durable.</summary>
    SyncAppendBeforeDurable = 1L << 43,

    /// <summary>Commits whose parents are unknown are forgotten instead of kept.</summary>
    SyncForgetWaiting = 1L << 44,

    /// <summary>A received head replaces a branch whose journal is not empty.</summary>
    SyncDropJournal = 1L << 45,

    /// <summary>After an append all commits count as uploaded, whatever was in the entry.</summary>
    SyncMarkAllUploaded = 1L << 46,

    /// <summary>A device that finds itself behind its own entries keeps its name.</summary>
    SyncKeepStaleDevice = 1L << 47,

    /// <summary>Positions are taken to have no holes and no repetition.</summary>
    SyncTrustDelivery = 1L << 48,

    /// <summary>Commits of an earlier life of a page are applied to the present one.</summary>
    SyncIgnoreIncarnation = 1L << 49,

    /// <summary>What two heads come from is made by the page's policy, which may ask the resolver.</summary>
    VirtualBaseAsksResolver = 1L << 50,
}
