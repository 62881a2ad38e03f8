namespace Ledger.Cli;

/// <summary>The command cannot be done as it was given.</summary>
/// <param name="exitCode">One of <see cref="ExitCodes"/>.</param>
/// <param name="message">One sentence.</param>
/// <param name="hint">What the user can do about it, or null.</param>
/// <param name="innerException">The error that led to this one, or null.</param>
internal sealed class CliException(int exitCode, string message, string? hint = null, Exception? innerException = null)
    : Exception(message, innerException)
{
    /// <summary>One of <see cref="ExitCodes"/>.</summary>
    public int ExitCode { get; } = exitCode;

    /// <summary>What the user can do about it, or null.</summary>
    public string? Hint { get; } = hint;

    /// <summary>The command line is wrong.</summary>
    public static CliException Usage(string message, string? hint = null) => new(ExitCodes.Usage, message, hint);
}
