using System.CommandLine;
using Ledger.Pages;

namespace Ledger.Cli.Commands;

/// <summary><c>create</c>, <c>list</c> and <c>delete</c>: pages as a whole.</summary>
internal static class StoredPageCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common) =>
        [CreateCreate(common), CreateList(common), CreateDelete(common)];

    private static ExampleCommand CreateCreate(CommonOptions common)
    {
        var command = new ExampleCommand(
            "create", "Store a new, empty page and print its id",
            "page create",
            "page create --app notes");
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenAsync(create: true);
            await using var page = await session.Ledger.CreatePageAsync(context.Token);
            context.Output.Result(page.Id.ToString(), json => json.WriteString("page", page.Id.ToString()));
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateList(CommonOptions common)
    {
        var command = new ExampleCommand(
            "list", "List the stored pages of the application, ascending by id",
            "page list",
            "page list --app notes --json");
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

    private static ExampleCommand CreateDelete(CommonOptions common)
    {
        var id = new Argument<PageId>("page")
        {
            Description = "The page: 'root', or 32 hexadecimal digits",
            CustomParser = CommonOptions.ParsePage,
        };
        var yes = new Option<bool>("--yes", "-y") { Description = "Do not ask, as a script is not asked either" };
        var command = new ExampleCommand(
            "delete", "Delete a page with everything in it, also its history ('rm' deletes a key)",
            "page delete root --app notes", "page delete 0123456789abcdef0123456789abcdef --yes")
        {
            id, yes,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var page = context.Parse.GetValue(id);
            await using var session = await context.OpenAsync(create: false);
            if (!context.Parse.GetValue(yes) && context.Confirm is { } confirm
                && await CountAsync(session, page, context.Token) is > 0 and var count
                && !confirm($"Delete page {Session.NameOf(page)} of application '{session.Ledger.Name}' with " +
                    $"{count} {(count == 1 ? "entry" : "entries")} and its history?"))
            {
                throw new CliException(ExitCodes.Failed, "Nothing was deleted.", "--yes deletes without a question.");
            }

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

    private static async Task<long> CountAsync(Session session, PageId id, CancellationToken cancellationToken)
    {
        if (!await session.Ledger.PageExistsAsync(id, cancellationToken))
        {
            return 0;
        }

        await using var page = await session.Ledger.GetPageAsync(id, cancellationToken);
        await using var snapshot = await page.GetSnapshotAsync(cancellationToken: cancellationToken);
        return await snapshot.CountAsync(cancellationToken: cancellationToken);
    }
}
