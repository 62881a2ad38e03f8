using System.CommandLine;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger page</c>: the group, and the options that all of it takes.</summary>
internal static class PageCommand
{
    /// <summary>Builds the group.</summary>
    public static Command Create(CommonOptions common)
    {
        var group = new Command("page", "Work with pages: ordered key-value stores that keep their history")
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
