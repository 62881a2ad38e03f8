using System.CommandLine;
using Ledger.Pages;

namespace Ledger.Cli.Commands;

/// <summary><c>create</c>, <c>list</c> and <c>delete</c>: pages as a whole.</summary>
internal static class StoredPageCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common) =>
        [CreateCreate(common), CreateList(common), CreateDelete(common)];

    private static Command CreateCreate(CommonOptions common)
    {
        var command = new Command("create", "Store a new, empty page and print its id");
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenAsync(create: true);
            await using var page = await session.Ledger.CreatePageAsync(context.Token);
            context.Output.Result(page.Id.ToString(), json => json.WriteString("page", page.Id.ToString()));
            return ExitCodes.Done;
        });
        return command;
    }

    private static Command CreateList(CommonOptions common)
    {
        var command = new Command("list", "List the stored pages of the application, ascending by id");
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenForReadingAsync();
            await foreach (var id in session.Ledger.ListPagesAsync(context.Token))
            {
                context.Output.Result(id.ToString(), json => json.WriteString("page", id.ToString()));
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static Command CreateDelete(CommonOptions common)
    {
        var id = new Argument<PageId>("page")
        {
            Description = "The page: 'root', or 32 hexadecimal digits",
            CustomParser = CommonOptions.ParsePage,
        };
        var command = new Command("delete", "Delete a page with everything in it ('rm' deletes a key)") { id };
        CommandContext.SetAction(command, common, async context =>
        {
            var page = context.Parse.GetValue(id);
            await using var session = await context.OpenAsync(create: false);
            if (!await session.Ledger.DeletePageAsync(page, context.Token))
            {
                throw new CliException(
                    ExitCodes.NotFound, $"Application '{session.Ledger.Name}' has no page {Session.NameOf(page)}.",
                    "'ledger page list' lists the pages there are.");
            }

            if (context.Output.IsJson)
            {
                context.Output.Json(json => json.WriteString("page", page.ToString()));
            }

            return ExitCodes.Done;
        });
        return command;
    }
}
