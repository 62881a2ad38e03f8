using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>The transaction was committed, rolled back or disposed already.</summary>
/// <param name="page">The page.</param>
public sealed class TransactionEndedException(PageId page)
    : LedgerException($"There is no transaction any more on page {page}: it was committed, rolled back or disposed.")
{
    /// <summary>The page.</summary>
    public PageId Page { get; } = page;
}
