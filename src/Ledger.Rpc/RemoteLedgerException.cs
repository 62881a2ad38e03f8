using Ledger.Runtime;

namespace Ledger.Rpc;

/// <summary>A server refused a call, or failed, in a way that no store here would.</summary>
/// <param name="code">How the call ended.</param>
/// <param name="message">What the server says.</param>
/// <param name="innerException">The error that led to this one, or null.</param>
public sealed class RemoteLedgerException(RpcCode code, string message, Exception? innerException = null)
    : LedgerException(message, innerException)
{
    /// <summary>How the call ended.</summary>
    public RpcCode Code { get; } = code;

    /// <inheritdoc/>
    public override bool IsTransient => Code == RpcCode.ResourceExhausted;
}
