using System.Buffers.Binary;

namespace Ledger.Objects.Segments;

/// <summary>Names and sizes of docs/formats/log.md.</summary>
internal static class LogFormat
{
    /// <summary>
    /// The newest version of segments and manifests that this build reads and the one it writes.
    /// </summary>
    public const ushort Version = 1;

    /// <summary>A segment is closed when its next record would pass this length.</summary>
    public const long SegmentSizeBytesMax = 64L << 20;

    /// <summary>Room reserved when a segment is made; as much again as was used when it is used up.</summary>
    public const long PreallocationSizeBytesMin = 256 << 10;

    /// <summary>Room that is reserved at once, at most.</summary>
    public const long PreallocationSizeBytesMax = 4L << 20;

    /// <summary>The manifest's file name.</summary>
    public const string ManifestName = "MANIFEST";

    /// <summary>A manifest that was not renamed yet.</summary>
    public const string NewManifestName = "MANIFEST.new";

    /// <summary>The lock's file name.</summary>
    public const string LockName = "LOCK";

    private const string SegmentSuffix = ".segment";
    private const string RunSuffix = ".run";

    /// <summary>File name of a segment.</summary>
    public static string SegmentName(uint number) => Numbered(number, SegmentSuffix);

    /// <summary>File name of a run.</summary>
    public static string RunName(uint number) => Numbered(number, RunSuffix);

    /// <summary>Numbers of the segments among file names, ascending.</summary>
    public static IEnumerable<uint> SegmentNumbers(IEnumerable<string> names) => Numbers(names, SegmentSuffix);

    /// <summary>Numbers of the runs among file names, ascending.</summary>
    public static IEnumerable<uint> RunNumbers(IEnumerable<string> names) => Numbers(names, RunSuffix);

    private static string Numbered(uint number, string suffix) =>
        number.ToString("x8", System.Globalization.CultureInfo.InvariantCulture) + suffix;

    private static IEnumerable<uint> Numbers(IEnumerable<string> names, string suffix) =>
        from name in names
        where name.Length == 8 + suffix.Length && name.EndsWith(suffix, StringComparison.Ordinal)
        let number = ParseNumber(name.AsSpan(0, 8))
        where number is not null
        orderby number
        select number.Value;

    private static uint? ParseNumber(ReadOnlySpan<char> digits) => uint.TryParse(
        digits, System.Globalization.NumberStyles.AllowHexSpecifier,
        System.Globalization.CultureInfo.InvariantCulture, out var number) ? number : null;
}

/// <summary>The first 64 bytes of a segment.</summary>
/// <param name="StoreId">The store that the segment belongs to.</param>
/// <param name="Number">The segment's number.</param>
/// <param name="BasePosition">Log position of its first record.</param>
internal readonly record struct SegmentHeader(Guid StoreId, uint Number, long BasePosition)
{
    /// <summary>Encoded length.</summary>
    public const int SizeBytes = 64;

    private static ReadOnlySpan<byte> Magic => "LDGRSEG\n"u8;

    /// <summary>Encodes the header.</summary>
    public byte[] Encode()
    {
        var bytes = new byte[SizeBytes];
        Magic.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(8), LogFormat.Version);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(12), Number);
        StoreId.TryWriteBytes(bytes.AsSpan(16), bigEndian: true, out _);
        BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(32), BasePosition);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(60), Crc32C.Of(bytes.AsSpan(0, 60)));
        return bytes;
    }

    /// <summary>Decodes a header, or returns null when the bytes are not one.</summary>
    /// <exception cref="FormatTooNewException">It is a header of a newer version.</exception>
    public static SegmentHeader? TryDecode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < SizeBytes || !bytes.StartsWith(Magic) ||
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[60..]) != Crc32C.Of(bytes[..60]))
        {
            return null;
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(bytes[8..]);
        if (version > LogFormat.Version)
        {
            throw new FormatTooNewException("A segment", version, LogFormat.Version);
        }

        var header = new SegmentHeader(
            new Guid(bytes.Slice(16, 16), bigEndian: true), BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[32..]));
        return header.BasePosition >= 0 && header.Encode().AsSpan().SequenceEqual(bytes[..SizeBytes]) ? header : null;
    }
}

/// <summary>The first 56 bytes of a record.</summary>
/// <param name="StoreId">The store that the record belongs to.</param>
/// <param name="Segment">The number of the segment that it is in.</param>
/// <param name="Position">Its log position.</param>
/// <param name="FlushedTo">The log position known to be on disk when it was written.</param>
/// <param name="PreviousChecksum">The checksum of the record before it; 0 for the first of the log.</param>
/// <param name="BodySizeBytes">Length of the items that follow.</param>
/// <param name="ItemCount">Number of the items that follow.</param>
internal readonly record struct RecordHeader(
    Guid StoreId, uint Segment, long Position, long FlushedTo, uint PreviousChecksum, int BodySizeBytes, int ItemCount)
{
    /// <summary>Encoded length.</summary>
    public const int SizeBytes = 56;

    /// <summary>Where the checksum's cover begins.</summary>
    private const int CoveredFrom = 8;

    /// <summary>How a record begins; what a search for later records looks for.</summary>
    public static ReadOnlySpan<byte> Magic => [0xA5, (byte)'L', (byte)'R', 0x01];

    /// <summary>Length of the whole record.</summary>
    public int RecordSizeBytes => SizeBytes + BodySizeBytes;

    /// <summary>Writes the header before a body that is in place already, and seals both with the checksum.</summary>
    /// <returns>The checksum.</returns>
    public uint Seal(Span<byte> record)
    {
        Magic.CopyTo(record);
        BinaryPrimitives.WriteInt32LittleEndian(record[8..], BodySizeBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(record[12..], Segment);
        BinaryPrimitives.WriteInt64LittleEndian(record[16..], Position);
        BinaryPrimitives.WriteInt64LittleEndian(record[24..], FlushedTo);
        BinaryPrimitives.WriteUInt32LittleEndian(record[32..], PreviousChecksum);
        BinaryPrimitives.WriteInt32LittleEndian(record[36..], ItemCount);
        StoreId.TryWriteBytes(record[40..], bigEndian: true, out _);
        var checksum = Crc32C.Of(record[CoveredFrom..RecordSizeBytes]);
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], checksum);
        return checksum;
    }

    /// <summary>Reads a header without checking its checksum, or null when it cannot be one.</summary>
    public static RecordHeader? TryDecode(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < SizeBytes || !bytes.StartsWith(Magic))
        {
            return null;
        }

        var header = new RecordHeader(
            new Guid(bytes.Slice(40, 16), bigEndian: true), BinaryPrimitives.ReadUInt32LittleEndian(bytes[12..]),
            BinaryPrimitives.ReadInt64LittleEndian(bytes[16..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[24..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[32..]), BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(bytes[36..]));
        return header is { BodySizeBytes: >= 0 and <= StoreLimits.RecordSizeBytesMax - SizeBytes, ItemCount: >= 0 } &&
            header.FlushedTo >= 0 && header.FlushedTo <= header.Position ? header : null;
    }

    /// <summary>The checksum that a record carries.</summary>
    public static uint ReadChecksum(ReadOnlySpan<byte> record) => BinaryPrimitives.ReadUInt32LittleEndian(record[4..]);

    /// <summary>Whether a whole record's bytes match the checksum it carries.</summary>
    public static bool ChecksumMatches(ReadOnlySpan<byte> record) =>
        ReadChecksum(record) == Crc32C.Of(record[CoveredFrom..]);
}
