using Microsoft.Extensions.Logging;

namespace Ledger.Server.Logging;

/// <summary>What the daemon says about itself. Never a payload, a key or a secret.</summary>
internal static partial class DaemonEvents
{
    [LoggerMessage(1, LogLevel.Information, "Serving {Protocol} at {Address}.")]
    public static partial void Serving(ILogger logger, string protocol, string address);

    [LoggerMessage(2, LogLevel.Information, "Ready; entries are kept in {Database}.")]
    public static partial void Ready(ILogger logger, string database);

    [LoggerMessage(3, LogLevel.Information, "Stopping: calls may take {Bound} to end.")]
    public static partial void Stopping(ILogger logger, TimeSpan bound);

    [LoggerMessage(4, LogLevel.Information, "Stopped.")]
    public static partial void Stopped(ILogger logger);

    [LoggerMessage(5, LogLevel.Warning, "{Sentence}")]
    public static partial void ConfigurationWarning(ILogger logger, string sentence);

    [LoggerMessage(6, LogLevel.Information, "The configuration was read again.")]
    public static partial void Reloaded(ILogger logger);

    [LoggerMessage(7, LogLevel.Error, "The configuration was not taken over; the old one stays: {Problems}")]
    public static partial void ReloadRefused(ILogger logger, string problems);

    [LoggerMessage(8, LogLevel.Warning, "Calls did not end within {Bound}, and were cut off.")]
    public static partial void CutOff(ILogger logger, TimeSpan bound);

    [LoggerMessage(20, LogLevel.Warning, "A call to {Method} from {Remote} was refused: {Reason}.")]
    public static partial void Refused(ILogger logger, string method, string remote, string reason);

    [LoggerMessage(21, LogLevel.Warning, "{Count} more calls were refused since the last line.")]
    public static partial void RefusedMore(ILogger logger, long count);

    [LoggerMessage(30, LogLevel.Error, "A call to {Method} failed.")]
    public static partial void CallFailed(ILogger logger, Exception error, string method);
}
