namespace Ledger.Cli.Terminal;

/// <summary>What a command writes to and asks; those of the process, unless a test gives others.</summary>
internal sealed record CommandStreams
{
    /// <summary>Opens standard output; what it opens is disposed with the command.</summary>
    public Func<Stream> OpenOutput { get; init; } = StandardStreams.OpenOutput;

    /// <summary>Standard error.</summary>
    public TextWriter Errors { get; init; } = Console.Error;

    /// <summary>Asks the user to agree; null when nobody is there to ask, as in a script.</summary>
    public Func<string, bool>? Confirm { get; init; } =
        Console.IsInputRedirected || Console.IsOutputRedirected ? null : AskAtTerminal;

    private static bool AskAtTerminal(string question)
    {
        Console.Error.Write($"{question} [y/N] ");
        return Console.ReadLine()?.Trim() is "y" or "Y" or "yes";
    }
}
