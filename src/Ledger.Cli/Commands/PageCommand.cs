using System.CommandLine;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger page</c>: the group, and the options that all of it takes.</summary>
internal static class PageCommand
{
    /// <summary>Builds the group.</summary>
    public static Command Create(CommonOptions common)
    {
        var group = new ExampleCommand(
            "page", "Work with pages: ordered key-value stores that keep their history",
            "page put title Shopping",
            "page scan",
            "page history title",
            "page scan --data ./notes --app work")
        {
            common.App,
            common.Page,
            common.Durability,
        };
        foreach (var command in StoredPageCommands.Create(common)
            .Concat(WriteCommands.Create(common))
            .Concat(ReadCommands.Create(common))
            .Concat(HistoryCommands.Create(common))
            .Concat(MergeCommands.Create(common))
            .Append(ImportCommand.Create(common))
            .Append(ExportCommand.Create(common))
            .Append(WatchCommand.Create(common)))
        {
            group.Add(command);
        }

        return group;
    }
}
