using Ledger.Runtime;

namespace Ledger.Objects;

/// <summary>A flush failed after the write was handed to the file: it may or may not be there after a reopen.</summary>
/// <param name="message">A full sentence.</param>
/// <param name="innerException">The platform's error.</param>
public sealed class OutcomeUnknownException(string message, Exception? innerException)
    : LedgerException(message, innerException);
