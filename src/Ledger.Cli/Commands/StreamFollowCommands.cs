using System.CommandLine;
using Ledger.Cli.Streams;
using Ledger.Streams;

namespace Ledger.Cli.Commands;

/// <summary><c>stream tail</c> and <c>stream subscribe</c>: entries as they are committed.</summary>
internal static class StreamFollowCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common, StoreOptions store) =>
        [CreateTail(common, store), CreateSubscribe(common, store)];

    private static ExampleCommand CreateTail(CommonOptions common, StoreOptions store)
    {
        var interval = new Option<string?>("--interval")
        {
            Description = "Accepted for scripts of the original, which asked again and again; entries are pushed",
            HelpName = "TIME",
        };
        var limit = EntryOptions.CreateLimit("Accepted for scripts of the original, as --interval is");
        var command = new ExampleCommand(
            "tail", "Print the entries of a stream from its beginning and then as they come, until Ctrl-C",
            "stream tail --stream user-123 --db sqlite:app.db",
            "stream tail --stream user-123 --json --db sqlite:app.db")
        {
            interval, limit, common.Hex, common.Base64,
        };
        store.SetAction(command, common, create: false, (context, streams) => PrintAsync(
            context, streams.SubscribeAsync(store.StreamOf(context), cancellationToken: context.Token), null,
            isAll: false, isMarked: false), follows: true);
        return command;
    }

    private static ExampleCommand CreateSubscribe(CommonOptions common, StoreOptions store)
    {
        var entries = new EntryOptions();
        var limit = EntryOptions.CreateLimit("End after so many entries");
        var command = new ExampleCommand(
            "subscribe", "Print the entries after a cursor, then those that come, until Ctrl-C or --limit",
            "stream subscribe --stream user-123 --after 17 --db sqlite:app.db",
            "stream subscribe --all --tag paid --json --db sqlite:app.db")
        {
            entries.After, entries.All, limit, common.Hex, common.Base64,
        };
        entries.AddFilterTo(command);
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var isAll = context.Parse.GetValue(entries.All);
            var filter = entries.FilterOf(context);
            if (isAll && context.Parse.GetValue(store.Stream) is not null)
            {
                throw CliException.Usage("--all is every stream: without --stream.");
            }

            var items = isAll
                ? streams.SubscribeAllAsync(entries.AfterPositionOf(context), filter, context.Token)
                : streams.SubscribeAsync(store.StreamOf(context), entries.AfterOf(context), filter, context.Token);
            await PrintAsync(context, items, context.Parse.GetValue(limit), isAll, isMarked: true);
        }, follows: true);
        return command;
    }

    /// <summary>Prints items as they come.</summary>
    /// <param name="context">Where.</param>
    /// <param name="items">What.</param>
    /// <param name="limit">Entries at most; null for no end.</param>
    /// <param name="isAll">Whether the items are of several streams.</param>
    /// <param name="isMarked">Whether JSON says how far it has come between the entries.</param>
    private static async Task PrintAsync(
        CommandContext context, IAsyncEnumerable<StreamItem<Entry>> items, int? limit, bool isAll, bool isMarked)
    {
        var left = limit ?? int.MaxValue;
        if (left == 0)
        {
            return;
        }

        var isCaughtUp = false;
        await foreach (var item in items)
        {
            switch (item)
            {
                case EntryItem<Entry> { Entry: var entry }:
                    context.WriteEntry(entry, isAll);
                    if (limit is not null && --left == 0)
                    {
                        return;
                    }

                    break;
                case CheckpointItem<Entry> mark when isMarked && context.Output.IsJson:
                    context.Output.Json(json =>
                    {
                        json.WriteString("checkpoint", mark.Id.ToString());
                        json.WriteNumber("position", mark.Position.GetValueOrDefault().Value);
                    });
                    break;
                case CaughtUpItem<Entry>:
                    isCaughtUp = true;
                    if (isMarked && context.Output.IsJson)
                    {
                        context.Output.Json(json => json.WriteBoolean("caught_up", true));
                    }

                    break;
                default:
                    // A mark that text has no line for.
                    break;
            }

            if (isCaughtUp)
            {
                context.Output.Flush();
            }
        }
    }
}
