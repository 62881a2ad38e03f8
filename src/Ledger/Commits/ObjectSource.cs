using Ledger.Objects;

namespace Ledger.Commits;

/// <summary>Reads objects that must be there, also those that a lease holds and has not written yet.</summary>
/// <param name="store">Where objects are.</param>
/// <param name="lease">
/// A lease whose waiting objects are read too, or null. Its caller does nothing else meanwhile.
/// </param>
internal readonly struct ObjectSource(IObjectStore store, IObjectWriter? lease = null)
{
    /// <summary>The object's bytes.</summary>
    /// <exception cref="MissingObjectException">It is not here.</exception>
    /// <exception cref="CorruptObjectException">Its bytes do not hash to its id.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken) =>
        lease?.TryGetWaiting(id) ??
        await store.ReadAsync(kind, id, cancellationToken) ??
        throw new MissingObjectException(id);
}
