using Ledger.Rpc.V1;

namespace Ledger.Rpc;

/// <summary>A call that ended otherwise than <see cref="RpcCode.Ok"/>; never leaves this project's own.</summary>
/// <param name="code">How it ended.</param>
/// <param name="message">A sentence that the caller may read.</param>
/// <param name="detail">What is known of the error; null for nothing.</param>
/// <param name="innerException">The error that led to this one, which stays on this side; or null.</param>
internal sealed class RpcException(
    RpcCode code, string message, ErrorDetail? detail = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>How the call ended.</summary>
    public RpcCode Code { get; } = code;

    /// <summary>What is known of the error; null for nothing.</summary>
    public ErrorDetail? Detail { get; } = detail;

    /// <summary>Whether the call may have been carried out all the same: nobody heard how it ended.</summary>
    public bool IsUnsure { get; init; }

    /// <summary>The same, of a call that may have been carried out all the same.</summary>
    public RpcException AsUnsure() => new(Code, Message, Detail, this) { IsUnsure = true };
}
