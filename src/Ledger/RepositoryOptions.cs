using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;
using Ledger.Trees;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ledger;

/// <summary>How a repository is opened.</summary>
public sealed record RepositoryOptions
{
    /// <summary>What an acknowledged write has survived, unless a call says otherwise.</summary>
    /// <value>Default <see cref="Durability.Flushed"/>: an acknowledged write survives power loss.</value>
    public Durability Durability { get; init; } = Durability.Flushed;

    /// <summary>Makes the repository when the directory is missing or empty.</summary>
    /// <value>Default true. A directory that holds something else is never touched.</value>
    public bool CreateIfMissing { get; init; } = true;

    /// <summary>Opens for reading only: nothing is created, repaired or written.</summary>
    /// <value>Default false.</value>
    public bool ReadOnly { get; init; }

    /// <summary>Bytes of tree nodes that are stored and kept in memory, for each ledger; at least 1 MiB.</summary>
    /// <remarks>
    /// New nodes count separately: they are in memory until they are stored, 80 MiB for each ledger at most. So a
    /// ledger
    /// takes this, and 80 MiB while much is written, and 8 MiB for each open transaction, and 16 MiB for each page
    /// whose journal is being folded, at most; an idle one takes what was read of it.
    /// </remarks>
    /// <value>Default 64 MiB.</value>
    public long NodeCacheSizeBytes
    {
        get;
        init => field = value >= 1 << 20 ? value : throw new ArgumentOutOfRangeException(nameof(value));
    } = 64L << 20;

    /// <summary>Where log messages go.</summary>
    /// <value>Default nowhere.</value>
    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>The seams to the outside world.</summary>
    /// <value>Default null: the operating system's.</value>
    public LedgerRuntime? Runtime { get; init; }

    /// <summary>The user's first secret, 32 bytes, for a repository that is made; null makes one.</summary>
    internal ReadOnlyMemory<byte>? Secret { get; init; }

    /// <summary>When new tree nodes are stored.</summary>
    internal WriteBackLimits WriteBackLimits { get; init; } = WriteBackLimits.Default;

    /// <summary>How the stores of the ledgers are opened; what this record says itself is taken from here.</summary>
    internal SegmentStoreOptions StoreOptions { get; init; } = new();

    /// <summary>Faults that a test planted.</summary>
    internal PlantedBugs Bugs { get; init; }
}
