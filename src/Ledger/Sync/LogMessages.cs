using Microsoft.Extensions.Logging;

namespace Ledger.Sync;

/// <summary>What synchronisation says to the log; event ids 300 to 399.</summary>
internal static partial class LogMessages
{
    /// <summary>An invariant failed.</summary>
    [LoggerMessage(
        EventId = 300, Level = LogLevel.Critical, Message = "Synchronisation of ledger '{Ledger}' was stopped.")]
    public static partial void SyncStopped(ILogger logger, string ledger, Exception exception);

    /// <summary>The cloud, or the store, failed; it is tried again.</summary>
    [LoggerMessage(
        EventId = 301, Level = LogLevel.Information,
        Message = "Synchronisation of ledger '{Ledger}' failed and is tried again.")]
    public static partial void SyncFailed(ILogger logger, string ledger, Exception exception);

    /// <summary>An entry could not be applied.</summary>
    [LoggerMessage(
        EventId = 302, Level = LogLevel.Warning,
        Message = "An entry of ledger '{Ledger}' was put aside: {Reason}")]
    public static partial void EntryQuarantined(ILogger logger, string ledger, string reason);

    /// <summary>A ledger does not take part.</summary>
    [LoggerMessage(
        EventId = 303, Level = LogLevel.Error,
        Message = "The ledger in '{Path}' cannot be opened and is not synchronised.")]
    public static partial void LedgerLeftOut(ILogger logger, string path, Exception exception);
}
