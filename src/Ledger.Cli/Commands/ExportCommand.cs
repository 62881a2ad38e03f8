using System.CommandLine;
using Ledger.Cli.Terminal;

namespace Ledger.Cli.Commands;

/// <summary><c>export</c>: every entry of a state as a line of JSON that <c>import</c> reads.</summary>
internal static class ExportCommand
{
    /// <summary>Builds the command.</summary>
    public static Command Create(CommonOptions common)
    {
        var range = new RangeOptions();
        var command = new ExampleCommand(
            "export", "Write the entries as JSON Lines, ascending by key",
            "page export > rows.jsonl",
            "page export --prefix item/ --as-of 3f2a9c1b7d00")
        {
            common.KeyEncoding, common.AsOf, common.Prefix,
        };
        range.AddBoundsTo(command);
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenForReadingAsync();
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            await using var snapshot = await context.OpenSnapshotAsync(page);
            var (start, end) = range.Bounds(context);
            await foreach (var entry in snapshot.GetEntriesAsync(start, end, cancellationToken: context.Token))
            {
                await context.Output.WriteExportLineAsync(entry, snapshot, context.Token);
            }

            return ExitCodes.Done;
        });
        return command;
    }
}
