using System.Collections.Concurrent;
using Ledger.Objects;

namespace Ledger.Conformance;

/// <summary>A store in front of another: counts what is read, and hides or damages objects on demand.</summary>
/// <remarks>Damage is reported as every store must report it, since a store verifies what it reads.</remarks>
internal sealed class ObservedObjectStore(IObjectStore inner) : IObjectStore
{
    private readonly ConcurrentDictionary<ObjectId, bool> _hidden = new();
    private readonly ConcurrentDictionary<ObjectId, bool> _damaged = new();
    private readonly ConcurrentQueue<(ObjectKind Kind, ObjectId Id)> _reads = new();

    /// <summary>The reads since the last <see cref="Forget"/>, in order.</summary>
    public IReadOnlyList<(ObjectKind Kind, ObjectId Id)> Reads => [.. _reads];

    /// <summary>Forgets the reads so far.</summary>
    public void Forget() => _reads.Clear();

    /// <summary>From now on the object is not here.</summary>
    public void Hide(ObjectId id) => _hidden[id] = true;

    /// <summary>From now on the object's bytes hash to another id.</summary>
    public void Damage(ObjectId id) => _damaged[id] = true;

    /// <summary>Undoes hiding and damage.</summary>
    public void Restore(ObjectId id)
    {
        _hidden.TryRemove(id, out _);
        _damaged.TryRemove(id, out _);
    }

    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken)
    {
        _reads.Enqueue((kind, id));
        var content = _hidden.ContainsKey(id) ? null : await inner.ReadAsync(kind, id, cancellationToken);
        if (content is { } found && _damaged.ContainsKey(id))
        {
            var damaged = found.ToArray();
            damaged[^1] ^= 1;
            throw new CorruptObjectException(id, ObjectId.Of(kind, damaged));
        }

        return content;
    }

    public ValueTask<ReadOnlyMemory<byte>?> ReadRowAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken) => inner.ReadRowAsync(key, cancellationToken);

    public IAsyncEnumerable<StoredRow> ScanRowsAsync(
        ReadOnlyMemory<byte> prefix, CancellationToken cancellationToken) =>
        inner.ScanRowsAsync(prefix, cancellationToken);

    public IObjectWriter BeginWrite() => inner.BeginWrite();

    public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}
