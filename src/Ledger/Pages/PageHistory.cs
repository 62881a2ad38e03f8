using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Pages.Rows;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>Answers questions about the commits of a page. Safe for concurrent use.</summary>
/// <param name="services">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class PageHistory(LedgerServices services, PageId page)
{
    /// <summary>What a commit's row says, or null when it has none.</summary>
    public async ValueTask<CommitRow?> ReadRowAsync(CommitId id, CancellationToken cancellationToken) =>
        await services.Store.ReadRowAsync(RowKeys.Commit(page, id), cancellationToken) is { } content
            ? CommitRow.Decode(content.Span)
            : null;

    /// <summary>A commit as callers see it.</summary>
    public async ValueTask<CommitInfo> DescribeAsync(Commit commit, CancellationToken cancellationToken)
    {
        var row = commit.IsGenesis ? null : await ReadRowAsync(commit.Id, cancellationToken);
        return Describe(commit, row?.Changes.Count ?? 0);
    }

    /// <summary>A commit of the history that ends at a head.</summary>
    /// <exception cref="UnknownCommitException">It is not there.</exception>
    public async ValueTask<Commit> FindAsync(Commit head, CommitId id, CancellationToken cancellationToken)
    {
        if (id == head.Id)
        {
            return head;
        }

        // The row tells cheaply that a commit is foreign; whether it is on this path only its descendants tell.
        if (id != Commit.Genesis.Id && await ReadRowAsync(id, cancellationToken) is null)
        {
            throw new UnknownCommitException(page, id.ToString());
        }

        var commit = await services.Graph.ReadAsync(id, cancellationToken);
        return await services.Graph.IsAncestorAsync(commit, head, cancellationToken)
            ? commit
            : throw new UnknownCommitException(page, id.ToString());
    }

    /// <summary>The state that is meant by <paramref name="asOf"/>.</summary>
    /// <exception cref="UnknownCommitException">There is none.</exception>
    public async ValueTask<Commit> FindAsync(Commit head, AsOf asOf, CancellationToken cancellationToken)
    {
        switch (asOf)
        {
            case AsOf.ByCommit(var id):
                return await FindAsync(head, id, cancellationToken);
            case AsOf.ByTime(var instant):
                await foreach (var commit in services.Graph.LogAsync(head, cancellationToken))
                {
                    if (commit.Author is { } author && author.Time <= instant)
                    {
                        return commit;
                    }
                }

                throw new UnknownCommitException(page, $"as of {instant:O}");
            default:
                throw new ArgumentOutOfRangeException(nameof(asOf), asOf, "Unknown kind of state.");
        }
    }

    /// <summary>The history of a connection's state, newest first.</summary>
    public async IAsyncEnumerable<CommitInfo> ReadLogAsync(
        PageConnection connection, CommitId? from, int? limit,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var head = await connection.ReadHeadAsync(cancellationToken);
        var first = from is not { } id ? head
            : connection.FindHead(id) ?? await FindAsync(head, id, cancellationToken);
        var left = limit ?? int.MaxValue;
        await foreach (var commit in services.Graph.LogAsync(first, cancellationToken))
        {
            if (left-- == 0)
            {
                yield break;
            }

            connection.ThrowIfUnusable();
            yield return await DescribeAsync(commit, cancellationToken);
            await services.Runtime.Enter();
        }
    }

    /// <summary>What differs between two commits of a connection's history, in key order.</summary>
    public async IAsyncEnumerable<EntryChange> ReadDiffAsync(
        PageConnection connection, CommitId before, CommitId after, KeyRange range,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var head = await connection.ReadHeadAsync(cancellationToken);
        var left = await FindAsync(head, before, cancellationToken);
        var right = await FindAsync(head, after, cancellationToken);
        using var leftHold = await services.Trees.OpenAsync(page, left, cancellationToken);
        using var rightHold = await services.Trees.OpenAsync(page, right, cancellationToken);
        await foreach (var difference in services.Tree.DiffAsync(left.Root, right.Root, range, cancellationToken))
        {
            connection.ThrowIfUnusable();
            yield return await services.Values.ToChangeAsync(difference, cancellationToken);
            await services.Runtime.Enter();
        }
    }

    /// <summary>The values that a key had in a connection's history, newest first.</summary>
    public async IAsyncEnumerable<KeyVersion> ReadVersionsAsync(
        PageConnection connection, ReadOnlyMemory<byte> key,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var head = await connection.ReadHeadAsync(cancellationToken);
        await foreach (var commit in services.Graph.LogAsync(head, cancellationToken))
        {
            connection.ThrowIfUnusable();
            var row = await ReadRowAsync(commit.Id, cancellationToken);
            if (await FindChangeAsync(commit, row, key, cancellationToken) is not { } change)
            {
                continue;
            }

            Entry? entry = change.Value is { } value
                ? await services.Values.ToEntryAsync(key, value, cancellationToken)
                : null;
            yield return new KeyVersion(Describe(commit, row?.Changes.Count ?? 0), entry);
            await services.Runtime.Enter();
        }
    }

    /// <summary>A commit as callers see it.</summary>
    /// <param name="commit">The commit.</param>
    /// <param name="changes">Keys changed against the first parent.</param>
    public static CommitInfo Describe(Commit commit, long changes) => new(
        commit.Id, commit.Root, commit.Parents, commit.Generation, commit.Author?.Time,
        commit.Author?.Device.ToString(), commit.Author?.Message, changes);

    private async ValueTask<TreeChange?> FindChangeAsync(
        Commit commit, CommitRow? row, ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        if (row is not null)
        {
            return await services.Changes.FindAsync(row.Changes, key, cancellationToken);
        }

        var parent = await services.Graph.ReadMainParentAsync(commit, cancellationToken);
        using var parentHold = await services.Trees.OpenAsync(page, parent, cancellationToken);
        using var hold = await services.Trees.OpenAsync(page, commit, cancellationToken);
        var before = await services.Tree.GetAsync(parent.Root, key, cancellationToken);
        var after = await services.Tree.GetAsync(commit.Root, key, cancellationToken);
        return Nullable.Equals(before, after) ? null : new TreeChange(key, after);
    }
}
