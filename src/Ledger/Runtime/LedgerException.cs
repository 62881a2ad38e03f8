namespace Ledger.Runtime;

/// <summary>
/// Base of everything that Ledger throws about data, stores and state; caller mistakes are BCL exceptions.
/// </summary>
/// <param name="message">A full sentence with the ids and values in it.</param>
/// <param name="innerException">The error that led to this one, or null.</param>
public abstract class LedgerException(string message, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>True when the same call may succeed later without anyone repairing anything.</summary>
    public virtual bool IsTransient => false;
}
