using System.Buffers.Binary;
using Ledger.Commits;
using Ledger.Objects;

namespace Ledger.Sync;

/// <summary>One append in a directory cloud (docs/formats/cloud-directory.md).</summary>
/// <param name="Number">1 for the first of the feed.</param>
/// <param name="Page">The page; all zeros when the slot is damaged.</param>
/// <param name="Entries">One or more.</param>
/// <param name="IsDamaged">The file cannot be understood; its one entry has its bytes and no name.</param>
internal sealed record FeedSlot(long Number, PageName Page, IReadOnlyList<FeedEntry> Entries, bool IsDamaged)
{
    /// <summary>Longest file.</summary>
    public const int SizeBytesMax = CloudLimits.AppendSizeBytesMax + (CloudLimits.AppendEntriesMax * 64) + 64;

    private const byte Version = 1;
    private const int PositionsInSlot = 256;

    /// <summary>Position of the last entry.</summary>
    public FeedPosition Last => Entries[^1].Position;

    /// <summary>Number of the slot that a position is in.</summary>
    public static long NumberOf(FeedPosition position) => position.Value / PositionsInSlot;

    /// <summary>The file's bytes.</summary>
    public static byte[] Encode(PageName page, IReadOnlyList<CloudEntry> entries)
    {
        var writer = new ByteWriter();
        writer.WriteBytes("LSLT"u8);
        writer.WriteByte(Version);
        page.CopyTo(writer.Reserve(PageName.SizeBytes));
        writer.WriteVarint((ulong)entries.Count);
        foreach (var entry in entries)
        {
            entry.Id.CopyTo(writer.Reserve(EntryId.SizeBytes));
            entry.Device.CopyTo(writer.Reserve(DeviceId.SizeBytes));
            writer.WriteVarint((ulong)entry.Sequence);
            writer.WriteSized(entry.Content.Span);
        }

        return writer.ToArray();
    }

    /// <summary>Reads a file's bytes.</summary>
    /// <exception cref="CorruptObjectException">The encoder cannot have made them.</exception>
    /// <exception cref="FormatTooNewException">A newer version made them.</exception>
    public static FeedSlot Decode(long number, ReadOnlyMemory<byte> content)
    {
        var reader = new ByteReader(content.Span, "a slot of a feed");
        if (content.Length > SizeBytesMax || !reader.ReadBytes(4).SequenceEqual("LSLT"u8))
        {
            throw reader.Corrupt("it does not begin as one, or is too long");
        }

        var version = reader.ReadByte();
        if (version != Version)
        {
            throw version > Version
                ? new FormatTooNewException("A slot of a feed", version, Version)
                : reader.Corrupt($"its version is {version}");
        }

        var page = PageName.Read(reader.ReadBytes(PageName.SizeBytes));
        var entries = new List<FeedEntry>();
        var count = reader.ReadVarint(1, CloudLimits.AppendEntriesMax, "the number of entries");
        for (; count > 0; count--)
        {
            var id = EntryId.Read(reader.ReadBytes(EntryId.SizeBytes));
            var device = DeviceId.Read(reader.ReadBytes(DeviceId.SizeBytes));
            var sequence = reader.ReadVarint(0, long.MaxValue, "a sequence number");
            var length = reader.ReadSized(1, CloudLimits.EntrySizeBytesMax, "the length of an entry").Length;
            var sealedBytes = content.Slice(reader.Position - length, length);
            entries.Add(new FeedEntry(
                PositionOf(number, entries.Count), page, new CloudEntry(id, device, sequence, sealedBytes)));
        }

        reader.ExpectEnd();
        return new FeedSlot(number, page, entries, IsDamaged: false);
    }

    /// <summary>
    /// Reads a file's bytes, or wraps them as one entry that nobody can open, so that reading goes on.
    /// </summary>
    public static FeedSlot DecodeOrDamaged(long number, ReadOnlyMemory<byte> content)
    {
        try
        {
            return Decode(number, content);
        }
        catch (CorruptObjectException)
        {
            var kept = content[..Math.Min(content.Length, CloudLimits.EntrySizeBytesMax)];
            var entry = new CloudEntry(default, default, 0, kept);
            return new FeedSlot(
                number, default, [new FeedEntry(PositionOf(number, 0), default, entry)], IsDamaged: true);
        }
        catch (FormatTooNewException error)
        {
            throw new CloudUnavailableException(CloudProblem.Unreadable, error.Message, error);
        }
    }

    private static FeedPosition PositionOf(long number, int index) => new((number * PositionsInSlot) + index);
}

/// <summary>Where to begin a search in a feed. Being too low costs time and nothing else.</summary>
/// <param name="Slot">A slot.</param>
/// <param name="Value">What is known up to that slot: a position, or a sequence number + 1; 0 for nothing.</param>
internal readonly record struct FeedHint(long Slot, long Value)
{
    /// <summary>Length of the file.</summary>
    public const int SizeBytes = 20;

    /// <summary>The file's bytes.</summary>
    public static byte[] Encode(FeedHint hint)
    {
        var content = new byte[SizeBytes];
        BinaryPrimitives.WriteInt64LittleEndian(content, hint.Slot);
        BinaryPrimitives.WriteInt64LittleEndian(content.AsSpan(8), hint.Value);
        BinaryPrimitives.WriteUInt32LittleEndian(content.AsSpan(16), Crc32C.Of(content.AsSpan(0, 16)));
        return content;
    }

    /// <summary>Reads a file's bytes; null when they are damaged, as after power loss.</summary>
    public static FeedHint? DecodeOrNull(ReadOnlySpan<byte> content)
    {
        if (content.Length != SizeBytes ||
            BinaryPrimitives.ReadUInt32LittleEndian(content[16..]) != Crc32C.Of(content[..16]))
        {
            return null;
        }

        var hint = new FeedHint(
            BinaryPrimitives.ReadInt64LittleEndian(content), BinaryPrimitives.ReadInt64LittleEndian(content[8..]));
        return hint is { Slot: >= 0, Value: >= 0 } ? hint : null;
    }
}
