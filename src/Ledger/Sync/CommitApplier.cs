using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>A received commit whose changes have led to its root.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="Base">The parent that the changes are against.</param>
/// <param name="Changes">Where they are stored.</param>
/// <param name="Tree">Keeps its tree.</param>
internal sealed record AppliedCommit(Commit Commit, CommitId Base, ChangeList Changes, TreeHold Tree);

/// <summary>Applies the changes of received commits to the trees of their parents. Stores nothing.</summary>
/// <param name="context">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class CommitApplier(SyncContext context, PageId page)
{
    /// <summary>Makes the tree of a commit and compares it with what the commit says.</summary>
    /// <param name="commit">Its parents are here.</param>
    /// <param name="baseParent">The parent that the changes are against.</param>
    /// <param name="changes">Ascending by key.</param>
    /// <param name="known">Commits of the same record, which the store does not have yet.</param>
    /// <param name="cancellationToken">Cancels the reads.</param>
    /// <returns>Keeps the tree.</returns>
    /// <exception cref="CorruptObjectException">The commit is not what its changes and parents make it.</exception>
    public async ValueTask<TreeHold> ApplyAsync(
        Commit commit, CommitId baseParent, IAsyncEnumerable<TreeChange> changes,
        IReadOnlyDictionary<CommitId, AppliedCommit> known, CancellationToken cancellationToken)
    {
        if (commit.Timestamp.Milliseconds > Authorship.WallClockMsMax)
        {
            // One near the end of what a timestamp can hold would leave no room for any commit after it.
            throw new CorruptObjectException(
                $"commit {commit.Id} has time {commit.Timestamp}, after the year 9999", commit.Id.Value);
        }

        var services = context.Services;
        var parents = new List<Commit>();
        foreach (var id in commit.Parents)
        {
            parents.Add(known.TryGetValue(id, out var fresh)
                ? fresh.Commit
                : await services.Graph.ReadAsync(id, cancellationToken));
            CheckAfter(commit, parents[^1]);
        }

        await CheckPlaceAsync(commit, parents, cancellationToken);
        var start = parents.Find(parent => parent.Id == baseParent)
            ?? throw new CorruptObjectException($"the changes of commit {commit.Id} are against no parent of it");
        using var startHold = known.ContainsKey(start.Id)
            ? null
            : await services.Trees.OpenAsync(page, start, cancellationToken);
        using var batch = services.Tree.WriteBack.BeginBatch();
        var root = await services.Tree.ApplyAsync(
            start.Root, CheckAsync(commit, start.Root, changes, cancellationToken), batch, cancellationToken);
        if (root != commit.Root && !context.Has(PlantedBugs.SyncSkipRootCheck))
        {
            throw new CorruptObjectException(
                $"the changes of commit {commit.Id} lead to root {root} instead of {commit.Root}", commit.Id.Value);
        }

        return await services.Tree.TryHoldAsync(root, cancellationToken)
            ?? throw new MissingObjectException(root);
    }

    private static void CheckAfter(Commit commit, Commit parent)
    {
        CommitGraph.CheckOrder(commit, parent);
        if (commit.Author is not null && commit.Timestamp <= parent.Timestamp)
        {
            throw new CorruptObjectException(
                $"commit {commit.Id} has time {commit.Timestamp}, not after that of its parent {parent.Id}",
                commit.Id.Value);
        }
    }

    private async ValueTask CheckPlaceAsync(
        Commit commit, List<Commit> parents, CancellationToken cancellationToken)
    {
        var (generation, skip) = await context.Services.Graph.PlaceAboveAsync(parents, cancellationToken);
        if (generation != commit.Generation || skip != commit.SkipLink)
        {
            throw new CorruptObjectException(
                $"commit {commit.Id} says generation {commit.Generation} and skip link {commit.SkipLink}, not " +
                $"{generation} and {skip}",
                commit.Id.Value);
        }
    }

    /// <summary>Passes changes on, and refuses those that change nothing.</summary>
    private async IAsyncEnumerable<TreeChange> CheckAsync(
        Commit commit, ObjectId before, IAsyncEnumerable<TreeChange> changes,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var change in changes.WithCancellation(cancellationToken))
        {
            var present = await context.Services.Tree.GetAsync(before, change.Key, cancellationToken);
            if (Nullable.Equals(present, change.Value) && !context.Has(PlantedBugs.SyncSkipRootCheck))
            {
                throw new CorruptObjectException(
                    change.Value is null
                        ? $"commit {commit.Id} deletes a key that is not there"
                        : $"commit {commit.Id} puts what is there already",
                    commit.Id.Value);
            }

            yield return change;
        }
    }
}
