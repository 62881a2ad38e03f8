using System.CommandLine;
using Ledger.Cli.Streams;
using Ledger.Streams;

namespace Ledger.Cli.Commands;

/// <summary><c>stream read</c> and <c>stream search</c>.</summary>
internal static class StreamReadCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common, StoreOptions store) =>
        [CreateRead(common, store), CreateSearch(common, store)];

    private static ExampleCommand CreateRead(CommonOptions common, StoreOptions store)
    {
        var entries = new EntryOptions();
        var command = new ExampleCommand(
            "read", "Print the entries of a stream, ascending by id",
            "stream read --stream user-123 --db sqlite:app.db",
            "stream read --stream user-123 --after 17 --limit 50 --json --db sqlite:app.db",
            "stream read --stream user-123 --desc --tag paid --meta source=web --db sqlite:app.db",
            "stream read --all --after 1000 --db sqlite:app.db")
        {
            entries.After, entries.Limit, entries.Descending, entries.All, common.Hex, common.Base64,
        };
        entries.AddFilterTo(command);
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var isAll = context.Parse.GetValue(entries.All);
            var filter = entries.FilterOf(context);
            var limit = entries.LimitOf(context);
            if (isAll
                && (context.Parse.GetValue(entries.Descending) || context.Parse.GetValue(store.Stream) is not null))
            {
                throw CliException.Usage("--all is every stream in the order of commit: without --desc and --stream.");
            }

            var read = isAll
                ? streams.ReadAllAsync(entries.AfterPositionOf(context), limit, filter, context.Token)
                : streams.ReadAsync(
                    store.StreamOf(context), ReadOptionsOf(context, entries) with { Filter = filter }, context.Token);
            await foreach (var entry in read)
            {
                context.WriteEntry(entry, isAll);
            }
        });
        return command;
    }

    private static ExampleCommand CreateSearch(CommonOptions common, StoreOptions store)
    {
        var entries = new EntryOptions();
        var query = new Argument<string>("query") { Description = "A piece of text; case does not matter" };
        var command = new ExampleCommand(
            "search", "Print the entries with a piece of text, ascending by id; in all streams unless one is named",
            "stream search refund --db sqlite:app.db",
            "stream search 'late delivery' --stream user-123 --desc --limit 10 --db sqlite:app.db")
        {
            query, entries.After, entries.Limit, entries.Descending, common.Hex, common.Base64,
        };
        entries.AddFilterTo(command);
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var stream = context.Parse.GetValue(store.Stream);
            var options = new SearchOptions
            {
                Stream = string.IsNullOrEmpty(stream) ? null : stream,
                Read = ReadOptionsOf(context, entries) with { Filter = entries.FilterOf(context) },
            };
            await foreach (var entry in streams.SearchAsync(
                context.Parse.GetRequiredValue(query), options, context.Token))
            {
                context.WriteEntry(entry);
            }
        });
        return command;
    }

    private static ReadOptions ReadOptionsOf(CommandContext context, EntryOptions entries)
    {
        var (after, descending) = (entries.AfterOf(context), context.Parse.GetValue(entries.Descending));

        // As the original: a cursor is the last entry seen, so that downwards what follows it is smaller.
        return new ReadOptions
        {
            After = descending ? default : after,
            Before = descending && !after.IsNone ? after : null,
            Descending = descending,
            Limit = entries.LimitOf(context),
        };
    }
}
