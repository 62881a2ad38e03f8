namespace Ledger.Objects;

/// <summary>The lease of a <see cref="MemoryObjectStore"/>.</summary>
/// <param name="store">Where commits go.</param>
internal sealed class MemoryObjectWriter(MemoryObjectStore store) : IObjectWriter
{
    /// <summary>Waiting content from which on a put writes ahead.</summary>
    private const long WaitingSizeBytesMax = 1024 * 1024;

    private readonly Dictionary<ObjectId, MemoryObjectStore.StoredObject> _waiting = [];
    private readonly List<MemoryObjectStore.RowOperation> _operations = [];
    private long _waitingSizeBytes;
    private bool _disposed;

    /// <inheritdoc/>
    public async ValueTask<ObjectId> PutAsync(
        ObjectKind kind, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        StoreLimits.CheckObjectSize(content.Length);
        var id = ObjectId.Of(kind, content.Span);
        await PutAsync(kind, id, content, cancellationToken);
        return id;
    }

    /// <inheritdoc/>
    public ValueTask PutAsync(
        ObjectKind kind, ObjectId id, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        StoreLimits.CheckObjectSize(content.Length);
        if (store.Contains(id) || !_waiting.TryAdd(id, new(kind, content.ToArray())))
        {
            return ValueTask.CompletedTask;
        }

        _waitingSizeBytes += content.Length;
        return _waitingSizeBytes < WaitingSizeBytesMax ? ValueTask.CompletedTask : WriteAheadAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<bool> ContainsAsync(ObjectId id, CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        return ValueTask.FromResult(_waiting.ContainsKey(id) || store.Contains(id));
    }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte>? TryGetWaiting(ObjectId id)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return _waiting.TryGetValue(id, out var stored) ? stored.Content : (ReadOnlyMemory<byte>?)null;
    }

    /// <inheritdoc/>
    public void SetRow(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        StoreLimits.CheckRowKeySize(key.Length);
        StoreLimits.CheckRowValueSize(value.Length);
        _operations.Add(new(key.ToArray(), null, value.ToArray()));
    }

    /// <inheritdoc/>
    public void DeleteRow(ReadOnlyMemory<byte> key)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        StoreLimits.CheckRowKeySize(key.Length);
        _operations.Add(new(key.ToArray(), null, null));
    }

    /// <inheritdoc/>
    public void DeleteRows(ReadOnlyMemory<byte> fromInclusive, ReadOnlyMemory<byte> toExclusive)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        StoreLimits.CheckRowKeySize(fromInclusive.Length);
        StoreLimits.CheckRowKeySize(toExclusive.Length);
        _operations.Add(new(fromInclusive.ToArray(), toExclusive.ToArray(), null));
    }

    /// <inheritdoc/>
    public ValueTask WriteAheadAsync(CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        store.Apply(_waiting, []);
        ForgetWaiting();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask CommitAsync(Durability durability, CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        store.Apply(_waiting, _operations);
        ForgetWaiting();
        _operations.Clear();
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        _disposed = true;
        ForgetWaiting();
        _operations.Clear();
        return ValueTask.CompletedTask;
    }

    private void CheckUsable(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
    }

    private void ForgetWaiting()
    {
        _waiting.Clear();
        _waitingSizeBytes = 0;
    }
}
