namespace Ledger.Objects;

/// <summary>The constants of docs/formats/values.md.</summary>
internal static class ValueFormat
{
    /// <summary>Longest value that is one object; a longer one is an index over chunks.</summary>
    public const int SingleSizeBytesMax = 64 * 1024;

    /// <summary>Shortest chunk, except the last of a value.</summary>
    public const int ChunkSizeBytesMin = 16 * 1024;

    /// <summary>Length from which on a chunk ends more easily; close to the mean of random content.</summary>
    public const int ChunkSizeBytesMean = 64 * 1024;

    /// <summary>Longest chunk.</summary>
    public const int ChunkSizeBytesMax = 256 * 1024;

    /// <summary>Bytes that decide whether a chunk ends: 64 later ones shift a byte out of the sum.</summary>
    public const int ChunkWindowSizeBytes = 64;

    /// <summary>Before the mean length a chunk ends where the top 18 bits of the sum are zero.</summary>
    public const ulong ChunkMaskBeforeMean = 0xFFFF_C000_0000_0000;

    /// <summary>From the mean length on a chunk ends where the top 14 bits of the sum are zero.</summary>
    public const ulong ChunkMaskFromMean = 0xFFFC_0000_0000_0000;

    /// <summary>Children that an index has before the id of one may close it.</summary>
    public const int IndexChildrenMin = 32;

    /// <summary>Children at which an index is closed in any case.</summary>
    public const int IndexChildrenMax = 512;

    /// <summary>An index is closed after a child whose id has zeros here, in <see cref="ObjectId.LowBits"/>.</summary>
    public const uint IndexClosingBits = 0x7F;

    /// <summary>Levels that the longest value can have: 2^26 chunks of the shortest length, 32 to an index.</summary>
    public const int IndexLevelMax = 6;

    /// <summary>Longest value: 1 TiB.</summary>
    public const long SizeBytesMax = 1L << 40;

    /// <summary>Whether an index of so many children takes none after <paramref name="last"/>.</summary>
    public static bool IsClosed(int count, ObjectId last) =>
        count >= IndexChildrenMax || (count >= IndexChildrenMin && (last.LowBits & IndexClosingBits) == 0);

    /// <summary>Shortest content below a child of an index at <paramref name="level"/>, the last child aside.</summary>
    public static long ChildSizeBytesMin(int level) => (long)ChunkSizeBytesMin << (5 * (level - 1));

    /// <summary>Longest content below a child of an index at <paramref name="level"/>.</summary>
    public static long ChildSizeBytesMax(int level) =>
        level > 3 ? SizeBytesMax : (long)ChunkSizeBytesMax << (9 * (level - 1));
}
