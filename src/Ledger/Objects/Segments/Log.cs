using Microsoft.Extensions.Logging;

namespace Ledger.Objects.Segments;

/// <summary>What the store says to the log, each with its number.</summary>
internal static partial class Log
{
    /// <summary>A checkpoint failed; the next one includes it, and until then opening reads more log.</summary>
    [LoggerMessage(
        EventId = 101, Level = LogLevel.Warning, Message = "A checkpoint of the store in {Directory} failed.")]
    public static partial void CheckpointFailed(ILogger logger, string directory, Exception exception);

    /// <summary>The close could not be marked; the next opening recovers as after a crash, and loses nothing.</summary>
    [LoggerMessage(
        EventId = 102, Level = LogLevel.Warning, Message = "The close of the store in {Directory} was not marked.")]
    public static partial void CloseNotMarked(ILogger logger, string directory, Exception exception);
}
