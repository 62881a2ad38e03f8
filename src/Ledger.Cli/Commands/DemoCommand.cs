using System.CommandLine;
using Ledger.Cli.Demo;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger demo</c>: the product in one minute, in a temporary directory.</summary>
internal static class DemoCommand
{
    /// <summary>Builds the command.</summary>
    public static Command Create(CommonOptions common)
    {
        var command = new ExampleCommand(
            "demo", "Show what Ledger does, on a real data set, and leave nothing behind",
            "demo");
        CommandContext.SetAction(command, common, async context =>
        {
            var directory = Directory.CreateTempSubdirectory("ledger-demo-").FullName;
            try
            {
                await new DemoRun(context.Output, directory).RunAsync(context.Token);
                return ExitCodes.Done;
            }
            finally
            {
                Directory.Delete(directory, recursive: true);
            }
        });
        return command;
    }
}
