using Ledger.Commits;
using Ledger.Pages.Merging;

namespace Ledger.Pages;

/// <summary>The part of a connection that is about merges.</summary>
internal sealed partial class PageConnection
{
    /// <summary>A head of the page, this connection's or another one.</summary>
    internal Commit? FindHead(CommitId id)
    {
        lock (_page.Gate)
        {
            return _page.Branches.FirstOrDefault(branch => branch.Head.Id == id)?.Head;
        }
    }

    /// <inheritdoc/>
    public async Task<bool> WaitForMergesAsync(CancellationToken cancellationToken = default)
    {
        ThrowIfUnusable();
        await _services.Runtime.Enter();
        return await _page.Merger.WaitAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task<CommitId> MergeHeadsAsync(
        IConflictResolver? resolver = null, string? message = null, CancellationToken cancellationToken = default)
    {
        message = Transaction.CheckMessage(message);
        _services.ThrowIfReadOnly();
        lock (_page.Gate)
        {
            // The resolver may answer when this connection is gone: the page is not read anew beside it meanwhile.
            ThrowIfUnusable();
            _hold(_page);
        }

        try
        {
            await ReadHeadAsync(cancellationToken);
            return (await _page.Merger.MergeAllAsync(resolver, message, cancellationToken)).Id;
        }
        finally
        {
            _release(_page);
        }
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<MergeExplanation> ExplainAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        KeyComparer.Check(key);
        ThrowIfUnusable();
        return new MergeHistory(_services, Id).ExplainAsync(this, key.ToArray(), cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<EntryChange> ReplayAsync(
        CommitId merge, IConflictResolver? resolver = null, CancellationToken cancellationToken = default)
    {
        ThrowIfUnusable();
        return new MergeHistory(_services, Id).ReplayAsync(this, merge, resolver, cancellationToken);
    }
}
