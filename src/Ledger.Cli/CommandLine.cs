using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.Runtime.InteropServices;
using Ledger.Cli.Commands;
using Ledger.Cli.Daemons;
using Ledger.Cli.Terminal;

namespace Ledger.Cli;

/// <summary>The whole command: parses, runs, and turns every way of ending into an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Runs one command.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="streams">What it writes to and asks; null for those of the process.</param>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static async Task<int> RunAsync(string[] args, CommandStreams? streams = null)
    {
        streams ??= new CommandStreams();

        // Keys and values may begin with an at sign, so it names no file of arguments.
        var parse = Create(streams).Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (FindWrongUse(args, parse) is { } wrong)
        {
            return Report(streams, wrong);
        }

        using var stop = new CancellationTokenSource();
        var interruptedWith = 0;
        void OnSignal(PosixSignalContext context)
        {
            // The first one ends the work in hand and closes the repository; a second one ends the process.
            context.Cancel = Interlocked.Exchange(
                ref interruptedWith,
                context.Signal switch
                {
                    PosixSignal.SIGTERM => ExitCodes.Terminated,
                    PosixSignal.SIGHUP => ExitCodes.HungUp,
                    _ => ExitCodes.Interrupted,
                }) == 0;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);

        // A daemon takes this one as the wish to read its configuration again.
        using var hangUp = parse.CommandResult.Command.Name == DaemonCommands.StartName
            ? null : PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnSignal);
        try
        {
            return await parse.InvokeAsync(
                new InvocationConfiguration
                {
                    EnableDefaultExceptionHandler = false,
                    ProcessTerminationTimeout = null,
                    Error = streams.Errors,
                },
                stop.Token);
        }
        catch (OperationCanceledException) when (interruptedWith != 0)
        {
            return interruptedWith;
        }
        catch (ClosedPipeException)
        {
            return ExitCodes.ClosedPipe;
        }
        catch (Exception error) when (ErrorTable.Find(error) is not null)
        {
            return Report(streams, ErrorTable.Find(error)!);
        }
    }

    /// <summary>Builds the whole command line.</summary>
    internal static RootCommand Create(CommandStreams streams)
    {
        var common = new CommonOptions(streams);
        var server = new ServerOptions();
        var root = new RootCommand("Local-first storage: pages that work offline, and streams of what was done.")
        {
            PageCommand.Create(common),
            StreamCommand.Create(common, server),
            ConsumerCommand.Create(common, server),
            HookCommand.Create(common, server),
            SyncCommand.Create(common),
            VerifyCommand.Create(common),
            DemoCommand.Create(common),
            KeyCommand.Create(common, server),
            common.Data,
            common.Output,
            common.Json,
        };
        foreach (var command in DaemonCommands.Create(common, server))
        {
            root.Add(command);
        }

        root.Add(CompletionCommand.Create(common, root));
        foreach (var option in server.All)
        {
            root.Add(option);
        }

        foreach (var help in root.Options.OfType<HelpOption>())
        {
            help.Action = new ExampleHelp((SynchronousCommandLineAction)help.Action!);
        }

        return root;
    }

    private static CliException? FindWrongUse(string[] args, ParseResult parse)
    {
        // The platform reads arguments that are no UTF-8 with a mark where they cannot be read.
        if (args.FirstOrDefault(arg => arg.Contains('\uFFFD', StringComparison.Ordinal)) is { } unreadable)
        {
            return CliException.Usage(
                $"The argument '{unreadable}' is not UTF-8, or has the mark U+FFFD of what is none.",
                "--key-encoding hex and --hex take any bytes; --file, and '-' for standard input, a value as it is.");
        }

        return FindUnknownOption(args, parse)
            ?? (parse.Errors.Count > 0 ? Describe(parse) : OptionUse.FindUnused(parse));
    }

    /// <summary>
    /// What begins with two dashes is an option, and what begins with one is an option or the value of one, unless it
    /// stands after <c>--</c>.
    /// </summary>
    private static CliException? FindUnknownOption(string[] args, ParseResult parse)
    {
        var known = Commands(parse.CommandResult).SelectMany(result => result.Command.Options)
            .SelectMany(option => option.Aliases.Append(option.Name)).ToHashSet(StringComparer.Ordinal);
        var positional = parse.CommandResult.Children.OfType<ArgumentResult>().SelectMany(result => result.Tokens)
            .Select(token => token.Value).Concat(parse.UnmatchedTokens).ToHashSet(StringComparer.Ordinal);
        foreach (var arg in args.TakeWhile(arg => arg != "--"))
        {
            var name = arg.Split('=', ':')[0];
            if (arg.Length > 1 && arg[0] == '-' && !known.Contains(name) && (arg[1] == '-' || positional.Contains(arg)))
            {
                var path = string.Join(' ', CommandPath(parse.CommandResult));
                return CliException.Usage(
                    $"'{name}' is not an option of '{path}'.",
                    $"'{path} --help' lists its options; a value that begins with a dash goes after '--'.");
            }
        }

        return null;
    }

    private static CliException Describe(ParseResult parse)
    {
        var path = string.Join(' ', CommandPath(parse.CommandResult));
        var message = parse.UnmatchedTokens.Count > 0
            ? $"'{parse.UnmatchedTokens[0]}' is not something that '{path}' takes."
            : string.Join(' ', parse.Errors[0].Message.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        return CliException.Usage(
            message.EndsWith('.') ? message : message + ".", $"'{path} --help' lists what it takes.");
    }

    private static int Report(CommandStreams streams, CliException error)
    {
        streams.Errors.WriteLine($"ledger: {LineText.EscapeLines(error.Message)}");
        if (error.Hint is { } hint)
        {
            streams.Errors.WriteLine($"hint: {LineText.EscapeLines(hint)}");
        }

        return error.ExitCode;
    }

    private static IEnumerable<string> CommandPath(CommandResult command) => Commands(command)
        .Select(result => result.Parent is null ? "ledger" : result.Command.Name).Reverse();

    /// <summary>The command and those that it is part of, the innermost first.</summary>
    private static IEnumerable<CommandResult> Commands(CommandResult command)
    {
        for (SymbolResult? result = command; result is not null; result = result.Parent)
        {
            if (result is CommandResult found)
            {
                yield return found;
            }
        }
    }
}
