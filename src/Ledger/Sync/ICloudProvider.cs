using Ledger.Commits;

namespace Ledger.Sync;

/// <summary>One user's cloud: a feed of sealed entries for each ledger, and blobs. Safe for concurrent use.</summary>
/// <remarks>
/// It stores what it is given and understands none of it (docs/cloud.md). What an operation that returned has done
/// survives whatever the medium promises to survive. Every member may throw
/// <see cref="CloudUnavailableException"/>; after <see cref="CloudProblem.Unreachable"/> it is not known whether the
/// operation was done, and repeating it is harmless. Cancelling leaves the same doubt.
/// </remarks>
internal interface ICloudProvider : IAsyncDisposable
{
    /// <summary>What the medium can do.</summary>
    CloudCapabilities Capabilities { get; }

    /// <summary>Asks, in one round trip, for any number of feeds, and goes on as their watch.</summary>
    /// <param name="device">Who connects; <see cref="FeedState.LastSequence"/> speaks of it.</param>
    /// <param name="cursors">The ledgers, each once, and the position after which each is read.</param>
    /// <param name="pages">The pages whose entries are given out; null for all.</param>
    /// <param name="cancellationToken">Ends the connecting, not the connection.</param>
    ValueTask<ICloudConnection> ConnectAsync(
        DeviceId device, IReadOnlyList<FeedCursor> cursors, IReadOnlySet<PageName>? pages,
        CancellationToken cancellationToken);

    /// <summary>Appends entries to the feed: all of them together, in their order, each id once for ever.</summary>
    /// <param name="ledger">The ledger.</param>
    /// <param name="page">The page of all these entries.</param>
    /// <param name="entries">Within the limits of <see cref="CloudLimits"/>.</param>
    /// <param name="expectedEnd">
    /// Where the page's part of the feed must end for this to happen; null for anywhere. Not looked at when the feed
    /// has all the entries already.
    /// </param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    /// <returns>Where they are. An entry whose id the feed has stays what and where it was first.</returns>
    /// <exception cref="FeedMovedException">The page's part ends elsewhere; nothing was appended.</exception>
    ValueTask<AppendResult> AppendAsync(
        LedgerName ledger, PageName page, IReadOnlyList<CloudEntry> entries, FeedPosition? expectedEnd,
        CancellationToken cancellationToken);

    /// <summary>Stores a blob as a whole, and renews its lease; the first content of a name stays.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="content">1 byte to <see cref="CloudLimits.BlobSizeBytesMax"/>.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    ValueTask PutBlobAsync(BlobName name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>Reads a blob.</summary>
    /// <returns>What was put first under the name; null when there is none.</returns>
    ValueTask<ReadOnlyMemory<byte>?> GetBlobAsync(BlobName name, CancellationToken cancellationToken);

    /// <summary>
    /// Asks which blobs are there; those that are stay for <see cref="CloudLimits.BlobLease"/> from now.
    /// </summary>
    /// <returns>For each name, in order, whether it is there.</returns>
    ValueTask<IReadOnlyList<bool>> HasBlobsAsync(IReadOnlyList<BlobName> names, CancellationToken cancellationToken);

    /// <summary>Stores checkpoints; the first one of a page and position stays.</summary>
    /// <remarks>
    /// Kept of each page are the newest by position, and the newest that is not after the position which every
    /// device of the set has acknowledged. The others may go.
    /// </remarks>
    ValueTask PutCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<CloudCheckpoint> checkpoints, CancellationToken cancellationToken);

    /// <summary>
    /// Reads the checkpoints of pages: page by page as asked, and of each the newest by position first.
    /// </summary>
    IAsyncEnumerable<CloudCheckpoint> GetCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<PageName> pages, CancellationToken cancellationToken);

    /// <summary>Adds a device to a ledger's set, or replaces what it says about itself.</summary>
    /// <param name="ledger">The ledger.</param>
    /// <param name="device">The device; what it acknowledged before is kept.</param>
    /// <param name="content">At most <see cref="CloudLimits.DeviceSizeBytesMax"/> bytes.</param>
    /// <param name="cancellationToken">Ends the waiting.</param>
    ValueTask RegisterDeviceAsync(
        LedgerName ledger, DeviceId device, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>The devices of a ledger's set, ascending by id.</summary>
    ValueTask<IReadOnlyList<CloudDevice>> ListDevicesAsync(LedgerName ledger, CancellationToken cancellationToken);

    /// <summary>Takes a device out of a ledger's set; its entries stay.</summary>
    /// <returns>False when it was not in the set.</returns>
    ValueTask<bool> RemoveDeviceAsync(LedgerName ledger, DeviceId device, CancellationToken cancellationToken);

    /// <summary>Notes up to where a device has taken in a feed. Never goes back.</summary>
    /// <returns>False when the device is not in the set; then nothing was noted.</returns>
    ValueTask<bool> AcknowledgeAsync(
        LedgerName ledger, DeviceId device, FeedPosition position, CancellationToken cancellationToken);
}

/// <summary>A connection to a cloud: first the backlog after the cursors, then what others append.</summary>
/// <remarks>
/// One reader at a time. Between backlog and watch nothing is left out and nothing comes twice. Disposing closes it.
/// </remarks>
internal interface ICloudConnection : IAsyncDisposable
{
    /// <summary>The cloud's.</summary>
    CloudIncarnation Incarnation { get; }

    /// <summary>What was found, in the order of the cursors.</summary>
    IReadOnlyList<FeedState> Feeds { get; }

    /// <summary>Waits for what comes next.</summary>
    /// <param name="cancellationToken">Ends the waiting; nothing is lost by it.</param>
    /// <returns>The next event; after <see cref="CloudEvent.Behind"/> nothing else.</returns>
    /// <exception cref="CloudUnavailableException">The connection broke: connect again.</exception>
    ValueTask<CloudEvent> ReadAsync(CancellationToken cancellationToken);
}
