using Ledger.Commits;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>The part of a connection that is about commits: what they are and changed, going back to one.</summary>
internal sealed partial class PageConnection
{
    /// <inheritdoc/>
    public async Task<IPageSnapshot> GetSnapshotAsync(
        AsOf asOf, ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(asOf);
        ReadOnlyMemory<byte> ownPrefix = prefix.ToArray();
        var head = await ReadHeadAsync(cancellationToken);
        var commit = await _history.FindAsync(head, asOf, cancellationToken);
        return await ShowAsync(commit, ownPrefix, cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<CommitInfo> LogAsync(
        CommitId? from = null, int? limit = null, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(limit ?? 0, nameof(limit));
        ThrowIfUnusable();
        return _history.ReadLogAsync(this, from, limit, cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<EntryChange> DiffAsync(
        CommitId before, CommitId after, ReadOnlyMemory<byte> prefix = default,
        CancellationToken cancellationToken = default)
    {
        ThrowIfUnusable();
        return _history.ReadDiffAsync(
            this, before, after, KeyRange.OfPrefix(prefix.ToArray()), cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<KeyVersion> HistoryOfAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        ThrowIfUnusable();
        return _history.ReadVersionsAsync(this, key.ToArray(), cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<CommitId> RestoreAsync(
        CommitId commit, ReadOnlyMemory<byte> prefix = default, CancellationToken cancellationToken = default)
    {
        ReadOnlyMemory<byte> ownPrefix = prefix.ToArray();
        var transaction = (Transaction)await BeginTransactionAsync(cancellationToken);
        await using (transaction)
        {
            var wanted = await _history.FindAsync(transaction.Pinned, commit, cancellationToken);
            await transaction.RestoreAsync(wanted, KeyRange.OfPrefix(ownPrefix), cancellationToken);
            return await transaction.CommitAsync(cancellationToken: cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<CommitInfo>> GetHeadsAsync(CancellationToken cancellationToken = default)
    {
        await ReadHeadAsync(cancellationToken);
        Branch[] branches;
        lock (_page.Gate)
        {
            branches = [.. _page.Branches];
        }

        var heads = new List<Commit>();
        foreach (var branch in branches)
        {
            heads.Add(await _page.Commits.FoldAsync(branch, cancellationToken));
        }

        var infos = new List<CommitInfo>();
        foreach (var head in heads.Distinct().OrderBy(head => head.Timestamp).ThenBy(head => head.Id))
        {
            infos.Add(await _history.DescribeAsync(head, cancellationToken));
        }

        return infos;
    }

    /// <summary>A commit as callers see it.</summary>
    internal ValueTask<CommitInfo> DescribeAsync(Commit commit, CancellationToken cancellationToken) =>
        _page.Described is { } info && info.Id == commit.Id
            ? new ValueTask<CommitInfo>(info)
            : ReadAndDescribeAsync(commit, cancellationToken);

    private async ValueTask<CommitInfo> ReadAndDescribeAsync(Commit commit, CancellationToken cancellationToken) =>
        _page.Described = await _history.DescribeAsync(commit, cancellationToken);
}
