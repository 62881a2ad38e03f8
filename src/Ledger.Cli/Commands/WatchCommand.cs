using System.CommandLine;
using Ledger.Cli.Import;
using Ledger.Cli.Terminal;
using Ledger.Pages;

namespace Ledger.Cli.Commands;

/// <summary><c>watch</c>: prints the changes of a page as they come.</summary>
internal static class WatchCommand
{
    /// <summary>Builds the command.</summary>
    public static Command Create(CommonOptions common)
    {
        var limit = RangeOptions.CreateLimit("End after so many changed keys");
        var from = new Option<string?>("--import")
        {
            Description = "Meanwhile import these JSON Lines through a second connection; '-' for standard input",
            HelpName = "FILE",
        };
        var command = new ExampleCommand(
            "watch", "Print changed keys as they come, until Ctrl-C",
            "page watch",
            "page watch --prefix item/ --limit 3 --json")
        {
            limit, from, common.Prefix, common.KeyEncoding, common.Hex, common.Base64,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var path = context.Parse.GetValue(from);
            await using var input = path switch
            {
                null => null,
                "-" => StandardStreams.OpenInput(),
                _ => File.OpenRead(path),
            };
            await using var session = await context.OpenAsync(create: input is not null);
            await using var page = input is null
                ? await session.OpenStoredPageAsync(context.Page, context.Token)
                : await session.Ledger.GetPageAsync(context.Page, context.Token);
            await using var watch = await page.WatchAsync(context.Prefix, context.Token);
            if (input is null)
            {
                await PrintAsync(context, session, watch, context.Parse.GetValue(limit), context.Token);
                return ExitCodes.Done;
            }

            using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.Token);
            var printing = PrintAsync(context, session, watch, context.Parse.GetValue(limit), stop.Token);
            var importing = ImportAsync(session, context.Page, input, stop.Token);
            await EndTogetherAsync(printing, importing, stop);
            return ExitCodes.Done;
        }, follows: true);
        return command;
    }

    private static async Task PrintAsync(
        CommandContext context, Session session, IPageWatch watch, int? limit, CancellationToken cancellationToken)
    {
        var left = limit ?? long.MaxValue;
        if (left == 0)
        {
            return;
        }

        await foreach (var change in watch.ChangesAsync(cancellationToken))
        {
            // A commit's id leaves the process here, so it must be on disk.
            await session.Repository.FlushAsync(cancellationToken);
            await foreach (var entry in change.GetEntriesAsync(cancellationToken))
            {
                Print(context, change.Commit, entry);
                if (--left == 0)
                {
                    return;
                }
            }

            context.Output.Flush();
        }
    }

    private static void Print(CommandContext context, CommitInfo commit, EntryChange change)
    {
        if (!context.Output.IsJson)
        {
            HistoryCommands.WriteChange(context, change);
            return;
        }

        context.Output.Json(json =>
        {
            json.WriteString("commit", commit.Id.ToString());
            json.WriteChange(change);
        });
    }

    /// <summary>Each row is a transaction of its own, so that each is seen.</summary>
    private static async Task ImportAsync(
        Session session, PageId id, Stream input, CancellationToken cancellationToken)
    {
        await using var page = await session.Ledger.GetPageAsync(id, cancellationToken);
        using var progress = new Progress("rows");
        var options = new ImportOptions { Source = "watch", BatchSize = 1, Resume = false };
        await new Importer(page, options).RunAsync(input, progress, cancellationToken);
    }

    /// <summary>Ends when the printing does, or when the import fails; a finished import ends nothing.</summary>
    private static async Task EndTogetherAsync(Task printing, Task importing, CancellationTokenSource stop)
    {
        if (await Task.WhenAny(printing, importing) == printing || !importing.IsCompletedSuccessfully)
        {
            await stop.CancelAsync();
        }

        try
        {
            await printing;
            await stop.CancelAsync();
        }
        finally
        {
            await AwaitStoppedAsync(importing, stop.Token);
        }
    }

    private static async Task AwaitStoppedAsync(Task importing, CancellationToken stop)
    {
        try
        {
            await importing;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // The watch ended first.
        }
    }
}
