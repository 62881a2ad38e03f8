using System.CommandLine;
using System.CommandLine.Invocation;

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
}
