using Ledger.Commits;

namespace Ledger.Sync;

/// <summary>Limits of every cloud (docs/cloud.md).</summary>
internal static class CloudLimits
{
    /// <summary>Largest sealed entry.</summary>
    public const int EntrySizeBytesMax = 1024 * 1024;

    /// <summary>Largest sealed blob: 256 KiB of content, and room for the seal.</summary>
    public const int BlobSizeBytesMax = (256 * 1024) + 1024;

    /// <summary>Largest sealed checkpoint.</summary>
    public const int CheckpointSizeBytesMax = 1024 * 1024;

    /// <summary>Most that a device may say about itself.</summary>
    public const int DeviceSizeBytesMax = 4096;

    /// <summary>Most entries of one append.</summary>
    public const int AppendEntriesMax = 255;

    /// <summary>Most bytes of the entries of one append together.</summary>
    public const int AppendSizeBytesMax = 4 * 1024 * 1024;

    /// <summary>For how long a blob that was put or found stays, whatever names it.</summary>
    public static TimeSpan BlobLease => TimeSpan.FromDays(7);

    /// <summary>Refuses an append that no cloud takes: a mistake of the caller.</summary>
    public static void CheckAppend(IReadOnlyList<CloudEntry> entries)
    {
        ArgumentOutOfRangeException.ThrowIfZero(entries.Count, nameof(entries));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(entries.Count, AppendEntriesMax, nameof(entries));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(
            entries.Sum(entry => (long)entry.Content.Length), AppendSizeBytesMax, nameof(entries));
        foreach (var entry in entries)
        {
            ArgumentOutOfRangeException.ThrowIfZero(entry.Content.Length, nameof(entries));
            ArgumentOutOfRangeException.ThrowIfGreaterThan(entry.Content.Length, EntrySizeBytesMax, nameof(entries));
            ArgumentOutOfRangeException.ThrowIfNegative(entry.Sequence, nameof(entries));
        }

        if (entries.Select(entry => entry.Id).Distinct().Count() != entries.Count)
        {
            throw new ArgumentException("Two entries of one append have the same id.", nameof(entries));
        }
    }
}

/// <summary>What a medium can do.</summary>
/// <param name="ConditionalAppend">False when an append with an expected end is appended whatever the end is.</param>
/// <param name="Push">False when a connection notices entries of others only by looking now and then.</param>
internal sealed record CloudCapabilities(bool ConditionalAppend, bool Push);

/// <summary>A sealed entry as a device appends it.</summary>
/// <param name="Id">Random; the same however often it is sent.</param>
/// <param name="Device">Who made it.</param>
/// <param name="Sequence">0 for the device's first entry in the ledger, and so on.</param>
/// <param name="Content">1 byte to <see cref="CloudLimits.EntrySizeBytesMax"/>.</param>
internal sealed record CloudEntry(EntryId Id, DeviceId Device, long Sequence, ReadOnlyMemory<byte> Content);

/// <summary>An entry as it is read from the feed.</summary>
/// <param name="Position">Its place.</param>
/// <param name="Page">The page it was appended to.</param>
/// <param name="Entry">What was appended.</param>
internal sealed record FeedEntry(FeedPosition Position, PageName Page, CloudEntry Entry);

/// <summary>From where a ledger's feed is read.</summary>
/// <param name="Ledger">The ledger.</param>
/// <param name="After">The position of the anchor; <see cref="FeedPosition.Start"/> when there is none.</param>
internal readonly record struct FeedCursor(LedgerName Ledger, FeedPosition After);

/// <summary>What a cloud says about a ledger's feed when it is connected to.</summary>
/// <param name="Ledger">The ledger.</param>
/// <param name="AtCursor">Id of the entry at the cursor's position; null when there is none.</param>
/// <param name="End">Position of the feed's last entry; <see cref="FeedPosition.Start"/> when it is empty.</param>
/// <param name="LastSequence">
/// The highest sequence number of the connecting device in this feed; null when it has no entries there.
/// </param>
internal sealed record FeedState(LedgerName Ledger, EntryId? AtCursor, FeedPosition End, long? LastSequence);

/// <summary>What an append did.</summary>
/// <param name="EndBefore">
/// Position of the page's last entry before this append; null when the cloud had all the entries already.
/// </param>
/// <param name="Positions">Of the entries, in the order in which they were given.</param>
internal sealed record AppendResult(FeedPosition? EndBefore, IReadOnlyList<FeedPosition> Positions);

/// <summary>A sealed checkpoint of a page.</summary>
/// <param name="Page">The page.</param>
/// <param name="Position">Every commit of the page's entries up to here is in it.</param>
/// <param name="Content">1 byte to <see cref="CloudLimits.CheckpointSizeBytesMax"/>.</param>
internal sealed record CloudCheckpoint(PageName Page, FeedPosition Position, ReadOnlyMemory<byte> Content);

/// <summary>A device of a ledger's set.</summary>
/// <param name="Device">The device.</param>
/// <param name="Content">What it said about itself, sealed; at most 4,096 bytes.</param>
/// <param name="LastSequence">Of its entries in the feed; null when it has none.</param>
/// <param name="Acknowledged">Up to where it has taken in the feed and uploaded what it made before.</param>
internal sealed record CloudDevice(
    DeviceId Device, ReadOnlyMemory<byte> Content, long? LastSequence, FeedPosition Acknowledged);

/// <summary>What comes out of a connection.</summary>
internal abstract record CloudEvent
{
    private CloudEvent()
    {
    }

    /// <summary>Entries of one ledger, ascending by position; what was appended at once comes at once.</summary>
    /// <param name="Ledger">The ledger.</param>
    /// <param name="Items">One or more.</param>
    internal sealed record Entries(LedgerName Ledger, IReadOnlyList<FeedEntry> Items) : CloudEvent;

    /// <summary>
    /// All that was in a ledger's feed when the connection was made has been given out. Once a ledger.
    /// </summary>
    /// <param name="Ledger">The ledger.</param>
    internal sealed record CaughtUp(LedgerName Ledger) : CloudEvent;

    /// <summary>The reader was too slow, nothing is held for it any more: connect again from the anchors.</summary>
    internal sealed record Behind : CloudEvent;
}
