namespace Ledger.Runtime;

/// <summary>
/// A fault of Ledger itself: something that must always hold did not. It stops the page, not the process.
/// </summary>
/// <param name="message">The condition that failed, and where.</param>
public sealed class InvariantException(string message) : LedgerException(message);
