using System.Buffers.Binary;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages;

namespace Ledger.Sync;

/// <summary>Keys of the rows that synchronisation keeps in a ledger's store (docs/formats/sync-rows.md).</summary>
internal static class SyncRowKeys
{
    private const byte First = (byte)'y';

    /// <summary>How far the feed was taken in.</summary>
    public static ReadOnlyMemory<byte> Anchor => Ledger.Pages.Rows.RowKeys.SyncAnchor;

    /// <summary>Who this device is in the feed, and what it says next.</summary>
    public static ReadOnlyMemory<byte> Self { get; } = new[] { First, (byte)'d' };

    /// <summary>The entry that is on its way.</summary>
    public static ReadOnlyMemory<byte> Outgoing { get; } = new[] { First, (byte)'o' };

    /// <summary>There since the user took a cloud as it is, until it has the values that are here.</summary>
    public static ReadOnlyMemory<byte> Values { get; } = new[] { First, (byte)'v' };

    /// <summary>Begins the keys of what is known of other devices' entries.</summary>
    public static ReadOnlyMemory<byte> Chains { get; } = new[] { First, (byte)'e' };

    /// <summary>Begins the keys of what is known of pages in the cloud.</summary>
    public static ReadOnlyMemory<byte> Pages { get; } = new[] { First, (byte)'p' };

    /// <summary>Begins the keys of the pages by their names in the cloud.</summary>
    public static ReadOnlyMemory<byte> Names { get; } = new[] { First, (byte)'n' };

    /// <summary>Begins the keys of commits that wait for their parents.</summary>
    public static ReadOnlyMemory<byte> Waiting { get; } = new[] { First, (byte)'w' };

    /// <summary>Begins the keys of entries that could not be applied.</summary>
    public static ReadOnlyMemory<byte> Quarantine { get; } = new[] { First, (byte)'q' };

    /// <summary>A part of the entry that is on its way.</summary>
    public static byte[] OutgoingPart(int index)
    {
        var key = Of('b', sizeof(ushort));
        BinaryPrimitives.WriteUInt16BigEndian(key.AsSpan(2), checked((ushort)index));
        return key;
    }

    /// <summary>What is known of a device's entries.</summary>
    public static byte[] Chain(DeviceId device)
    {
        var key = Of('e', DeviceId.SizeBytes);
        device.CopyTo(key.AsSpan(2));
        return key;
    }

    /// <summary>What is known of a page in the cloud.</summary>
    public static byte[] Page(PageId page)
    {
        var key = Of('p', PageId.SizeBytes);
        page.CopyTo(key.AsSpan(2));
        return key;
    }

    /// <summary>The page that has a name in the cloud.</summary>
    public static byte[] Name(PageName name)
    {
        var key = Of('n', PageName.SizeBytes);
        name.CopyTo(key.AsSpan(2));
        return key;
    }

    /// <summary>Begins the keys of a page's commits that wait.</summary>
    public static byte[] WaitingOf(PageId page)
    {
        var key = Of('w', PageId.SizeBytes);
        page.CopyTo(key.AsSpan(2));
        return key;
    }

    /// <summary>A commit that waits.</summary>
    public static byte[] WaitingCommit(PageId page, CommitId commit)
    {
        var key = Of('w', PageId.SizeBytes + ObjectId.HashSizeBytes);
        page.CopyTo(key.AsSpan(2));
        commit.Value.CopyHashTo(key.AsSpan(2 + PageId.SizeBytes));
        return key;
    }

    /// <summary>An entry that could not be applied.</summary>
    public static byte[] Quarantined(FeedPosition position)
    {
        var key = Of('q', sizeof(long));
        BinaryPrimitives.WriteInt64BigEndian(key.AsSpan(2), position.Value);
        return key;
    }

    /// <summary>The page of a key of <see cref="Page"/> or <see cref="WaitingCommit"/>.</summary>
    public static PageId ReadPage(ReadOnlySpan<byte> key) => new(key.Slice(2, PageId.SizeBytes));

    /// <summary>The device of a key of <see cref="Chain"/>.</summary>
    public static DeviceId ReadDevice(ReadOnlySpan<byte> key) => DeviceId.Read(key[2..]);

    /// <summary>The commit of a key of <see cref="WaitingCommit"/>.</summary>
    public static CommitId ReadCommit(ReadOnlySpan<byte> key) =>
        new(ObjectId.FromHash(key[(2 + PageId.SizeBytes)..]));

    /// <summary>The position of a key of <see cref="Quarantined"/>.</summary>
    public static FeedPosition ReadPosition(ReadOnlySpan<byte> key) =>
        new(BinaryPrimitives.ReadInt64BigEndian(key[2..]));

    private static byte[] Of(char kind, int restSizeBytes)
    {
        var key = new byte[2 + restSizeBytes];
        (key[0], key[1]) = (First, (byte)kind);
        return key;
    }
}
