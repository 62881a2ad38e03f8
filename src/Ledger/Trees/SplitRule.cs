using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Where a level is cut into nodes: a function of keys and weights alone (docs/formats/tree.md).</summary>
internal static class SplitRule
{
    private const ulong ChanceMax = 1UL << 31;

    /// <summary>Whether a node ends with an entry.</summary>
    /// <param name="salt">The ledger's salt.</param>
    /// <param name="level">0 for leaves.</param>
    /// <param name="key">The entry's key.</param>
    /// <param name="weight">The entry's weight.</param>
    /// <param name="nodeWeight">Weight of the node with the entry in it.</param>
    /// <param name="nodeEntries">Entries of the node with this one.</param>
    public static bool ClosesAfter(
        TreeSalt salt, int level, ReadOnlySpan<byte> key, int weight, int nodeWeight, int nodeEntries)
    {
        if (nodeEntries < TreeProfile.NodeEntriesMin)
        {
            return false;
        }

        return nodeWeight >= TreeProfile.NodeWeightMax ||
            HashOf(salt, level, key) < ChanceOf((ulong)weight, (ulong)nodeWeight);
    }

    /// <summary>p: of 2^32 hash values, how many close a node of this weight after an entry of this weight.</summary>
    /// <remarks>4·w·x³ stays below 2^53, because w is at most 1,540 and x less than 4T + 1,540.</remarks>
    public static ulong ChanceOf(ulong weight, ulong nodeWeight) =>
        Math.Min(ChanceMax, 4 * weight * nodeWeight * nodeWeight * nodeWeight / TreeProfile.SplitDivisor);

    /// <summary>h: the low 32 bits of the salted hash of a key on a level.</summary>
    public static uint HashOf(TreeSalt salt, int level, ReadOnlySpan<byte> key) =>
        (uint)SipHash.Hash(salt.K0, salt.K1 ^ (uint)level, key);
}
