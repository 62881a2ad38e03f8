using System.CommandLine;
using System.CommandLine.Parsing;
using System.Runtime.InteropServices;
using Ledger.Cli.Commands;
using Ledger.Cli.Terminal;

namespace Ledger.Cli;

/// <summary>The whole command: parses, runs, and turns every way of ending into an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Runs one command.</summary>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        // Keys and values may begin with an at sign, so it names no file of arguments.
        var parse = Create().Parse(args, new ParserConfiguration { ResponseFileTokenReplacer = null });
        if (parse.Errors.Count > 0)
        {
            return Report(Describe(parse));
        }

        using var stop = new CancellationTokenSource();
        var interruptedWith = 0;
        void OnSignal(PosixSignalContext context)
        {
            // The first one ends the work in hand and closes the repository; a second one ends the process.
            context.Cancel = Interlocked.Exchange(
                ref interruptedWith,
                context.Signal == PosixSignal.SIGTERM ? ExitCodes.Terminated : ExitCodes.Interrupted) == 0;
            stop.Cancel();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        try
        {
            return await parse.InvokeAsync(
                new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null },
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
            return Report(ErrorTable.Find(error)!);
        }
    }

    private static RootCommand Create()
    {
        var common = new CommonOptions();
        return new RootCommand("Local-first storage: pages that work offline and keep their history.")
        {
            PageCommand.Create(common),
            VerifyCommand.Create(common),
            DemoCommand.Create(common),
            common.Data,
            common.Output,
            common.Json,
        };
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

    private static int Report(CliException error)
    {
        Console.Error.WriteLine($"ledger: {error.Message}");
        if (error.Hint is { } hint)
        {
            Console.Error.WriteLine($"hint: {hint}");
        }

        return error.ExitCode;
    }

    private static Stack<string> CommandPath(SymbolResult? result)
    {
        for (var names = new Stack<string>(); ; result = result.Parent)
        {
            if (result is null)
            {
                return names;
            }

            if (result is CommandResult command)
            {
                names.Push(command.Parent is null ? "ledger" : command.Command.Name);
            }
        }
    }
}
