namespace Ledger.Objects;

/// <summary>Immutable objects by id, and small mutable rows; it understands neither.</summary>
/// <remarks>
/// Safe for concurrent use. Implementations: <c>SegmentStore</c> on a directory, <c>MemoryObjectStore</c> in memory;
/// both pass <c>ObjectStoreConformance</c>.
/// </remarks>
internal interface IObjectStore : IAsyncDisposable
{
    /// <summary>
    /// The object's plaintext bytes, verified against <paramref name="id"/>, or null when it is not here.
    /// </summary>
    /// <remarks>An id under another kind than the object's own is not here: the kind is part of the name.</remarks>
    /// <exception cref="CorruptObjectException">The stored bytes do not hash to the id.</exception>
    ValueTask<ReadOnlyMemory<byte>?> ReadAsync(ObjectKind kind, ObjectId id, CancellationToken cancellationToken);

    /// <summary>The newest value written under <paramref name="key"/>, or null when there is none.</summary>
    ValueTask<ReadOnlyMemory<byte>?> ReadRowAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken);

    /// <summary>Rows whose key begins with <paramref name="prefix"/>, ascending by key as unsigned bytes.</summary>
    /// <remarks>Shows the rows as they were when the enumeration began.</remarks>
    IAsyncEnumerable<StoredRow> ScanRowsAsync(ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken);

    /// <summary>Begins a lease: the only way to write objects and rows, and to ask whether an object is here.</summary>
    IObjectWriter BeginWrite();

    /// <summary>Completes when everything acknowledged so far is on the medium.</summary>
    ValueTask FlushAsync(CancellationToken cancellationToken);
}

/// <summary>One row.</summary>
/// <param name="Key">1 to <see cref="StoreLimits.RowKeySizeBytesMax"/> bytes.</param>
/// <param name="Value">0 to <see cref="StoreLimits.RowValueSizeBytesMax"/> bytes.</param>
internal readonly record struct StoredRow(ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte> Value);

/// <summary>
/// A lease on a store: every id it wrote <em>or found present</em> is protected from collection until it is disposed.
/// </summary>
/// <remarks>
/// For one caller at a time. Objects may be written ahead in any number of records, when enough are waiting; rows, and
/// the objects still waiting, go into the one atomic record of <see cref="CommitAsync"/>. Disposal drops what is
/// waiting.
/// </remarks>
internal interface IObjectWriter : IAsyncDisposable
{
    /// <summary>Stores an object unless it is here already, and leases it.</summary>
    /// <param name="kind">What the object is.</param>
    /// <param name="content">1 byte to <see cref="StoreLimits.ObjectSizeBytesMax"/>; copied before the call
    /// returns.</param>
    /// <param name="cancellationToken">Cancels a write-ahead that this call begins.</param>
    /// <returns>The id; the object is readable by this store once a later commit or write-ahead holds it.</returns>
    ValueTask<ObjectId> PutAsync(
        ObjectKind kind, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>
    /// Stores an object unless it is here already, and leases it, for a caller that has computed the id already.
    /// </summary>
    ValueTask PutAsync(
        ObjectKind kind, ObjectId id, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>Whether the object is stored, or waiting in this lease; leases it when it is.</summary>
    ValueTask<bool> ContainsAsync(ObjectId id, CancellationToken cancellationToken);

    /// <summary>The bytes of an object that this lease holds and has not written yet, or null.</summary>
    ReadOnlyMemory<byte>? TryGetWaiting(ObjectId id);

    /// <summary>Sets a row in the next commit. Later operations of one commit win over earlier ones.</summary>
    void SetRow(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value);

    /// <summary>Removes a row in the next commit; nothing happens when there is none.</summary>
    void DeleteRow(ReadOnlyMemory<byte> key);

    /// <summary>
    /// Removes, in the next commit, the rows with fromInclusive &lt;= key &lt; toExclusive; perhaps none.
    /// </summary>
    /// <remarks>Both bounds have the length of a key.</remarks>
    void DeleteRows(ReadOnlyMemory<byte> fromInclusive, ReadOnlyMemory<byte> toExclusive);

    /// <summary>Writes what is waiting ahead, without rows, so that memory stays bounded.</summary>
    ValueTask WriteAheadAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Writes the rows and the objects still waiting as one atomic record, after everything written ahead.
    /// </summary>
    /// <remarks>
    /// The order of commits in the store is the order in which this method was called: the place in the queue is taken
    /// before it first yields. After the record was handed to the file the call finishes whatever the token says.
    /// </remarks>
    /// <exception cref="StoreUnavailableException">Disk full, read-only, or stopped; nothing was stored.</exception>
    /// <exception cref="OutcomeUnknownException">A flush failed: the record may or may not be there after a
    /// reopen.</exception>
    ValueTask CommitAsync(Durability durability, CancellationToken cancellationToken);
}
