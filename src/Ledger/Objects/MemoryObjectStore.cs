using System.Collections.Immutable;

namespace Ledger.Objects;

/// <summary>
/// An <see cref="IObjectStore"/> in memory, gone with the process; every call completes before it returns.
/// </summary>
/// <remarks>
/// Nothing is collected and nothing can be damaged, so a lease protects without doing anything and a read hashes
/// nothing. Keeps a copy of what it is given.
/// </remarks>
internal sealed class MemoryObjectStore : IObjectStore
{
    private readonly Lock _lock = new();
    private readonly Dictionary<ObjectId, StoredObject> _objects = [];
    private ImmutableSortedSet<StoredRow> _rows = ImmutableSortedSet.Create<StoredRow>(RowKeyComparer.Instance);
    private bool _disposed;

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> ReadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return ValueTask.FromResult(
                _objects.TryGetValue(id, out var stored) && stored.Kind == kind
                    ? stored.Content
                    : (ReadOnlyMemory<byte>?)null);
        }
    }

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> ReadRowAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return ValueTask.FromResult(
            CurrentRows().TryGetValue(new StoredRow(key, default), out var row)
                ? row.Value
                : (ReadOnlyMemory<byte>?)null);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<StoredRow> ScanRowsAsync(ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return Scan(prefix.ToArray(), cancellationToken).ToAsyncEnumerable();
    }

    /// <inheritdoc/>
    public IObjectWriter BeginWrite()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new MemoryObjectWriter(this);
    }

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        ObjectDisposedException.ThrowIf(_disposed, this);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _disposed = true;
            _objects.Clear();
            _rows = _rows.Clear();
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Whether an object is stored.</summary>
    internal bool Contains(ObjectId id)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _objects.ContainsKey(id);
        }
    }

    /// <summary>Applies objects and then row operations, in order and all at once.</summary>
    internal void Apply(
        IReadOnlyDictionary<ObjectId, StoredObject> objects, IReadOnlyList<RowOperation> operations)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            foreach (var (id, stored) in objects)
            {
                _objects.TryAdd(id, stored);
            }

            if (operations.Count > 0)
            {
                var rows = _rows.ToBuilder();
                foreach (var operation in operations)
                {
                    operation.Apply(rows);
                }

                _rows = rows.ToImmutable();
            }
        }
    }

    private ImmutableSortedSet<StoredRow> CurrentRows()
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return _rows;
        }
    }

    private IEnumerable<StoredRow> Scan(ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken)
    {
        var rows = CurrentRows();
        var index = rows.IndexOf(new StoredRow(prefix, default));
        for (index = index < 0 ? ~index : index; index < rows.Count; index++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var row = rows[index];
            if (!row.Key.Span.StartsWith(prefix.Span))
            {
                break;
            }

            yield return row;
        }
    }

    /// <summary>An object as it is kept.</summary>
    internal readonly record struct StoredObject(ObjectKind Kind, ReadOnlyMemory<byte> Content);

    /// <summary>What a commit does to the rows from <paramref name="From"/>, inclusive, on.</summary>
    /// <param name="From">The key that is set or removed, or where a removed range begins.</param>
    /// <param name="To">Where a removed range ends, exclusive; null for one key.</param>
    /// <param name="Value">The value to set; null to remove.</param>
    internal readonly record struct RowOperation(
        ReadOnlyMemory<byte> From, ReadOnlyMemory<byte>? To, ReadOnlyMemory<byte>? Value)
    {
        /// <summary>Does it.</summary>
        public void Apply(ImmutableSortedSet<StoredRow>.Builder rows)
        {
            if (To is { } end)
            {
                var index = rows.IndexOf(new StoredRow(From, default));
                index = index < 0 ? ~index : index;
                while (index < rows.Count && rows[index].Key.Span.SequenceCompareTo(end.Span) < 0)
                {
                    rows.Remove(rows[index]);
                }

                return;
            }

            rows.Remove(new StoredRow(From, default));
            if (Value is { } value)
            {
                rows.Add(new StoredRow(From, value));
            }
        }
    }

    /// <summary>Orders rows by key as unsigned bytes and leaves their values out of it.</summary>
    private sealed class RowKeyComparer : IComparer<StoredRow>
    {
        public static readonly RowKeyComparer Instance = new();

        public int Compare(StoredRow x, StoredRow y) => x.Key.Span.SequenceCompareTo(y.Key.Span);
    }
}
