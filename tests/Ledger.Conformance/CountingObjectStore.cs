using Ledger.Objects;

namespace Ledger.Conformance;

/// <summary>Counts what is read from another store, and the objects that are put into it.</summary>
internal sealed class CountingObjectStore(IObjectStore inner) : IObjectStore
{
    /// <summary>Reads since the last <see cref="Reset"/>, in order.</summary>
    public List<ObjectId> Reads { get; } = [];

    /// <summary>Puts since the last <see cref="Reset"/>, in order, repetitions included.</summary>
    public List<ObjectId> Puts { get; } = [];

    /// <summary>Scans of rows since the last <see cref="Reset"/>, by their prefixes.</summary>
    public List<byte[]> Scans { get; } = [];

    /// <summary>Rows set by each commit since the last <see cref="Reset"/>, in order.</summary>
    public List<int> CommittedRows { get; } = [];

    /// <summary>Rows read one by one since the last <see cref="Reset"/>.</summary>
    public int RowReads { get; private set; }

    public void Reset()
    {
        RowReads = 0;
        Reads.Clear();
        Puts.Clear();
        Scans.Clear();
        CommittedRows.Clear();
    }

    public ValueTask<ReadOnlyMemory<byte>?> ReadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken)
    {
        Reads.Add(id);
        return inner.ReadAsync(kind, id, cancellationToken);
    }

    public ValueTask<ReadOnlyMemory<byte>?> ReadRowAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        RowReads++;
        return inner.ReadRowAsync(key, cancellationToken);
    }

    public IAsyncEnumerable<StoredRow> ScanRowsAsync(
        ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken)
    {
        Scans.Add(prefix.ToArray());
        return inner.ScanRowsAsync(prefix, cancellationToken);
    }

    public IObjectWriter BeginWrite() => new Writer(this, inner.BeginWrite());

    public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();

    private sealed class Writer(CountingObjectStore store, IObjectWriter inner) : IObjectWriter
    {
        private int _rows;

        public async ValueTask<ObjectId> PutAsync(
            ObjectKind kind, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
        {
            var id = await inner.PutAsync(kind, content, cancellationToken);
            store.Puts.Add(id);
            return id;
        }

        public ValueTask PutAsync(
            ObjectKind kind, ObjectId id, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
        {
            store.Puts.Add(id);
            return inner.PutAsync(kind, id, content, cancellationToken);
        }

        public ValueTask<bool> ContainsAsync(ObjectId id, CancellationToken cancellationToken) =>
            inner.ContainsAsync(id, cancellationToken);

        public ReadOnlyMemory<byte>? TryGetWaiting(ObjectId id) => inner.TryGetWaiting(id);

        public void SetRow(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value)
        {
            _rows++;
            inner.SetRow(key, value);
        }

        public void DeleteRow(ReadOnlyMemory<byte> key) => inner.DeleteRow(key);

        public void DeleteRows(ReadOnlyMemory<byte> fromInclusive, ReadOnlyMemory<byte> toExclusive) =>
            inner.DeleteRows(fromInclusive, toExclusive);

        public ValueTask WriteAheadAsync(CancellationToken cancellationToken) =>
            inner.WriteAheadAsync(cancellationToken);

        public ValueTask CommitAsync(Durability durability, CancellationToken cancellationToken)
        {
            store.CommittedRows.Add(_rows);
            return inner.CommitAsync(durability, cancellationToken);
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
