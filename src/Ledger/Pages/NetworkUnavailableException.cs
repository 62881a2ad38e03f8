using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>A value is not on this device, and nobody who has it answered in time.</summary>
/// <param name="message">A full sentence.</param>
/// <param name="innerException">The last error, or null.</param>
public sealed class NetworkUnavailableException(string message, Exception? innerException = null)
    : LedgerException(message, innerException)
{
    /// <inheritdoc/>
    public override bool IsTransient => true;
}
