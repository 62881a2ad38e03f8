using Ledger.Commits;
using Ledger.Runtime;

namespace Ledger.Pages.Merging;

/// <summary>
/// Which of two commits that wrote a key is the newer writer; a total order, the same on every device.
/// </summary>
/// <remarks>
/// By (timestamp, id). An automatic merge has the timestamp of its newest parent, so it comes after the authored
/// commits of that timestamp, and after the automatic merges below it: no commit is older than its ancestors.
/// </remarks>
internal sealed class WriterOrder : IComparer<Commit>
{
    /// <summary>The only one there is.</summary>
    public static readonly WriterOrder Instance = new();

    /// <inheritdoc/>
    public int Compare(Commit? x, Commit? y)
    {
        Invariant.Check(x is not null && y is not null);
        var order = x.Timestamp.CompareTo(y.Timestamp);
        if (order != 0)
        {
            return order;
        }

        order = (x.Author is null).CompareTo(y.Author is null);
        order = order == 0 && x.Author is null ? x.Generation.CompareTo(y.Generation) : order;
        return order != 0 ? order : x.Id.CompareTo(y.Id);
    }
}
