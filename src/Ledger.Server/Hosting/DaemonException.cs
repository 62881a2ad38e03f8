using Ledger.Runtime;

namespace Ledger.Server.Hosting;

/// <summary>The daemon cannot start, or cannot be asked.</summary>
/// <param name="message">A full sentence that names the key where there is one.</param>
/// <param name="innerException">The platform's error, or null.</param>
internal sealed class DaemonException(string message, Exception? innerException = null)
    : LedgerException(message, innerException);
