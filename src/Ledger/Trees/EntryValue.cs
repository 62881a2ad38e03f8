using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>What an entry holds: a short value inline, or the id and size of a longer one.</summary>
/// <remarks>
/// A value of at most <see cref="TreeProfile.InlineSizeBytesMax"/> bytes is always inline, a longer one never.
/// </remarks>
internal readonly struct EntryValue : IEquatable<EntryValue>
{
    private EntryValue(ReadOnlyMemory<byte> inline, ObjectId id, long sizeBytes, EntryPriority priority)
    {
        Inline = inline;
        Id = id;
        SizeBytes = sizeBytes;
        Priority = priority;
    }

    /// <summary>The bytes, when <see cref="IsInline"/>.</summary>
    public ReadOnlyMemory<byte> Inline { get; }

    /// <summary>
    /// The value's object (its index when it is larger than one object), unless <see cref="IsInline"/>.
    /// </summary>
    public ObjectId Id { get; }

    /// <summary>Length of the value in bytes, wherever it is.</summary>
    public long SizeBytes { get; }

    /// <summary>When the value must be here.</summary>
    public EntryPriority Priority { get; }

    /// <summary>True when the bytes are in the entry itself.</summary>
    public bool IsInline => Id.IsNone;

    /// <summary>A value of 0 to <see cref="TreeProfile.InlineSizeBytesMax"/> bytes; the bytes are not copied.</summary>
    public static EntryValue OfInline(ReadOnlyMemory<byte> bytes, EntryPriority priority = EntryPriority.Eager)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bytes.Length, TreeProfile.InlineSizeBytesMax);
        return new EntryValue(bytes, default, bytes.Length, priority);
    }

    /// <summary>A value of more than <see cref="TreeProfile.InlineSizeBytesMax"/> bytes in an object.</summary>
    public static EntryValue OfObject(ObjectId id, long sizeBytes, EntryPriority priority = EntryPriority.Eager)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(sizeBytes, TreeProfile.InlineSizeBytesMax);
        ArgumentOutOfRangeException.ThrowIfEqual(id.IsNone, true);
        return new EntryValue(default, id, sizeBytes, priority);
    }

    /// <summary>Same bytes and same priority.</summary>
    public bool Equals(EntryValue other) =>
        Id == other.Id && SizeBytes == other.SizeBytes && Priority == other.Priority &&
        Inline.Span.SequenceEqual(other.Inline.Span);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is EntryValue other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => IsInline ? Inline.Length : Id.GetHashCode();
}
