namespace Ledger.Trees;

/// <summary>The constants of tree profile 1 (docs/formats/tree.md); commits name the profile by its number.</summary>
internal static class TreeProfile
{
    /// <summary>The only profile there is.</summary>
    public const int Number = 1;

    /// <summary>Shortest key.</summary>
    public const int KeySizeBytesMin = 1;

    /// <summary>Longest key.</summary>
    public const int KeySizeBytesMax = 1024;

    /// <summary>Longest value kept in the entry itself.</summary>
    public const int InlineSizeBytesMax = 512;

    /// <summary>Longest value: 1 TiB.</summary>
    public const long ValueSizeBytesMax = 1L << 40;

    /// <summary>T: the mean weight of a node.</summary>
    public const int NodeWeightMean = 2048;

    /// <summary>4T: a node is closed when its weight reaches this.</summary>
    public const int NodeWeightMax = 4 * NodeWeightMean;

    /// <summary>D in p = min(2^31, 4·w·x³ / D).</summary>
    public const ulong SplitDivisor = 6068;

    /// <summary>A node has at least this many entries, unless it is the last of its level.</summary>
    public const int NodeEntriesMin = 3;
}
