using System.CommandLine;
using System.Globalization;
using Ledger.Cli.Streams;
using Ledger.Cli.Terminal;
using Ledger.Streams;

namespace Ledger.Cli.Commands;

/// <summary><c>stream tag</c>, <c>annotate</c>, <c>trim</c> and <c>rename</c>: what may change of a stream.</summary>
internal static class StreamChangeCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common, StoreOptions store) =>
    [
        CreateTag(common, store), CreateAnnotate(common, store), CreateTrim(common, store), CreateRename(common, store),
    ];

    private static ExampleCommand CreateTag(CommonOptions common, StoreOptions store)
    {
        var id = CreateId("--id", "The entry");
        var tags = EntryOptions.CreateTags("A tag; again for more; none takes all away");
        var command = new ExampleCommand(
            "tag", "Replace the tags of an entry",
            "stream tag --stream user-123 --id 17 --tag paid --tag sent --db sqlite:app.db",
            "stream tag --stream user-123 --id 17 --db sqlite:app.db")
        {
            id, tags,
        };
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var entry = IdOf(context, id);
            await streams.SetTagsAsync(
                store.StreamOf(context), entry, context.Parse.GetValue(tags)!, context.Token);
            Print(context, store, entry);
        });
        return command;
    }

    private static ExampleCommand CreateAnnotate(CommonOptions common, StoreOptions store)
    {
        var id = CreateId("--id", "The entry");
        var set = new Option<string[]>("--set")
        {
            Description = "KEY=VALUE sets one, KEY= deletes it, KEY alone makes it empty; again for more",
            HelpName = "KEY=VALUE",
            DefaultValueFactory = _ => [],
        };
        var command = new ExampleCommand(
            "annotate", "Merge annotations into those of an entry",
            "stream annotate --stream user-123 --id 17 --set carrier=post --set draft= --db sqlite:app.db")
        {
            id, set,
        };
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var changes = new Dictionary<string, string?>(StringComparer.Ordinal);
            foreach (var (key, value) in context.Parse.GetValue(set)!.Select(EntryOptions.Split))
            {
                // As the original: what has nothing after the equals sign is deleted.
                changes[key] = value switch { null => "", "" => null, _ => value };
            }

            var entry = IdOf(context, id);
            await streams.SetAnnotationsAsync(store.StreamOf(context), entry, changes, context.Token);
            Print(context, store, entry);
        });
        return command;
    }

    private static ExampleCommand CreateTrim(CommonOptions common, StoreOptions store)
    {
        var before = CreateId("--before", "The last entry that is deleted; it need not exist");
        var command = new ExampleCommand(
            "trim", "Delete the entries of a stream up to and with an id",
            "stream trim --stream user-123 --before 17 --db sqlite:app.db")
        {
            before,
        };
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var trimmed = await streams.TrimAsync(store.StreamOf(context), IdOf(context, before), context.Token);
            context.Output.Result(
                string.Create(CultureInfo.InvariantCulture, $"trimmed {trimmed} entries"),
                json => json.WriteNumber("trimmed", trimmed));
        });
        return command;
    }

    private static ExampleCommand CreateRename(CommonOptions common, StoreOptions store)
    {
        var to = new Option<string>("--to") { Description = "The new name", HelpName = "NAME", Required = true };
        var command = new ExampleCommand(
            "rename", "Give a stream another name",
            "stream rename --stream user-123 --to customer-123 --db sqlite:app.db")
        {
            to,
        };
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var (name, newName) = (store.StreamOf(context), context.Parse.GetRequiredValue(to));
            await streams.RenameAsync(name, newName, context.Token);
            context.Output.Result(LineText.Escape($"renamed stream '{name}' to '{newName}'"), json =>
            {
                json.WriteString("stream", name);
                json.WriteString("new_name", newName);
            });
        });
        return command;
    }

    private static Option<string?> CreateId(string name, string description) =>
        new(name) { Description = description, HelpName = "ID", Required = true };

    private static EntryId IdOf(CommandContext context, Option<string?> option) =>
        EntryOptions.ValueOf<EntryId>(context, option, "the id of an entry") ?? default;

    private static void Print(CommandContext context, StoreOptions store, EntryId entry)
    {
        if (context.Output.IsJson)
        {
            context.Output.Json(json =>
            {
                json.WriteString("stream", store.StreamOf(context));
                json.WriteString("id", entry.ToString());
            });
        }
    }
}
