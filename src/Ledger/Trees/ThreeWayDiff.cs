using System.Runtime.CompilerServices;
using Ledger.Objects;

namespace Ledger.Trees;

/// <summary>Compares two trees with the one they come from.</summary>
internal static class ThreeWayDiff
{
    /// <summary>The keys that a side has changed, ascending; subtrees that nobody changed are not read.</summary>
    /// <remarks>Memory is that of two walks, whatever the number of differences.</remarks>
    /// <param name="tree">Where the trees are.</param>
    /// <param name="root">What both sides come from.</param>
    /// <param name="left">One side.</param>
    /// <param name="right">The other side.</param>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    public static async IAsyncEnumerable<ThreeWayDifference> RunAsync(
        Tree tree, ObjectId root, ObjectId left, ObjectId right,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var lefts = tree.DiffAsync(root, left, KeyRange.All, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        await using var rights = tree.DiffAsync(root, right, KeyRange.All, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        var hasLeft = await lefts.MoveNextAsync();
        var hasRight = await rights.MoveNextAsync();
        while (hasLeft || hasRight)
        {
            var order = !hasRight ? -1 : !hasLeft ? 1
                : lefts.Current.Key.Span.SequenceCompareTo(rights.Current.Key.Span);
            var (key, before, _) = order <= 0 ? lefts.Current : rights.Current;
            yield return new ThreeWayDifference(
                key, before, order <= 0 ? lefts.Current.After : before, order >= 0 ? rights.Current.After : before);
            hasLeft = order <= 0 ? await lefts.MoveNextAsync() : hasLeft;
            hasRight = order >= 0 ? await rights.MoveNextAsync() : hasRight;
        }
    }
}

/// <summary>A key in three trees.</summary>
/// <param name="Key">The key.</param>
/// <param name="Base">The entry that both sides come from; null when absent.</param>
/// <param name="Left">The entry on the left; null when absent.</param>
/// <param name="Right">The entry on the right; null when absent.</param>
internal readonly record struct ThreeWayDifference(
    ReadOnlyMemory<byte> Key, EntryValue? Base, EntryValue? Left, EntryValue? Right)
{
    /// <summary>True when both sides changed it, and not to the same.</summary>
    public bool IsConflict =>
        !Nullable.Equals(Left, Right) && !Nullable.Equals(Base, Left) && !Nullable.Equals(Base, Right);
}
