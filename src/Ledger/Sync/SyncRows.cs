using System.Buffers.Binary;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Rows;

namespace Ledger.Sync;

/// <summary>Who this device is in the feed of a ledger, and what its next entry says.</summary>
/// <param name="Device">Random; another one after a restored backup or a repair.</param>
/// <param name="Next">Sequence number of its next entry.</param>
/// <param name="Previous">Hash of its last entry; zero when there is none.</param>
internal sealed record SelfRow(DeviceId Device, long Next, UInt128 Previous)
{
    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        Device.CopyTo(writer.Reserve(DeviceId.SizeBytes));
        writer.WriteVarint((ulong)Next);
        SyncRowFormat.WriteHash(writer, Previous);
        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    public static SelfRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "the row of this device in the feed");
        var row = new SelfRow(
            DeviceId.Read(reader.ReadBytes(DeviceId.SizeBytes)),
            reader.ReadVarint(0, long.MaxValue, "the sequence number"), SyncRowFormat.ReadHash(ref reader));
        reader.ExpectEnd();
        return row;
    }
}

/// <summary>What was seen of a device's entries, each of which names the one before it.</summary>
/// <param name="Last">The highest sequence number.</param>
/// <param name="Hash">Hash of that entry.</param>
/// <param name="HeardMs">Wall clock when it came.</param>
/// <param name="IsForked">Two histories under this device's name were seen.</param>
/// <param name="Gaps">Entries before it that were never seen, ascending.</param>
internal sealed record ChainRow(
    long Last, UInt128 Hash, long HeardMs, bool IsForked, IReadOnlyList<ChainGap> Gaps)
{
    /// <summary>More gaps are not remembered one by one.</summary>
    public const int GapsMax = 256;

    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        writer.WriteVarint((ulong)Last);
        SyncRowFormat.WriteHash(writer, Hash);
        writer.WriteVarint((ulong)HeardMs);
        writer.WriteByte(IsForked ? (byte)1 : (byte)0);
        writer.WriteVarint((ulong)Gaps.Count);
        foreach (var gap in Gaps)
        {
            writer.WriteVarint((ulong)gap.First);
            writer.WriteVarint((ulong)(gap.Last - gap.First));
            SyncRowFormat.WriteHash(writer, gap.HashOfLast);
        }

        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    public static ChainRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "the row of a device's entries");
        var last = reader.ReadVarint(0, long.MaxValue, "the sequence number");
        var hash = SyncRowFormat.ReadHash(ref reader);
        var heardMs = RowFormat.ReadMilliseconds(ref reader);
        var isForked = reader.ReadByte() != 0;
        var gaps = new ChainGap[reader.ReadVarint(0, GapsMax, "the number of gaps")];
        for (var index = 0; index < gaps.Length; index++)
        {
            var first = reader.ReadVarint(0, last, "the first of a gap");
            gaps[index] = new ChainGap(
                first, first + reader.ReadVarint(0, last - first, "the length of a gap"),
                SyncRowFormat.ReadHash(ref reader));
        }

        reader.ExpectEnd();
        return new ChainRow(last, hash, heardMs, isForked, gaps);
    }
}

/// <summary>Entries of a device that were never seen, although later ones were.</summary>
/// <param name="First">Sequence number of the first.</param>
/// <param name="Last">Sequence number of the last.</param>
/// <param name="HashOfLast">What the entry after them says of the last.</param>
internal readonly record struct ChainGap(long First, long Last, UInt128 HashOfLast);

/// <summary>What is known of a page in the cloud.</summary>
/// <param name="Incarnation">
/// Of the page. A row of an earlier one stays until the cloud is known to have been told that this life has ended.
/// </param>
/// <param name="IsAnnounced">The catalog has the page.</param>
/// <param name="End">Position of the page's last entry that was taken in.</param>
/// <param name="Uploaded">
/// The commits of the cloud that have no child there: what is no ancestor of these was not uploaded.
/// </param>
/// <param name="Pending">Received commits that are to become heads, once their values are here.</param>
internal sealed record SyncPageRow(
    uint Incarnation, bool IsAnnounced, FeedPosition End, IReadOnlyList<CommitId> Uploaded,
    IReadOnlyList<CommitId> Pending)
{
    /// <summary>Most heads of either list: what a row can hold.</summary>
    public const int HeadsMax = 900;

    /// <summary>Whether the cloud has this life of the page, or was told of it.</summary>
    public bool IsInCloud => IsAnnounced || Uploaded.Count > 0;

    /// <summary>A page of which nothing is in the cloud.</summary>
    public static SyncPageRow New(uint incarnation) => new(incarnation, false, FeedPosition.Start, [], []);

    /// <summary>Heads after a commit that was not among their ancestors, and whose parents may be.</summary>
    /// <remarks>
    /// Beyond <see cref="HeadsMax"/> the oldest are left out. Of uploaded ones that does no harm: they are sent twice.
    /// A pending one that is left out is not shown until a descendant of it is.
    /// </remarks>
    public static IReadOnlyList<CommitId> With(IReadOnlyList<CommitId> heads, Commit commit) =>
    [
        .. heads.Where(head => !commit.Parents.Contains(head) && head != commit.Id).TakeLast(HeadsMax - 1), commit.Id,
    ];

    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        writer.WriteVarint(Incarnation);
        writer.WriteByte(IsAnnounced ? (byte)1 : (byte)0);
        writer.WriteVarint((ulong)End.Value);
        SyncRowFormat.WriteCommits(writer, Uploaded);
        SyncRowFormat.WriteCommits(writer, Pending);
        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    public static SyncPageRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "the row of a page in the cloud");
        var row = new SyncPageRow(
            RowFormat.ReadIncarnation(ref reader), reader.ReadByte() != 0,
            new FeedPosition(reader.ReadVarint(0, long.MaxValue, "the position")),
            SyncRowFormat.ReadCommits(ref reader, HeadsMax), SyncRowFormat.ReadCommits(ref reader, HeadsMax));
        reader.ExpectEnd();
        return row;
    }
}

/// <summary>An entry that was composed and whose fate is not known.</summary>
/// <param name="Id">Its id.</param>
/// <param name="PageName">The page's, or the catalog's, name in the cloud.</param>
/// <param name="Page">The page that it speaks of.</param>
/// <param name="Incarnation">Of the page.</param>
/// <param name="Sequence">Its sequence number.</param>
/// <param name="ExpectedEnd">Where the page's part of the feed must end; null for anywhere.</param>
/// <param name="Parts">Rows that hold the sealed bytes.</param>
internal sealed record OutgoingRow(
    EntryId Id, PageName PageName, PageId Page, uint Incarnation, long Sequence, FeedPosition? ExpectedEnd, int Parts)
{
    /// <summary>Bytes of each part but the last.</summary>
    public const int PartSizeBytes = 60 * 1024;

    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        Id.CopyTo(writer.Reserve(EntryId.SizeBytes));
        PageName.CopyTo(writer.Reserve(PageName.SizeBytes));
        Page.CopyTo(writer.Reserve(PageId.SizeBytes));
        writer.WriteVarint(Incarnation);
        writer.WriteVarint((ulong)Sequence);
        writer.WriteVarint(ExpectedEnd is { } end ? (ulong)end.Value + 1 : 0);
        writer.WriteVarint((ulong)Parts);
        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    public static OutgoingRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "the row of an entry that is on its way");
        var id = EntryId.Read(reader.ReadBytes(EntryId.SizeBytes));
        var name = PageName.Read(reader.ReadBytes(PageName.SizeBytes));
        var page = new PageId(reader.ReadBytes(PageId.SizeBytes));
        var incarnation = RowFormat.ReadIncarnation(ref reader);
        var sequence = reader.ReadVarint(0, long.MaxValue, "the sequence number");
        var end = reader.ReadVarint(0, long.MaxValue, "the expected end");
        var parts = (int)reader.ReadVarint(1, ushort.MaxValue, "the number of parts");
        reader.ExpectEnd();
        return new OutgoingRow(
            id, name, page, incarnation, sequence, end == 0 ? null : new FeedPosition(end - 1), parts);
    }
}

/// <summary>
/// A received commit whose parents are not all here. The commit and its changes are stored as objects.
/// </summary>
/// <param name="Incarnation">Of its page.</param>
/// <param name="Position">Of its entry.</param>
/// <param name="Base">The parent that its changes are against.</param>
/// <param name="Changes">Its changes.</param>
/// <param name="SizeBytes">About what it takes.</param>
internal sealed record WaitingRow(
    uint Incarnation, FeedPosition Position, CommitId Base, ChangeList Changes, long SizeBytes)
{
    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        writer.WriteVarint((ulong)Position.Value);
        writer.WriteVarint((ulong)SizeBytes);
        writer.WriteBytes(new CommitRow(Incarnation, Base, Changes).Encode());
        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    public static WaitingRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "the row of a commit that waits");
        var position = new FeedPosition(reader.ReadVarint(0, long.MaxValue, "the position"));
        var sizeBytes = reader.ReadVarint(0, long.MaxValue, "the size");
        var row = CommitRow.Decode(reader.ReadBytes(reader.Remaining));
        return new WaitingRow(row.Incarnation, position, row.Parent, row.Changes, sizeBytes);
    }
}

/// <summary>A commit that waits, and its row.</summary>
internal readonly record struct WaitingCommit(Commit Commit, WaitingRow Row);

/// <summary>An entry that could not be applied.</summary>
/// <param name="Id">Its id.</param>
/// <param name="PageName">The page that the cloud says it is of.</param>
/// <param name="Device">The device that the cloud says it is of.</param>
/// <param name="Sequence">
/// Its sequence number, as the cloud says; of a commit dated ahead that date, in milliseconds since 1970.
/// </param>
/// <param name="Kind">What is wrong; only for some of the kinds the entry was put aside.</param>
/// <param name="Reason">Why, as a full sentence.</param>
internal sealed record QuarantineRow(
    EntryId Id, PageName PageName, DeviceId Device, long Sequence, SyncProblemKind Kind, string Reason)
{
    private const int ReasonSizeBytesMax = 2048;

    /// <summary>The row's bytes.</summary>
    public byte[] Encode()
    {
        var writer = RowFormat.Begin();
        Id.CopyTo(writer.Reserve(EntryId.SizeBytes));
        PageName.CopyTo(writer.Reserve(PageName.SizeBytes));
        Device.CopyTo(writer.Reserve(DeviceId.SizeBytes));
        writer.WriteVarint((ulong)Sequence);
        writer.WriteByte((byte)Kind);
        var reason = System.Text.Encoding.UTF8.GetBytes(Reason);
        writer.WriteSized(reason.AsSpan(0, Math.Min(reason.Length, ReasonSizeBytesMax)));
        return writer.ToArray();
    }

    /// <summary>Reads the row's bytes.</summary>
    public static QuarantineRow Decode(ReadOnlySpan<byte> content)
    {
        var reader = RowFormat.Open(content, "the row of an entry that could not be applied");
        var row = new QuarantineRow(
            EntryId.Read(reader.ReadBytes(EntryId.SizeBytes)), PageName.Read(reader.ReadBytes(PageName.SizeBytes)),
            DeviceId.Read(reader.ReadBytes(DeviceId.SizeBytes)),
            reader.ReadVarint(0, long.MaxValue, "the sequence number"), (SyncProblemKind)reader.ReadByte(),
            System.Text.Encoding.UTF8.GetString(reader.ReadSized(0, ReasonSizeBytesMax, "the length of the reason")));
        reader.ExpectEnd();
        return row;
    }
}

/// <summary>What several of these rows have in common.</summary>
internal static class SyncRowFormat
{
    /// <summary>Writes 16 bytes of a hash.</summary>
    public static void WriteHash(ByteWriter writer, UInt128 hash) =>
        BinaryPrimitives.WriteUInt128BigEndian(writer.Reserve(16), hash);

    /// <summary>Reads 16 bytes of a hash.</summary>
    public static UInt128 ReadHash(ref ByteReader reader) =>
        BinaryPrimitives.ReadUInt128BigEndian(reader.ReadBytes(16));

    /// <summary>Writes a number and so many ids.</summary>
    public static void WriteCommits(ByteWriter writer, IReadOnlyList<CommitId> commits)
    {
        writer.WriteVarint((ulong)commits.Count);
        foreach (var commit in commits)
        {
            writer.WriteId(commit.Value);
        }
    }

    /// <summary>Reads a number and so many ids.</summary>
    public static IReadOnlyList<CommitId> ReadCommits(ref ByteReader reader, int countMax)
    {
        var commits = new CommitId[reader.ReadVarint(0, countMax, "the number of commits")];
        for (var index = 0; index < commits.Length; index++)
        {
            commits[index] = new CommitId(reader.ReadId());
        }

        return commits;
    }
}
