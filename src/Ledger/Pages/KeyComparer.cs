using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>Orders keys as unsigned bytes.</summary>
internal sealed class KeyComparer : IComparer<ReadOnlyMemory<byte>>
{
    /// <summary>The only one there is.</summary>
    public static readonly KeyComparer Instance = new();

    /// <inheritdoc/>
    public int Compare(ReadOnlyMemory<byte> x, ReadOnlyMemory<byte> y) => x.Span.SequenceCompareTo(y.Span);

    /// <summary>Refuses what is no key.</summary>
    /// <exception cref="ArgumentOutOfRangeException">It is empty or longer than 1,024 bytes.</exception>
    public static void Check(ReadOnlyMemory<byte> key)
    {
        if (key.Length is < TreeProfile.KeySizeBytesMin or > TreeProfile.KeySizeBytesMax)
        {
            throw new ArgumentOutOfRangeException(
                nameof(key), key.Length,
                $"A key has {TreeProfile.KeySizeBytesMin} to {TreeProfile.KeySizeBytesMax} bytes.");
        }
    }
}
