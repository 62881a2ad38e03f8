using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace Ledger.Cli;

/// <summary>The usual help, and below it the examples that the command has.</summary>
/// <param name="inner">The usual help.</param>
internal sealed class ExampleHelp(SynchronousCommandLineAction inner) : SynchronousCommandLineAction
{
    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        HideUnused(parseResult);
        var exitCode = inner.Invoke(parseResult);
        if (parseResult.CommandResult.Command is ExampleCommand { Examples.Count: > 0 } command)
        {
            var output = parseResult.InvocationConfiguration.Output;
            output.WriteLine("Examples:");
            foreach (var example in command.Examples)
            {
                output.WriteLine($"  ledger {example}");
            }

            output.WriteLine();
        }

        return exitCode;
    }

    /// <summary>Leaves out options of groups that the command does not use, or has another of that name for.</summary>
    private static void HideUnused(ParseResult parse)
    {
        var path = OptionUse.PathOf(parse.CommandResult);
        for (SymbolResult? at = parse.CommandResult; at is not null; at = at.Parent)
        {
            foreach (var option in at is CommandResult { Command: var command } ? command.Options : [])
            {
                var isOther = at != parse.CommandResult
                    && parse.CommandResult.Command.Options.Any(own => own.Name == option.Name && own != option);
                option.Hidden |= isOther || !OptionUse.IsShown(option, OptionUse.PathOf(at), path);
            }
        }
    }
}
