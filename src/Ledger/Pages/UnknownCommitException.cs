using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>No commit of this page's history here is the one asked for.</summary>
/// <param name="page">The page.</param>
/// <param name="wanted">The commit or the time that was asked for.</param>
public sealed class UnknownCommitException(PageId page, string wanted)
    : LedgerException($"The history of page {(page == PageId.Root ? "root" : page.ToString())} has no commit {wanted}.")
{
    /// <summary>The page.</summary>
    public PageId Page { get; } = page;
}
