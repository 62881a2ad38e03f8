using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>A transaction is open on this connection, which takes no other writes until it ends.</summary>
/// <param name="page">The page.</param>
public sealed class TransactionOpenException(PageId page)
    : LedgerException($"A transaction is already open on this connection to page {page}; commit or roll it back first.")
{
    /// <summary>The page.</summary>
    public PageId Page { get; } = page;
}
