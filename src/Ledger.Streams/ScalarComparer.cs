namespace Ledger.Streams;

/// <summary>Orders text by Unicode scalar value, which is the order of its UTF-8 bytes and of the databases.</summary>
internal sealed class ScalarComparer : IComparer<string>
{
    /// <summary>The only one.</summary>
    public static ScalarComparer Instance { get; } = new();

    /// <inheritdoc/>
    public int Compare(string? x, string? y)
    {
        if (x is null || y is null)
        {
            return (x is null ? 0 : 1) - (y is null ? 0 : 1);
        }

        var common = x.AsSpan().CommonPrefixLength(y);
        if (common == x.Length || common == y.Length)
        {
            return x.Length - y.Length;
        }

        // Surrogates stand for what comes after all of the rest of UTF-16.
        var (left, right) = (x[common], y[common]);
        var (isLeftPair, isRightPair) = (char.IsSurrogate(left), char.IsSurrogate(right));
        return isLeftPair == isRightPair ? left - right : isLeftPair ? 1 : -1;
    }
}
