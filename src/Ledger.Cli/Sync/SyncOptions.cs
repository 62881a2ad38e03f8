using System.CommandLine;

namespace Ledger.Cli.Sync;

/// <summary>The options that commands for synchronisation share, each declared once.</summary>
internal sealed class SyncOptions
{
    private const string DirectoryPrefix = "dir:";

    /// <summary>An application that takes part, made when it is missing; the others here do as well.</summary>
    public Option<string?> App { get; } = new("--app")
    {
        Description = "An application that takes part, besides those that are here already (default: 'default')",
        HelpName = "NAME",
        Recursive = true,
    };

    /// <summary>The cloud.</summary>
    public Option<string?> Cloud { get; } = new("--cloud")
    {
        Description = "Where the user's devices meet: a directory that they share",
        HelpName = "dir:PATH",
    };

    /// <summary>The file of the secret.</summary>
    public Option<string> SecretFile { get; } = new("--secret-file")
    {
        Description = "The file of the user's secret: whoever has it reads and writes everything",
        HelpName = "FILE",
        Required = true,
    };

    /// <summary>How long to wait.</summary>
    public Option<int?> Timeout { get; } = new("--timeout")
    {
        Description = "Wait so many seconds at most, also for a cloud that is not there; without it, that is an error",
        HelpName = "SECONDS",
    };

    /// <summary>Declares what the values may be.</summary>
    public SyncOptions()
    {
        Cloud.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && PathOf(result.Tokens[0].Value).Length == 0)
            {
                result.AddError($"--cloud is dir:PATH, not '{result.Tokens[0].Value}'.");
            }
        });
        Timeout.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && (!int.TryParse(result.Tokens[0].Value, out var seconds) || seconds < 1))
            {
                result.AddError($"--timeout is a number of seconds from 1 on, not '{result.Tokens[0].Value}'.");
            }
        });
    }

    /// <summary>
    /// The cloud that is meant, or null when none is given; with its full path, as it is kept and used from elsewhere.
    /// </summary>
    public string? CloudOf(CommandContext context) => context.Parse.GetValue(Cloud) is { } text
        ? DirectoryPrefix + Path.GetFullPath(PathOf(text))
        : null;

    private static string PathOf(string text) =>
        text.StartsWith(DirectoryPrefix, StringComparison.Ordinal) ? text[DirectoryPrefix.Length..] : "";
}
