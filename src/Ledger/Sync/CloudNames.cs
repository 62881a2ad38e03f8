using System.Buffers.Binary;
using System.Globalization;
using Ledger.Objects;

namespace Ledger.Sync;

/// <summary>What the cloud calls a ledger: a keyed hash of its name, 16 bytes.</summary>
/// <param name="Value">The bytes as a big-endian number.</param>
internal readonly record struct LedgerName(UInt128 Value)
{
    /// <summary>Length in bytes.</summary>
    public const int SizeBytes = 16;

    /// <summary>Reads 16 bytes.</summary>
    public static LedgerName Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    /// <summary>Writes 16 bytes.</summary>
    public void CopyTo(Span<byte> destination) => BinaryPrimitives.WriteUInt128BigEndian(destination, Value);

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => Value.ToString("x32", CultureInfo.InvariantCulture);
}

/// <summary>What the cloud calls a page of a ledger: a keyed hash of both, 16 bytes.</summary>
/// <param name="Value">The bytes as a big-endian number.</param>
internal readonly record struct PageName(UInt128 Value)
{
    /// <summary>Length in bytes.</summary>
    public const int SizeBytes = 16;

    /// <summary>Reads 16 bytes.</summary>
    public static PageName Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    /// <summary>Writes 16 bytes.</summary>
    public void CopyTo(Span<byte> destination) => BinaryPrimitives.WriteUInt128BigEndian(destination, Value);

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => Value.ToString("x32", CultureInfo.InvariantCulture);
}

/// <summary>Random name of an entry, given by the device that made it: 16 bytes.</summary>
/// <param name="Value">The bytes as a big-endian number.</param>
internal readonly record struct EntryId(UInt128 Value)
{
    /// <summary>Length in bytes.</summary>
    public const int SizeBytes = 16;

    /// <summary>Reads 16 bytes.</summary>
    public static EntryId Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    /// <summary>Writes 16 bytes.</summary>
    public void CopyTo(Span<byte> destination) => BinaryPrimitives.WriteUInt128BigEndian(destination, Value);

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => Value.ToString("x32", CultureInfo.InvariantCulture);
}

/// <summary>16 random bytes made with a cloud, and made anew by an administrative restore.</summary>
/// <param name="Value">The bytes as a big-endian number.</param>
internal readonly record struct CloudIncarnation(UInt128 Value)
{
    /// <summary>Length in bytes.</summary>
    public const int SizeBytes = 16;

    /// <summary>Reads 16 bytes.</summary>
    public static CloudIncarnation Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    /// <summary>Writes 16 bytes.</summary>
    public void CopyTo(Span<byte> destination) => BinaryPrimitives.WriteUInt128BigEndian(destination, Value);

    /// <summary>32 lower-case hexadecimal digits.</summary>
    public override string ToString() => Value.ToString("x32", CultureInfo.InvariantCulture);
}

/// <summary>What the cloud calls a blob: a keyed hash, 32 bytes.</summary>
/// <param name="High">The first 16 bytes as a big-endian number.</param>
/// <param name="Low">The last 16 bytes as a big-endian number.</param>
internal readonly record struct BlobName(UInt128 High, UInt128 Low)
{
    /// <summary>Length in bytes.</summary>
    public const int SizeBytes = 32;

    /// <summary>Reads 32 bytes.</summary>
    public static BlobName Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt128BigEndian(bytes), BinaryPrimitives.ReadUInt128BigEndian(bytes[16..]));

    /// <summary>Writes 32 bytes.</summary>
    public void CopyTo(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt128BigEndian(destination, High);
        BinaryPrimitives.WriteUInt128BigEndian(destination[16..], Low);
    }

    /// <summary>64 lower-case hexadecimal digits.</summary>
    public override string ToString() =>
        $"{High.ToString("x32", CultureInfo.InvariantCulture)}{Low.ToString("x32", CultureInfo.InvariantCulture)}";
}

/// <summary>A place in a ledger's feed. Entries have strictly ascending positions, not always without holes.</summary>
/// <param name="Value">1 or more for an entry; 0 is before the first.</param>
internal readonly record struct FeedPosition(long Value) : IComparable<FeedPosition>
{
    /// <summary>Before the first entry.</summary>
    public static FeedPosition Start => default;

    /// <summary>After every entry: no feed gets there.</summary>
    public static FeedPosition Last => new(long.MaxValue);

    /// <inheritdoc/>
    public int CompareTo(FeedPosition other) => Value.CompareTo(other.Value);

    /// <summary>The number.</summary>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);

    /// <summary>Earlier in the feed.</summary>
    public static bool operator <(FeedPosition left, FeedPosition right) => left.Value < right.Value;

    /// <summary>Later in the feed.</summary>
    public static bool operator >(FeedPosition left, FeedPosition right) => left.Value > right.Value;

    /// <summary>Not later in the feed.</summary>
    public static bool operator <=(FeedPosition left, FeedPosition right) => left.Value <= right.Value;

    /// <summary>Not earlier in the feed.</summary>
    public static bool operator >=(FeedPosition left, FeedPosition right) => left.Value >= right.Value;
}

/// <summary>How far a device has taken in a ledger's feed, saved in the same record as what it covers.</summary>
/// <param name="Incarnation">Of the cloud that the entry was in.</param>
/// <param name="Position">Of the last entry taken in.</param>
/// <param name="Entry">Id of that entry: a cloud that has another one there, or none, was rolled back.</param>
internal readonly record struct FeedAnchor(CloudIncarnation Incarnation, FeedPosition Position, EntryId Entry)
{
    /// <summary>Length of an encoded anchor.</summary>
    public const int SizeBytes = CloudIncarnation.SizeBytes + sizeof(ulong) + EntryId.SizeBytes;

    /// <summary>Compares an anchor with what the cloud said when it was connected to.</summary>
    /// <param name="anchor">Null when nothing was taken in yet.</param>
    /// <param name="incarnation">The cloud's.</param>
    /// <param name="feed">What the cloud said about the ledger, asked at the anchor's position.</param>
    public static AnchorState Compare(FeedAnchor? anchor, CloudIncarnation incarnation, FeedState feed)
    {
        if (anchor is not { } saved)
        {
            return AnchorState.Fresh;
        }

        if (saved.Incarnation != incarnation)
        {
            return AnchorState.Foreign;
        }

        return feed.AtCursor == saved.Entry ? AnchorState.Intact : AnchorState.RolledBack;
    }

    /// <summary>Writes the anchor: incarnation, position (eight bytes, big-endian), entry id.</summary>
    public void Write(ByteWriter writer)
    {
        Incarnation.CopyTo(writer.Reserve(CloudIncarnation.SizeBytes));
        BinaryPrimitives.WriteInt64BigEndian(writer.Reserve(sizeof(long)), Position.Value);
        Entry.CopyTo(writer.Reserve(EntryId.SizeBytes));
    }

    /// <summary>Reads an anchor.</summary>
    /// <exception cref="CorruptObjectException">It ends early, or the position is not one of an entry.</exception>
    public static FeedAnchor Read(ref ByteReader reader)
    {
        var incarnation = CloudIncarnation.Read(reader.ReadBytes(CloudIncarnation.SizeBytes));
        var position = BinaryPrimitives.ReadInt64BigEndian(reader.ReadBytes(sizeof(long)));
        return position >= 1
            ? new FeedAnchor(incarnation, new FeedPosition(position), EntryId.Read(reader.ReadBytes(EntryId.SizeBytes)))
            : throw reader.Corrupt($"the position {position} of an anchor is not one of an entry");
    }
}

/// <summary>Whether a cloud is the one that an anchor speaks of, and still has what was taken in.</summary>
internal enum AnchorState
{
    /// <summary>Nothing was taken in yet: any cloud will do.</summary>
    Fresh,

    /// <summary>The entry is where it was.</summary>
    Intact,

    /// <summary>Another cloud, or this one after it was erased and made anew or restored.</summary>
    Foreign,

    /// <summary>The same cloud, which does not have the entry any more.</summary>
    RolledBack,
}
