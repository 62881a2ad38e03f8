using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Trees;

namespace Ledger.Pages.Merging;

/// <summary>Two heads, the state they come from, and who wrote what since.</summary>
/// <param name="services">The ledger's.</param>
/// <param name="writers">The newest writers.</param>
/// <param name="root">The base; somebody holds the three trees while this is used.</param>
/// <param name="left">The newer head.</param>
/// <param name="right">The older head.</param>
internal sealed class MergeInput(
    LedgerServices services, MergeWriters writers, Commit root, Commit left, Commit right)
{
    /// <summary>The base: the maximal common ancestor, or several merged.</summary>
    public Commit Base { get; } = root;

    /// <summary>The newer head.</summary>
    public Commit Left { get; } = left;

    /// <summary>The older head.</summary>
    public Commit Right { get; } = right;

    /// <summary>Who wrote what.</summary>
    public MergeWriters Writers { get; } = writers;

    /// <summary>
    /// The keys that a side has changed or written, ascending; also those written back to what they were.
    /// </summary>
    public async IAsyncEnumerable<MergeInputEntry> ReadAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var changed = ThreeWayDiff
            .RunAsync(services.Tree, Base.Root, Left.Root, Right.Root, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        await using var written = Writers.ReadNewestAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
        var hasChanged = await changed.MoveNextAsync();
        var hasWritten = await written.MoveNextAsync();
        while (hasChanged || hasWritten)
        {
            var order = !hasWritten ? -1 : !hasChanged ? 1
                : changed.Current.Key.Span.SequenceCompareTo(written.Current.Key.Span);
            if (order <= 0)
            {
                yield return new MergeInputEntry(
                    changed.Current, order == 0, order == 0 ? written.Current.Value : null);
            }
            else
            {
                var key = written.Current.Key;
                var value = await services.Tree.GetAsync(Left.Root, key, cancellationToken);
                yield return new MergeInputEntry(
                    new ThreeWayDifference(key, value, value, value), true, written.Current.Value);
            }

            hasChanged = order <= 0 ? await changed.MoveNextAsync() : hasChanged;
            hasWritten = order >= 0 ? await written.MoveNextAsync() : hasWritten;
        }
    }
}

/// <summary>A key of a merge.</summary>
/// <param name="Values">Its three entries.</param>
/// <param name="IsWritten">Whether a candidate has written it.</param>
/// <param name="Newest">What the newest writer wrote; null when it deleted the key or there is none.</param>
internal readonly record struct MergeInputEntry(ThreeWayDifference Values, bool IsWritten, EntryValue? Newest)
{
    /// <summary>What the key gets when nobody decides: the one change, or the newest write.</summary>
    public EntryValue? Undecided =>
        Values.IsConflict ? (IsWritten ? Newest : Values.Left)
        : Nullable.Equals(Values.Base, Values.Left) ? Values.Right
        : Values.Left;
}
