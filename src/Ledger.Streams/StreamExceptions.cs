using Ledger.Runtime;

namespace Ledger.Streams;

/// <summary>The entry is not in the stream: never was, or was trimmed.</summary>
/// <param name="stream">The stream.</param>
/// <param name="id">The entry.</param>
public sealed class EntryNotFoundException(string stream, EntryId id)
    : LedgerException($"Stream '{stream}' has no entry {id}.")
{
    /// <summary>The stream.</summary>
    public string Stream { get; } = stream;

    /// <summary>The entry.</summary>
    public EntryId Id { get; } = id;
}

/// <summary>Nothing was ever appended to the stream.</summary>
/// <param name="store">The store.</param>
/// <param name="stream">The stream.</param>
public sealed class StreamNotFoundException(string store, string stream)
    : LedgerException($"Store '{store}' has no stream '{stream}'.")
{
    /// <summary>The stream.</summary>
    public string Stream { get; } = stream;
}

/// <summary>A stream of that name is there already; nothing was renamed.</summary>
/// <param name="store">The store.</param>
/// <param name="stream">The name that is taken.</param>
public sealed class StreamExistsException(string store, string stream)
    : LedgerException($"Store '{store}' has a stream '{stream}' already.")
{
    /// <summary>The name that is taken.</summary>
    public string Stream { get; } = stream;
}

/// <summary>The stream does not end where the caller expected; nothing was appended.</summary>
/// <param name="stream">The stream.</param>
/// <param name="expected">Where it was to end.</param>
/// <param name="actualEnd">Where it ends; none when nothing was ever appended.</param>
public sealed class StreamConflictException(string stream, ExpectedEnd expected, EntryId actualEnd)
    : LedgerException(
        $"Stream '{stream}' ends at {(actualEnd.IsNone ? "nothing" : actualEnd)}, not at the expected {expected}.")
{
    /// <summary>The stream.</summary>
    public string Stream { get; } = stream;

    /// <summary>Where it was to end.</summary>
    public ExpectedEnd Expected { get; } = expected;

    /// <summary>The last entry ever appended, trimmed or not; none when there was none.</summary>
    public EntryId ActualEnd { get; } = actualEnd;
}

/// <summary>Another instance has the consumer's lease now; what was said under the old one has no effect.</summary>
/// <param name="consumer">The consumer.</param>
/// <param name="epoch">The epoch that is over.</param>
/// <param name="currentEpoch">The epoch now.</param>
public sealed class LeaseLostException(string consumer, long epoch, long currentEpoch)
    : LedgerException(
        $"The lease on consumer '{consumer}' of epoch {epoch} is lost: it is at epoch {currentEpoch} now.")
{
    /// <summary>The consumer.</summary>
    public string Consumer { get; } = consumer;

    /// <summary>The epoch that is over.</summary>
    public long Epoch { get; } = epoch;

    /// <summary>The epoch now.</summary>
    public long CurrentEpoch { get; } = currentEpoch;
}

/// <summary>The store does not promise what was asked.</summary>
/// <param name="store">The store.</param>
/// <param name="capability">What it lacks.</param>
public sealed class NotSupportedByStoreException(string store, StreamStoreCapabilities capability)
    : LedgerException($"Store '{store}' does not support {capability}.")
{
    /// <summary>What it lacks.</summary>
    public StreamStoreCapabilities Capability { get; } = capability;
}
