using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>The page was deleted while this connection was open.</summary>
/// <param name="page">The page.</param>
public sealed class PageDeletedException(PageId page) : LedgerException($"Page {page} was deleted.")
{
    /// <summary>The page.</summary>
    public PageId Page { get; } = page;
}
