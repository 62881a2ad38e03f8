using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Pages.Rows;
using Ledger.Trees;

namespace Ledger.Pages.Merging;

/// <summary>Says which keys a commit has written. Safe for concurrent use.</summary>
/// <remarks>
/// An edit has written what its change list says, an authored merge every key on which it differs from any parent, an
/// automatic merge only values that none of its parents has: those are a resolver's.
/// </remarks>
/// <param name="services">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class CommitWrites(LedgerServices services, PageId page)
{
    /// <summary>The stored changes of an edit; null when they are not stored, and for a merge.</summary>
    public async ValueTask<ChangeList?> FindListAsync(Commit commit, CancellationToken cancellationToken) =>
        commit.Parents.Count == 1 && await ReadRowAsync(commit.Id, cancellationToken) is { } row &&
        row.Parent == commit.Parents[0]
            ? row.Changes
            : null;

    /// <summary>What a commit has made of a key; null when it has not written it.</summary>
    /// <returns>Before is the entry of the newest parent.</returns>
    public async ValueTask<TreeDifference?> FindAsync(
        Commit commit, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        if (await FindListAsync(commit, cancellationToken) is { } list &&
            await services.Changes.FindAsync(list, key, cancellationToken) is null)
        {
            return null;
        }

        var after = await ReadValueAsync(commit, key, cancellationToken);
        EntryValue? before = null;
        Commit? newest = null;
        var differing = 0;
        foreach (var id in commit.Parents)
        {
            var parent = await services.Graph.ReadAsync(id, cancellationToken);
            var value = await ReadValueAsync(parent, key, cancellationToken);
            differing += Nullable.Equals(value, after) ? 0 : 1;
            if (newest is null || WriterOrder.Instance.Compare(parent, newest) > 0)
            {
                (newest, before) = (parent, value);
            }
        }

        return differing >= DifferingMin(commit) ? new TreeDifference(key, before, after) : null;
    }

    /// <summary>The entry of a key in a commit's tree.</summary>
    public async ValueTask<EntryValue?> ReadValueAsync(
        Commit commit, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        using var hold = await services.Trees.OpenAsync(page, commit, cancellationToken);
        return await services.Tree.GetAsync(commit.Root, key, cancellationToken);
    }

    /// <summary>
    /// The keys that a commit has written, ascending, with what it wrote, by its tree and its parents'.
    /// </summary>
    public async IAsyncEnumerable<TreeChange> ReadDifferencesAsync(
        Commit commit, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var holds = new List<TreeHold>();
        var sources = new List<IAsyncEnumerator<TreeDifference>>();
        try
        {
            holds.Add(await services.Trees.OpenAsync(page, commit, cancellationToken));
            foreach (var id in commit.Parents)
            {
                var parent = await services.Graph.ReadAsync(id, cancellationToken);
                if (parent.Root == commit.Root && DifferingMin(commit) == commit.Parents.Count)
                {
                    yield break;
                }

                holds.Add(await services.Trees.OpenAsync(page, parent, cancellationToken));
                sources.Add(services.Tree.DiffAsync(parent.Root, commit.Root, KeyRange.All, cancellationToken)
                    .GetAsyncEnumerator(cancellationToken));
            }

            await foreach (var change in JoinAsync(sources, DifferingMin(commit)))
            {
                yield return change;
            }
        }
        finally
        {
            foreach (var source in sources)
            {
                await source.DisposeAsync();
            }

            holds.ForEach(hold => hold.Dispose());
        }
    }

    // From how many parents a commit must differ in a key to have written it.
    private static int DifferingMin(Commit commit) => commit.Author is null ? commit.Parents.Count : 1;

    private async ValueTask<CommitRow?> ReadRowAsync(CommitId id, CancellationToken cancellationToken) =>
        await services.Store.ReadRowAsync(RowKeys.Commit(page, id), cancellationToken) is { } content
            ? CommitRow.Decode(content.Span)
            : null;

    /// <summary>The keys that at least so many of the differences have.</summary>
    private static async IAsyncEnumerable<TreeChange> JoinAsync(
        List<IAsyncEnumerator<TreeDifference>> sources, int countMin)
    {
        var live = new List<IAsyncEnumerator<TreeDifference>>();
        foreach (var source in sources)
        {
            if (await source.MoveNextAsync())
            {
                live.Add(source);
            }
        }

        while (live.Count >= countMin && live.Count > 0)
        {
            var least = live.MinBy(source => source.Current.Key, KeyComparer.Instance);
            var difference = (least ?? live[0]).Current;
            var same = live.FindAll(source => source.Current.Key.Span.SequenceEqual(difference.Key.Span));
            if (same.Count >= countMin)
            {
                yield return new TreeChange(difference.Key, difference.After);
            }

            foreach (var source in same)
            {
                if (!await source.MoveNextAsync())
                {
                    live.Remove(source);
                }
            }
        }
    }
}
