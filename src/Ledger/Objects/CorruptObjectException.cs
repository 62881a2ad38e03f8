using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>Bytes that were read do not mean what their name says: a hash differs, or a decoder rejects them.</summary>
public sealed class CorruptObjectException : LedgerException
{
    /// <summary>Reports bytes that hash to another id.</summary>
    public CorruptObjectException(ObjectId id, ObjectId actual)
        : base($"Object {id} is damaged: its bytes hash to {actual} instead.") => Id = id;

    /// <summary>Reports bytes that cannot be decoded.</summary>
    /// <param name="what">What was decoded, and what is wrong with it, as a clause.</param>
    /// <param name="id">The object, when it has a name.</param>
    public CorruptObjectException(string what, ObjectId id = default)
        : base(id.IsNone ? $"Damaged data: {what}." : $"Object {id} is damaged: {what}.") => Id = id;

    /// <summary>The damaged object; <see cref="ObjectId.IsNone"/> when the bytes have no name.</summary>
    public ObjectId Id { get; }
}
