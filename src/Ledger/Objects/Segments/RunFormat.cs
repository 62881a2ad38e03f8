using System.Buffers.Binary;

namespace Ledger.Objects.Segments;

/// <summary>
/// The layout of a run (docs/formats/run.md): filter blocks, object blocks, row blocks, range blocks, one footer block.
/// </summary>
internal static class RunFormat
{
    /// <summary>The newest version of runs that this build reads, and the one it writes.</summary>
    /// <remarks>
    /// Version 1 has its filter behind its rows, no removed rows and no ranges; its filter is not used.
    /// </remarks>
    public const ushort Version = 2;

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
    /// <remarks>
    /// Lines ascend with ids, so that whoever writes the objects in order writes the filter in order too, and needs
    /// memory for a part of it only.
    /// </remarks>
    public static long FilterProbe(ReadOnlySpan<byte> hash, long lines, Span<byte> mask)
    {
        // The bits of an id are those of a hash: the first ones pick the line, nine bits of another part each probe.
        mask.Clear();
        var probes = BinaryPrimitives.ReadUInt64LittleEndian(hash[8..]);
        for (var i = 0; i < FilterProbes; i++)
        {
            var bit = (int)(probes >> (9 * i)) & 511;
            mask[bit >> 3] |= (byte)(1 << (bit & 7));
        }

        return (long)Math.BigMul(BinaryPrimitives.ReadUInt64BigEndian(hash), (ulong)lines, out _);
    }
}

/// <summary>The last block of a run.</summary>
internal readonly record struct RunFooter
{
    /// <summary>The store that the run belongs to.</summary>
    public required Guid StoreId { get; init; }

    /// <summary>The run's number.</summary>
    public required uint Number { get; init; }

    /// <summary>Number of object entries.</summary>
    public long ObjectCount { get; init; }

    /// <summary>Number of row entries, those of removed rows included.</summary>
    public long RowCount { get; init; }

    /// <summary>Number of row blocks.</summary>
    public long RowBlocks { get; init; }

    /// <summary>Number of the boundaries of removed ranges.</summary>
    public long BoundaryCount { get; init; }

    /// <summary>Number of range blocks.</summary>
    public long RangeBlocks { get; init; }

    /// <summary>Number of filter lines.</summary>
    public long FilterLines { get; init; }

    /// <summary>Version of the layout, 1 or 2.</summary>
    public ushort Version { get; init; }

    /// <summary>Number of filter blocks.</summary>
    public long FilterBlocks => Blocks(FilterLines, RunFormat.FilterLinesPerBlock);

    /// <summary>Number of object blocks.</summary>
    public long ObjectBlocks => Blocks(ObjectCount, RunFormat.ObjectsPerBlock);

    /// <summary>The first object block; filter blocks, when there are any, begin the file.</summary>
    public long FirstObjectBlock => Version == 1 ? 0 : FilterBlocks;

    /// <summary>The first row block.</summary>
    public long FirstRowBlock => FirstObjectBlock + ObjectBlocks;

    /// <summary>The first range block.</summary>
    public long FirstRangeBlock => FirstRowBlock + RowBlocks;

    /// <summary>Length of the whole file.</summary>
    public long FileSizeBytes =>
        (FilterBlocks + ObjectBlocks + RowBlocks + RangeBlocks + 1) * RunFormat.BlockSizeBytes;

    private static ReadOnlySpan<byte> Magic => "LDGRRUN\n"u8;

    /// <summary>Encodes the footer as a block.</summary>
    public byte[] EncodeBlock()
    {
        var block = new byte[RunFormat.BlockSizeBytes];
        Magic.CopyTo(block);
        BinaryPrimitives.WriteUInt16LittleEndian(block.AsSpan(8), Version);
        BinaryPrimitives.WriteUInt32LittleEndian(block.AsSpan(12), Number);
        StoreId.TryWriteBytes(block.AsSpan(16), bigEndian: true, out _);
        BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(32), ObjectCount);
        BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(40), RowCount);
        BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(48), RowBlocks);
        if (Version > 1)
        {
            BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(56), BoundaryCount);
            BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(64), RangeBlocks);
            BinaryPrimitives.WriteInt64LittleEndian(block.AsSpan(72), FilterLines);
        }

        RunFormat.SealBlock(block);
        return block;
    }

    /// <summary>Decodes a footer block.</summary>
    /// <exception cref="CorruptObjectException">The block is not one.</exception>
    /// <exception cref="FormatTooNewException">It is one of a newer version.</exception>
    public static RunFooter DecodeBlock(ReadOnlySpan<byte> block)
    {
        var reader = new ByteReader(block, "The footer of a run");
        if (block.Length != RunFormat.BlockSizeBytes || !block.StartsWith(Magic) || !RunFormat.BlockMatches(block))
        {
            throw reader.Corrupt("its mark or its checksum does not match");
        }

        var version = BinaryPrimitives.ReadUInt16LittleEndian(block[8..]);
        if (version > RunFormat.Version)
        {
            throw new FormatTooNewException("A run", version, RunFormat.Version);
        }

        var footer = new RunFooter
        {
            StoreId = new Guid(block.Slice(16, 16), bigEndian: true),
            Number = BinaryPrimitives.ReadUInt32LittleEndian(block[12..]),
            ObjectCount = ReadCount(block, 32),
            RowCount = ReadCount(block, 40),
            RowBlocks = ReadCount(block, 48),
            BoundaryCount = ReadCount(block, 56),
            RangeBlocks = ReadCount(block, 64),
            FilterLines = version == 1 ? RunFormat.FilterLines(ReadCount(block, 32)) : ReadCount(block, 72),
            Version = version,
        };
        var sound = version > 0 && footer.RowBlocks <= footer.RowCount && footer.RangeBlocks <= footer.BoundaryCount &&
            footer.FilterLines >= Math.Sign(footer.ObjectCount) && footer.EncodeBlock().AsSpan().SequenceEqual(block);
        return sound ? footer : throw reader.Corrupt("its counts cannot be");
    }

    private static long ReadCount(ReadOnlySpan<byte> block, int offset)
    {
        const long CountMax = 1L << 40;
        var count = BinaryPrimitives.ReadInt64LittleEndian(block[offset..]);
        return count is >= 0 and < CountMax
            ? count
            : throw new ByteReader(block, "The footer of a run").Corrupt($"the count at byte {offset} is {count}");
    }

    private static long Blocks(long count, int perBlock) => (count + perBlock - 1) / perBlock;
}
