using System.CommandLine;
using System.CommandLine.Parsing;

namespace Ledger.Cli;

/// <summary>Which commands use the options that are declared for all of them, or for a whole group.</summary>
/// <remarks>
/// The others refuse them: a write that was aimed at a server must not go to a directory without a word. Help and
/// completion offer only what is used.
/// </remarks>
internal static class OptionUse
{
    private static readonly string[] Remote = ["stream", "consumer", "hook"];

    private static readonly string[] Configured =
        [.. Remote, "key", "start", "stop", "status", "reload"];

    /// <summary>
    /// An option, the group that declares it, the commands and groups that use it, and those that take it for scripts
    /// of the original and do not show it.
    /// </summary>
    private static readonly (string Option, string Group, string[] Users, string[] Tolerant)[] Rules =
    [
        ("--data", "", ["page", "sync", "verify"], []),
        ("--config", "", Configured, ["version", "completion"]),
        ("--addr", "", Remote, []),
        ("--http-addr", "", [], [.. Configured, "version"]),
        ("--api-key", "", Remote, [.. Configured, "version"]),
        ("--tls-ca", "", Remote, []),
        ("--tls-cert", "", Remote, []),
        ("--tls-key", "", Remote, []),
        ("--page", "page",
            [
                "page put", "page rm", "page get", "page keys", "page scan", "page count", "page log", "page diff",
                "page history", "page restore", "page heads", "page merge", "page explain", "page replay",
                "page graph", "page import", "page export", "page watch",
            ],
            []),
        ("--durability", "page",
            ["page put", "page rm", "page create", "page delete", "page restore", "page merge", "page import"],
            ["page watch"]),
        ("--stream", "stream",
            [
                "stream append", "stream read", "stream search", "stream tail", "stream subscribe", "stream count",
                "stream stat", "stream trim", "stream tag", "stream annotate", "stream rename", "stream export",
            ],
            []),
        ("--app", "sync",
            ["sync join", "sync now", "sync status", "sync devices", "sync watch", "sync repair"], []),
    ];

    /// <summary>Whether a command shows an option.</summary>
    /// <param name="option">The option.</param>
    /// <param name="group">The path of the command that declares it; empty for the whole command line.</param>
    /// <param name="path">The path of the command, such as "page put"; also of a group, which shows what any of its
    /// commands does.</param>
    public static bool IsShown(Option option, string group, string path) =>
        Find(option, group) is not { } rule || rule.Users.Any(user => Covers(user, path) || Covers(path, user));

    /// <summary>The error for an option that was given to a command that does nothing with it, or null.</summary>
    public static CliException? FindUnused(ParseResult parse)
    {
        var path = PathOf(parse.CommandResult);
        for (SymbolResult? at = parse.CommandResult; at is not null; at = at.Parent)
        {
            foreach (var option in at is CommandResult { Command: var command } ? command.Options : [])
            {
                if (Find(option, PathOf(at)) is { } rule && parse.GetResult(option) is { Implicit: false }
                    && !rule.Users.Concat(rule.Tolerant).Any(user => Covers(user, path)))
                {
                    return CliException.Usage(
                        $"'ledger {path}' does nothing with '{option.Name}'.",
                        $"'ledger {path} --help' lists its options.");
                }
            }
        }

        return null;
    }

    /// <summary>The names of a command and the groups that it is in, without the program's.</summary>
    public static string PathOf(SymbolResult result)
    {
        var names = new Stack<string>();
        for (var at = result; at.Parent is not null; at = at.Parent)
        {
            names.Push(((CommandResult)at).Command.Name);
        }

        return string.Join(' ', names);
    }

    private static (string[] Users, string[] Tolerant)? Find(Option option, string group)
    {
        foreach (var rule in Rules)
        {
            if (rule.Option == option.Name && rule.Group == group)
            {
                return (rule.Users, rule.Tolerant);
            }
        }

        return null;
    }

    private static bool Covers(string group, string path) =>
        group.Length == 0 || path == group || path.StartsWith(group + " ", StringComparison.Ordinal);
}
