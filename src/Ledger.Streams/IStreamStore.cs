using Ledger.Objects;
using Ledger.Streams.Consumers;

namespace Ledger.Streams;

/// <summary>A store of append-only streams: one kind of thing ("orders"), each stream one instance of it.</summary>
/// <remarks>
/// Safe from any thread. A stream exists from its first entry. What a store does not promise (<see
/// cref="Capabilities"/>) it refuses with <see cref="NotSupportedByStoreException"/>. Names and keys beyond <see
/// cref="StreamLimits"/> are <see cref="ArgumentException"/>s before anything is asked of the database; a database that
/// is gone or busy is a <see cref="StoreUnavailableException"/>; a closed store <see cref="ObjectDisposedException"/>.
/// </remarks>
public interface IStreamStore : IAsyncDisposable
{
    /// <summary>The store's name.</summary>
    string Name { get; }

    /// <summary>What the store promises.</summary>
    StreamStoreCapabilities Capabilities { get; }

    /// <summary>
    /// Opens the database and makes the store's tables when they are missing and may be made; again does nothing.
    /// </summary>
    /// <exception cref="StoreUnavailableException">They are missing, and the options forbid to make them.</exception>
    /// <exception cref="FormatTooNewException">A newer version of Ledger made them.</exception>
    ValueTask EnsureCreatedAsync(CancellationToken cancellationToken = default);

    /// <summary>Asks the database for one row.</summary>
    /// <exception cref="StoreUnavailableException">It does not answer.</exception>
    ValueTask CheckHealthAsync(CancellationToken cancellationToken = default);

    /// <summary>Appends to several streams, all of it or nothing.</summary>
    /// <param name="appends">1 to 10,000 entries in all; each stream once.</param>
    /// <param name="cancellationToken">Cancels the wait before the append is begun; then it has no effect.</param>
    /// <returns>One result for each stream, in the order given; the entries are durable and can be read.</returns>
    /// <remarks>
    /// For each stream in this order: when every entry has a dedup key that exists, all are duplicates and it succeeds
    /// wherever the stream ends; when the stream does not end as expected, nothing at all is written; otherwise what is
    /// new is written. A key that is repeated within the append is a duplicate of the first.
    /// </remarks>
    /// <exception cref="StreamConflictException">A stream ends elsewhere.</exception>
    /// <exception cref="OutcomeUnknownException">
    /// The database went away while it wrote and committed: the append is there whole, or not at all. One whose entries
    /// all have dedup keys may be repeated.
    /// </exception>
    ValueTask<IReadOnlyList<AppendResult>> AppendAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken = default);

    /// <summary>Reads a stream by id; nothing when it does not exist.</summary>
    /// <returns>Ascending unless asked otherwise, up to where the stream ended when the reading began.</returns>
    /// <remarks>
    /// Read by pages of 1,000, each complete before its first entry is given; nothing is held while the caller works.
    /// Between pages trimmed entries disappear and tags may change; nothing comes twice or out of order.
    /// </remarks>
    IAsyncEnumerable<Entry> ReadAsync(
        string stream, ReadOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Reads every stream in the order of commit; never skips one whose writer was slow.</summary>
    /// <param name="after">Only entries after it.</param>
    /// <param name="limit">Entries at most, 1 or more; null for all.</param>
    /// <param name="filter">Which entries; null for all.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>Ascending by position, up to where the store ended when the reading began.</returns>
    IAsyncEnumerable<Entry> ReadAllAsync(
        Position after = default, int? limit = null, EntryFilter? filter = null,
        CancellationToken cancellationToken = default);

    /// <summary>Finds entries by their text.</summary>
    /// <param name="query">1 to 4,096 characters.</param>
    /// <param name="options">Where and how; null for a substring in all streams.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>Ascending by id unless asked otherwise; entries without text are never found.</returns>
    IAsyncEnumerable<Entry> SearchAsync(
        string query, SearchOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>The entry, or null when there is none.</summary>
    ValueTask<Entry?> FindAsync(EntryId id, CancellationToken cancellationToken = default);

    /// <summary>The first entry of the stream that came from there, or null.</summary>
    ValueTask<Entry?> FindBySourceIdAsync(
        string stream, string sourceId, CancellationToken cancellationToken = default);

    /// <summary>Follows a stream: what is there, then <see cref="CaughtUpItem{T}"/>, then what is committed.</summary>
    /// <param name="stream">The stream; it need not exist yet.</param>
    /// <param name="after">Only entries after it; zero for all.</param>
    /// <param name="filter">Which entries; null for all.</param>
    /// <param name="cancellationToken">Ends the subscription, which never ends by itself.</param>
    /// <returns>In order. A slow reader reads from the store; nothing is kept for it in memory beyond a page.</returns>
    IAsyncEnumerable<StreamItem<Entry>> SubscribeAsync(
        string stream, EntryId after = default, EntryFilter? filter = null,
        CancellationToken cancellationToken = default);

    /// <summary>Follows every stream in the order of commit.</summary>
    /// <inheritdoc cref="SubscribeAsync"/>
    IAsyncEnumerable<StreamItem<Entry>> SubscribeAllAsync(
        Position after = default, EntryFilter? filter = null, CancellationToken cancellationToken = default);

    /// <summary>Replaces the tags of an entry.</summary>
    /// <exception cref="EntryNotFoundException">The stream has no such entry.</exception>
    ValueTask SetTagsAsync(
        string stream, EntryId id, IReadOnlyList<string> tags, CancellationToken cancellationToken = default);

    /// <summary>Merges annotations into those of an entry, at once; null deletes one.</summary>
    /// <exception cref="EntryNotFoundException">The stream has no such entry.</exception>
    /// <exception cref="ArgumentException">The entry would have more than 64; nothing was changed.</exception>
    ValueTask SetAnnotationsAsync(
        string stream, EntryId id, IReadOnlyDictionary<string, string?> changes,
        CancellationToken cancellationToken = default);

    /// <summary>Deletes the stream's entries up to and with an id, which need not exist.</summary>
    /// <returns>How many were deleted.</returns>
    ValueTask<long> TrimAsync(string stream, EntryId throughInclusive, CancellationToken cancellationToken = default);

    /// <summary>Gives a stream another name; its entries stay what they are.</summary>
    /// <exception cref="StreamExistsException">Another stream has the new name; this is looked at first.</exception>
    /// <exception cref="StreamNotFoundException">There is no such stream.</exception>
    ValueTask RenameAsync(string stream, string newName, CancellationToken cancellationToken = default);

    /// <summary>How many entries the stream has; 0 when it does not exist.</summary>
    ValueTask<long> CountAsync(string stream, CancellationToken cancellationToken = default);

    /// <summary>What is known of the stream, or null when nothing was ever appended.</summary>
    ValueTask<StreamInfo?> GetInfoAsync(string stream, CancellationToken cancellationToken = default);

    /// <summary>The names of the streams, ascending by Unicode scalar value.</summary>
    IAsyncEnumerable<string> ListStreamsAsync(
        ListOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>Waits for the lease on a consumer, and takes it.</summary>
    /// <param name="name">1 to 256 characters; the consumer is made when it is missing.</param>
    /// <param name="options">How it works; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    ValueTask<StreamConsumer> AcquireConsumerAsync(
        string name, ConsumerOptions? options = null, CancellationToken cancellationToken = default);

    /// <summary>The consumers there are, ascending by name.</summary>
    ValueTask<IReadOnlyList<ConsumerInfo>> ListConsumersAsync(CancellationToken cancellationToken = default);

    /// <summary>Lets a consumer begin again after a position; whoever has its lease loses it.</summary>
    /// <returns>False when there is no such consumer, unless <paramref name="create"/> makes it.</returns>
    ValueTask<bool> ResetConsumerAsync(
        string name, Position after, bool create = false, CancellationToken cancellationToken = default);

    /// <summary>Decides about a parked entry; whoever has the consumer's lease loses it.</summary>
    /// <param name="name">The consumer.</param>
    /// <param name="position">The parked entry.</param>
    /// <param name="retry">True to hand it out again, false to forget it.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>False when no such entry is parked.</returns>
    ValueTask<bool> ReleaseParkedAsync(
        string name, Position position, bool retry, CancellationToken cancellationToken = default);

    /// <summary>Forgets a consumer; whoever has its lease loses it.</summary>
    /// <returns>False when there is no such consumer.</returns>
    ValueTask<bool> DropConsumerAsync(string name, CancellationToken cancellationToken = default);
}
