using Ledger.Objects;

namespace Ledger.Conformance;

/// <summary>
/// A store that outlives its owners: disposal does nothing, so that what is in memory can be opened again.
/// </summary>
/// <param name="inner">The store.</param>
internal sealed class KeptObjectStore(IObjectStore inner) : IObjectStore
{
    public ValueTask<ReadOnlyMemory<byte>?> ReadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken) =>
        inner.ReadAsync(kind, id, cancellationToken);

    public ValueTask<ReadOnlyMemory<byte>?> ReadRowAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken) => inner.ReadRowAsync(key, cancellationToken);

    public IAsyncEnumerable<StoredRow> ScanRowsAsync(
        ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken) =>
        inner.ScanRowsAsync(prefix, cancellationToken);

    public IObjectWriter BeginWrite() => inner.BeginWrite();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
