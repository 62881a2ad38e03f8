using System.Buffers.Binary;

namespace Ledger.Objects.Segments;

/// <summary>
/// The layout of a run (docs/formats/run.md): object blocks, row blocks, filter blocks, one footer block.
/// </summary>
internal static class RunFormat
{
    /// <summary>Length of a block with its checksum.</summary>
    public const int BlockSizeBytes = 4096;

    /// <summary>Length of what a block holds; a CRC-32C of it follows.</summary>
    public const int PayloadSizeBytes = BlockSizeBytes - 4;

    /// <summary>Length of one object entry: hash, position, length.</summary>
    public const int ObjectEntrySizeBytes = ObjectId.HashSizeBytes + 8 + 4;

    /// <summary>Object entries in a full block; every object block but the last is full.</summary>
    public const int ObjectsPerBlock = PayloadSizeBytes / ObjectEntrySizeBytes;

    /// <summary>Filter bits for each object: with 6 probes in one line about one look-up in a hundred errs.</summary>
    public const int FilterBitsPerObject = 10;

    /// <summary>Bytes of one filter line; all probes of an id fall into one.</summary>
    public const int FilterLineSizeBytes = 64;

    /// <summary>Filter lines in a full block.</summary>
    public const int FilterLinesPerBlock = PayloadSizeBytes / FilterLineSizeBytes;

    /// <summary>Probes for each id.</summary>
    public const int FilterProbes = 6;

    /// <summary>Filter lines for a number of objects.</summary>
    public static long FilterLines(long objectCount) =>
        (objectCount * FilterBitsPerObject + FilterLineSizeBytes * 8 - 1) / (FilterLineSizeBytes * 8);

    /// <summary>Writes the checksum of a block whose payload is in place.</summary>
    public static void SealBlock(Span<byte> block) => BinaryPrimitives.WriteUInt32LittleEndian(
        block[PayloadSizeBytes..], Crc32C.Of(block[..PayloadSizeBytes]));

    /// <summary>Whether a block matches its checksum.</summary>
    public static bool BlockMatches(ReadOnlySpan<byte> block) =>
        BinaryPrimitives.ReadUInt32LittleEndian(block[PayloadSizeBytes..]) == Crc32C.Of(block[..PayloadSizeBytes]);

    /// <summary>The line and the bits of it that an id sets, as a 512-bit mask in <paramref name="mask"/>.</summary>
    public static long FilterProbe(ObjectId id, long lines, Span<byte> mask)
    {
        // The bits of an id are those of a hash: one part picks the line, nine bits of another each probe.
        Span<byte> hash = stackalloc byte[ObjectId.HashSizeBytes];
        id.CopyHashTo(hash);
        mask.Clear();
        var probes = BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]);
        for (var i = 0; i < FilterProbes; i++)
        {
            var bit = (int)(probes >> (9 * i)) & 511;
            mask[bit >> 3] |= (byte)(1 << (bit & 7));
        }

        return (long)(BinaryPrimitives.ReadUInt64LittleEndian(hash) % (ulong)lines);
    }
}

/// <summary>The last block of a run.</summary>
/// <param name="StoreId">The store that the run belongs to.</param>
/// <param name="Number">The run's number.</param>
/// <param name="ObjectCount">Number of object entries.</param>
/// <param name="RowCount">Number of row entries.</param>
/// <param name="RowBlocks">Number of row blocks.</param>
internal readonly record struct RunFooter(Guid StoreId, uint Number, long ObjectCount, long RowCount, long RowBlocks)
{
    /// <summary>Number of object blocks.</summary>
    public long ObjectBlocks => (ObjectCount + RunFormat.ObjectsPerBlock - 1) / RunFormat.ObjectsPerBlock;

    /// <summary>Number of filter blocks.</summary>
    public long FilterBlocks =>
        (RunFormat.FilterLines(ObjectCount) + RunFormat.FilterLinesPerBlock - 1) / RunFormat.FilterLinesPerBlock;

    /// <summary>Length of the whole file.</summary>
    public long FileSizeBytes => (ObjectBlocks + RowBlocks + FilterBlocks + 1) * RunFormat.BlockSizeBytes;

    private static ReadOnlySpan<byte> Magic => "LDGRRUN\n"u8;

    /// <summary>Encodes the footer as a block.</summary>
    public byte[] EncodeBlock()
    {
        var block = new byte[RunFormat.BlockSizeBytes];
        Magic.CopyTo(block);
        BinaryPrimitives.WriteUInt16LittleEndian(block.AsSpan(8), LogFormat.Version);
        BinaryPrimitives.WriteUInt32LittleEndian(block.AsSpan(12), Number);
        StoreId.TryWriteBytes(block.AsSpan(16), bigEndian: true, out _);
        BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(32), ObjectCount);
        BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(40), RowCount);
        BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(48), RowBlocks);
        RunFormat.SealBlock(block);
        return block;
    }

    /// <summary>Decodes a footer block.</summary>
    /// <exception cref="CorruptObjectException">The block is not one.</exception>
    public static RunFooter DecodeBlock(ReadOnlySpan<byte> block)
    {
        var reader = new ByteReader(block, "The footer of a run");
        if (block.Length != RunFormat.BlockSizeBytes || !block.StartsWith(Magic) || !RunFormat.BlockMatches(block))
        {
            throw reader.Corrupt("its mark or its checksum does not match");
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(block[8..]);
        if (version > LogFormat.Version)
        {
            throw new FormatTooNewException("A run", version, LogFormat.Version);
        }

        var footer = new RunFooter(
            new Guid(block.Slice(16, 16), bigEndian: true), BinaryPrimitives.ReadUInt32LittleEndian(block[12..]),
            BinaryPrimitives.ReadInt64LittleEndian(block[32..]), BinaryPrimitives.ReadInt64LittleEndian(block[40..]),
            BinaryPrimitives.ReadInt64LittleEndian(block[48..]));
        const long CountMax = 1L << 40;
        var sound = footer is { ObjectCount: >= 0 and < CountMax, RowCount: >= 0 and < CountMax, RowBlocks: >= 0 } &&
            footer.RowBlocks <= footer.RowCount && footer.EncodeBlock().AsSpan().SequenceEqual(block);
        return sound ? footer : throw reader.Corrupt("its counts cannot be");
    }
}
