using Ledger.Objects;

namespace Ledger.Conformance;

/// <summary>
/// A store in front of another, which refuses or delays commits on demand; nothing of a refused one is stored.
/// </summary>
internal sealed class RefusingObjectStore(IObjectStore inner) : IObjectStore
{
    /// <summary>Makes the error of each commit that is to be refused; null for none.</summary>
    public Func<Durability, Exception?>? Refusal { get; set; }

    /// <summary>What each commit waits for before it is made; null for nothing.</summary>
    public Func<Durability, Task>? CommitDelay { get; set; }

    /// <summary>What each read of a row waits for after it, by its key and content; null for nothing.</summary>
    public Func<ReadOnlyMemory<byte>, ReadOnlyMemory<byte>?, Task>? RowRead { get; set; }

    /// <summary>Called after each commit that was made.</summary>
    public Action? Committed { get; set; }

    /// <summary>Makes the error of each write-ahead and of each put that is to be refused; null for none.</summary>
    public Func<Exception>? WriteAheadRefusal { get; set; }

    /// <summary>Makes the error of each read of an object that is to be refused; null for none.</summary>
    public Func<ObjectKind, ObjectId, Exception?>? ReadRefusal { get; set; }

    public ValueTask<ReadOnlyMemory<byte>?> ReadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken) =>
        ReadRefusal?.Invoke(kind, id) is { } error
            ? ValueTask.FromException<ReadOnlyMemory<byte>?>(error)
            : inner.ReadAsync(kind, id, cancellationToken);

    public async ValueTask<ReadOnlyMemory<byte>?> ReadRowAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        var content = await inner.ReadRowAsync(key, cancellationToken);
        await (RowRead?.Invoke(key, content) ?? Task.CompletedTask);
        return content;
    }

    public IAsyncEnumerable<StoredRow> ScanRowsAsync(
        ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken) =>
        inner.ScanRowsAsync(prefix, cancellationToken);

    public IObjectWriter BeginWrite() => new Writer(this, inner.BeginWrite());

    public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class Writer(RefusingObjectStore store, IObjectWriter inner) : IObjectWriter
    {
        public ValueTask<ObjectId> PutAsync(
            ObjectKind kind, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
            store.WriteAheadRefusal is { } refuse
                ? ValueTask.FromException<ObjectId>(refuse())
                : inner.PutAsync(kind, content, cancellationToken);

        public ValueTask PutAsync(
            ObjectKind kind, ObjectId id, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
            inner.PutAsync(kind, id, content, cancellationToken);

        public ValueTask<bool> ContainsAsync(ObjectId id, CancellationToken cancellationToken) =>
            inner.ContainsAsync(id, cancellationToken);

        public ReadOnlyMemory<byte>? TryGetWaiting(ObjectId id) => inner.TryGetWaiting(id);

        public void SetRow(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value) => inner.SetRow(key, value);

        public void DeleteRow(ReadOnlyMemory<byte> key) => inner.DeleteRow(key);

        public void DeleteRows(ReadOnlyMemory<byte> fromInclusive, ReadOnlyMemory<byte> toExclusive) =>
            inner.DeleteRows(fromInclusive, toExclusive);

        public ValueTask WriteAheadAsync(CancellationToken cancellationToken) =>
            store.WriteAheadRefusal is { } refuse
                ? ValueTask.FromException(refuse())
                : inner.WriteAheadAsync(cancellationToken);

        public async ValueTask CommitAsync(Durability durability, CancellationToken cancellationToken)
        {
            if (store.Refusal?.Invoke(durability) is { } error)
            {
                throw error;
            }

            await (store.CommitDelay?.Invoke(durability) ?? Task.CompletedTask);
            await inner.CommitAsync(durability, cancellationToken);
            store.Committed?.Invoke();
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
