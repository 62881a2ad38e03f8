using System.CommandLine;
using System.Globalization;
using Ledger.Cli.Streams;
using Ledger.Cli.Terminal;
using Ledger.Streams;

namespace Ledger.Cli.Commands;

/// <summary><c>stream count</c>, <c>list</c> and <c>stat</c>: what there is, without reading it.</summary>
internal static class StreamListCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common, StoreOptions store) =>
        [CreateCount(common, store), CreateList(common, store), CreateStat(common, store)];

    private static ExampleCommand CreateCount(CommonOptions common, StoreOptions store)
    {
        var command = new ExampleCommand(
            "count", "Print how many entries a stream has; 0 when it does not exist",
            "stream count --stream user-123 --db sqlite:app.db");
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var count = await streams.CountAsync(store.StreamOf(context), context.Token);
            context.Output.Result(
                count.ToString(CultureInfo.InvariantCulture), json => json.WriteNumber("count", count));
        });
        return command;
    }

    private static ExampleCommand CreateList(CommonOptions common, StoreOptions store)
    {
        var after = new Option<string?>("--after") { Description = "Only names after this one", HelpName = "NAME" };
        var entries = new EntryOptions();
        var empty = new Option<bool>("--include-empty")
        {
            Description = "Also streams whose entries are all trimmed",
        };
        var command = new ExampleCommand(
            "list", "List the streams of the store, ascending by name",
            "stream list --store orders --db sqlite:app.db",
            "stream list --after user-122 --limit 20 --db sqlite:app.db")
        {
            after, entries.Limit, empty,
        };
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var options = new ListOptions
            {
                After = string.IsNullOrEmpty(context.Parse.GetValue(after)) ? null : context.Parse.GetValue(after),
                Limit = entries.LimitOf(context),
                IncludeEmpty = context.Parse.GetValue(empty),
            };
            await foreach (var name in streams.ListStreamsAsync(options, context.Token))
            {
                context.Output.Result(LineText.Escape(name), json => json.WriteString("stream", name));
            }
        });
        return command;
    }

    private static ExampleCommand CreateStat(CommonOptions common, StoreOptions store)
    {
        var command = new ExampleCommand(
            "stat", "Print a stream's name, how many entries it has, and which are its first and last",
            "stream stat --stream user-123 --db sqlite:app.db");
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var name = store.StreamOf(context);
            var info = await streams.GetInfoAsync(name, context.Token);
            if (context.Output.IsJson)
            {
                context.Output.Json(json =>
                {
                    json.WriteString("stream", name);
                    json.WriteNumber("count", info?.Count ?? 0);
                    json.WriteString("first_id", info?.First?.ToString());
                    json.WriteString("last_id", info?.Last?.ToString());
                    json.WriteString("end", info?.End.ToString());
                });
                return;
            }

            context.Output.Line($"Stream:  {LineText.Escape(name)}");
            context.Output.Line($"Count:   {(info?.Count ?? 0).ToString(CultureInfo.InvariantCulture)}");
            if (info is { First: { } first, Last: { } last })
            {
                context.Output.Line($"FirstID: {first}");
                context.Output.Line($"LastID:  {last}");
            }
        });
        return command;
    }
}
