using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>An object that others refer to is not in the store.</summary>
/// <param name="id">The missing object.</param>
public sealed class MissingObjectException(ObjectId id) : LedgerException($"Object {id} is not in the store.")
{
    /// <summary>The missing object.</summary>
    public ObjectId Id { get; } = id;
}
