using Microsoft.Extensions.Logging;

namespace Ledger.Cli.Terminal;

/// <summary>
/// Puts the library's warnings and errors on standard error, and remembers whether there was an error.
/// </summary>
internal sealed class ErrorLog : ILoggerFactory, ILogger
{
    private volatile bool _hasErrors;

    /// <summary>
    /// Whether the library reported an error that it went on with: what a command printed may not be everything.
    /// </summary>
    public bool HasErrors => _hasErrors;

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => this;

    /// <inheritdoc/>
    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    /// <inheritdoc/>
    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        _hasErrors |= logLevel >= LogLevel.Error;
        var cause = exception is null ? "" : " " + exception.Message;
        Console.Error.WriteLine($"ledger: warning: {formatter(state, exception)}{cause}");
    }

    /// <inheritdoc/>
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    /// <inheritdoc/>
    public void AddProvider(ILoggerProvider provider) =>
        throw new NotSupportedException("Warnings go to standard error and nowhere else.");

    /// <inheritdoc/>
    public void Dispose()
    {
        // Standard error stays open.
    }
}
