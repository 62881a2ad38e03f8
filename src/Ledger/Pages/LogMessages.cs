using Microsoft.Extensions.Logging;

namespace Ledger.Pages;

/// <summary>What pages say to the log; event ids 200 to 299.</summary>
internal static partial class LogMessages
{
    /// <summary>An invariant failed.</summary>
    [LoggerMessage(EventId = 200, Level = LogLevel.Critical, Message = "Page {Page} was stopped.")]
    public static partial void PageStopped(ILogger logger, PageId page, Exception exception);

    /// <summary>A fold that nobody waits for failed; it is tried again.</summary>
    [LoggerMessage(
        EventId = 201, Level = LogLevel.Warning, Message = "The journal of page {Page} could not be folded.")]
    public static partial void FoldFailed(ILogger logger, PageId page, Exception exception);

    /// <summary>Rows were found that a fold or a deletion has made void.</summary>
    [LoggerMessage(
        EventId = 202, Level = LogLevel.Warning, Message = "Page {Page} has {Count} rows that are void; ignored.")]
    public static partial void StaleRowsIgnored(ILogger logger, PageId page, int count);

    /// <summary>Acknowledged data is missing.</summary>
    [LoggerMessage(
        EventId = 203, Level = LogLevel.Error,
        Message = "The store in {Directory} is damaged and was opened for reading only: {Damage}")]
    public static partial void StoreDamaged(ILogger logger, string directory, string damage);

    /// <summary>Nodes could not be written; they are in memory, and follow from the log.</summary>
    [LoggerMessage(EventId = 204, Level = LogLevel.Warning, Message = "Tree nodes could not be written back.")]
    public static partial void WriteBackFailed(ILogger logger, Exception exception);

    /// <summary>A resolver that was given up has failed afterwards.</summary>
    [LoggerMessage(
        EventId = 210, Level = LogLevel.Warning,
        Message = "A resolver that was not waited for any more failed on page {Page}.")]
    public static partial void ResolverLate(ILogger logger, PageId page, Exception exception);

    /// <summary>A merge failed; it is tried again.</summary>
    [LoggerMessage(
        EventId = 211, Level = LogLevel.Warning,
        Message = "The heads of page {Page} could not be merged; tried again in {Delay}.")]
    public static partial void MergeFailed(ILogger logger, PageId page, TimeSpan delay, Exception exception);
}
