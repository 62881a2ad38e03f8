using Ledger.Objects;
using Ledger.Runtime;
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

    /// <summary>Bytes of tree nodes kept in memory, for each ledger; at least 1 MiB.</summary>
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
}
