namespace Ledger.Trees;

/// <summary>The ledger's 128-bit salt: without it nobody can choose keys that degrade the tree.</summary>
/// <param name="K0">First SipHash key word.</param>
/// <param name="K1">Second SipHash key word; the level is XORed into it.</param>
internal readonly record struct TreeSalt(ulong K0, ulong K1);

/// <summary>One entry of a tree.</summary>
/// <param name="Key">1 to 1,024 bytes; a view that stays valid.</param>
/// <param name="Value">What it holds.</param>
internal readonly record struct TreeEntry(ReadOnlyMemory<byte> Key, EntryValue Value);

/// <summary>A put, or a delete when <paramref name="Value"/> is null.</summary>
/// <param name="Key">1 to 1,024 bytes.</param>
/// <param name="Value">The new value; null deletes, which does nothing when the key is absent.</param>
internal readonly record struct TreeChange(ReadOnlyMemory<byte> Key, EntryValue? Value);

/// <summary>A key whose entries differ.</summary>
/// <param name="Key">The key.</param>
/// <param name="Before">The entry on the first side; null when absent.</param>
/// <param name="After">The entry on the second side; null when absent.</param>
internal readonly record struct TreeDifference(ReadOnlyMemory<byte> Key, EntryValue? Before, EntryValue? After);

/// <summary>A half-open range of keys.</summary>
/// <param name="Start">First key that may be in it; empty for no bound.</param>
/// <param name="End">First key that is not in it any more; null for no bound.</param>
internal readonly record struct KeyRange(ReadOnlyMemory<byte> Start, ReadOnlyMemory<byte>? End)
{
    /// <summary>Every key.</summary>
    public static KeyRange All => default;

    /// <summary>The keys that begin with <paramref name="prefix"/>.</summary>
    public static KeyRange OfPrefix(ReadOnlyMemory<byte> prefix)
    {
        var length = prefix.Length;
        while (length > 0 && prefix.Span[length - 1] == 0xFF)
        {
            length--;
        }

        if (length == 0)
        {
            return new KeyRange(prefix, null);
        }

        var end = prefix[..length].ToArray();
        end[length - 1]++;
        return new KeyRange(prefix, end);
    }

    /// <summary>Keys in both ranges.</summary>
    public KeyRange Intersect(KeyRange other)
    {
        var start = Start.Span.SequenceCompareTo(other.Start.Span) >= 0 ? Start : other.Start;
        var end = (End, other.End) switch
        {
            (null, var theirs) => theirs,
            (var ours, null) => ours,
            ({ } ours, { } theirs) => ours.Span.SequenceCompareTo(theirs.Span) <= 0 ? ours : theirs,
        };
        return new KeyRange(start, end);
    }

    /// <summary>Whether <paramref name="key"/> is in the range.</summary>
    public bool Contains(ReadOnlySpan<byte> key) =>
        key.SequenceCompareTo(Start.Span) >= 0 && (End is not { } end || key.SequenceCompareTo(end.Span) < 0);
}
