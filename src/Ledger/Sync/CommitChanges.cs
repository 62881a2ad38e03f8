using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>Reads what a commit changes against one of its parents, whichever is cheapest to send.</summary>
/// <param name="context">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class CommitChanges(SyncContext context, PageId page)
{
    /// <summary>About what a change takes in a batch.</summary>
    public static long SizeOf(in TreeChange change) =>
        change.Key.Length + 4 + (change.Value is not { } value ? 0 : value.IsInline ? value.Inline.Length : 36);

    /// <summary>The parent with the least to send; of equal ones, one that the cloud has.</summary>
    public async ValueTask<CommitId> ChooseBaseAsync(
        Commit commit, IReadOnlyList<CommitId> uploaded, CancellationToken cancellationToken)
    {
        if (commit.Parents.Count == 1)
        {
            return commit.Parents[0];
        }

        var best = commit.Parents[0];
        var least = long.MaxValue;
        foreach (var parent in commit.Parents.OrderByDescending(parent => uploaded.Contains(parent)))
        {
            var sizeBytes = 0L;
            await foreach (var change in ReadAsync(commit, parent, cancellationToken))
            {
                sizeBytes += SizeOf(change);
                if (sizeBytes >= least)
                {
                    break;
                }
            }

            if (sizeBytes < least)
            {
                (best, least) = (parent, sizeBytes);
            }
        }

        return best;
    }

    /// <summary>What a commit changes against a parent, ascending by key.</summary>
    public async IAsyncEnumerable<TreeChange> ReadAsync(
        Commit commit, CommitId parent, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var services = context.Services;
        if (await context.Store.ReadRowAsync(RowKeys.Commit(page, commit.Id), cancellationToken) is { } content &&
            CommitRow.Decode(content.Span) is var row && row.Parent == parent)
        {
            await foreach (var change in services.Changes.ReadAsync(row.Changes, default, cancellationToken))
            {
                yield return change;
            }

            yield break;
        }

        var start = await services.Graph.ReadAsync(parent, cancellationToken);
        using var startHold = await services.Trees.OpenAsync(page, start, cancellationToken);
        using var hold = await services.Trees.OpenAsync(page, commit, cancellationToken);
        var differences = services.Tree.DiffAsync(start.Root, commit.Root, KeyRange.All, cancellationToken);
        await foreach (var (key, _, after) in differences)
        {
            yield return new TreeChange(key, after);
        }
    }
}
