using Microsoft.Extensions.Logging;

namespace Ledger.Server.Hooks;

/// <summary>What hooks tell; never payloads, bodies or secrets.</summary>
internal static partial class HookLog
{
    /// <summary>A request or the store failed.</summary>
    [LoggerMessage(EventId = 401, Level = LogLevel.Warning, Message = "Hook {Hook}: {Error}")]
    public static partial void Failed(ILogger logger, string hook, string error);

    /// <summary>An entry became a dead letter.</summary>
    [LoggerMessage(
        EventId = 402, Level = LogLevel.Error, Message = "Hook {Hook} parked entry {Entry} as a dead letter: {Error}")]
    public static partial void Parked(ILogger logger, string hook, string entry, string error);

    /// <summary>A hook begins.</summary>
    [LoggerMessage(EventId = 403, Level = LogLevel.Information, Message = "Hook {Hook} is started.")]
    public static partial void Started(ILogger logger, string hook);

    /// <summary>A hook ended.</summary>
    [LoggerMessage(EventId = 404, Level = LogLevel.Information, Message = "Hook {Hook} is stopped.")]
    public static partial void Stopped(ILogger logger, string hook);
}
