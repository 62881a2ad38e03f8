using Ledger.Commits;
using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>
/// The page moved on after the transaction was begun; nothing was changed. Begin again on the new state.
/// </summary>
/// <param name="page">The page.</param>
/// <param name="pinned">The commit that the transaction was begun on.</param>
/// <param name="head">The commit that the page is at now.</param>
public sealed class PageMovedException(PageId page, CommitId pinned, CommitId head)
    : LedgerException($"Page {page} moved from commit {pinned} to {head} while the transaction was open.")
{
    /// <summary>The page.</summary>
    public PageId Page { get; } = page;

    /// <summary>The commit that the transaction was begun on.</summary>
    public CommitId Pinned { get; } = pinned;

    /// <summary>The commit that the page is at now.</summary>
    public CommitId Head { get; } = head;

    /// <inheritdoc/>
    public override bool IsTransient => true;
}
