using System.CommandLine;
using Ledger.Cli.Daemons;
using Ledger.Server.Configuration;
using Ledger.Server.Identities;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger key</c>: who may call the daemon, and what they may do.</summary>
internal static class KeyCommand
{
    private const string Hint = "'ledger reload' lets a running daemon take it over.";

    /// <summary>Builds the group.</summary>
    public static Command Create(CommonOptions common, ServerOptions server) => new ExampleCommand(
        "key", "Keys for the daemon, each with its rights; kept hashed in a file that the configuration names",
        "key add shop --store orders --right read --right append",
        "key list",
        "key remove shop",
        "reload")
    {
        CreateAdd(common, server),
        CreateList(common, server),
        CreateRemove(common, server),
    };

    private static ExampleCommand CreateAdd(CommonOptions common, ServerOptions server)
    {
        var name = CreateName();
        var stores = CreateTexts("--store", "A store that it may use; again for more, none for all", "NAME");
        var rights = CreateTexts("--right", "read, append, admin or all; again for more (default: all)", "RIGHT");
        var applications = CreateTexts("--application", "An application that it may use; none for all", "NAME");
        var user = new Option<string?>("--user") { Description = "The user that it belongs to", HelpName = "NAME" };
        var command = new ExampleCommand(
            "add", "Make a key, and print it: this is the only time that anybody can read it",
            "key add shop --store orders --right read --right append",
            "key add reports --right read",
            "key add anna --user anna --application notes")
        {
            name, stores, rights, applications, user,
        };
        CommandContext.SetAction(command, common, context =>
        {
            var path = FileOf(context, server);
            var words = context.Parse.GetValue(rights)!;
            var granted = words.Length == 0 ? Rights.All : words.Aggregate(Rights.None, (sum, word) =>
                sum | (KeyFile.RightOf(word) ?? throw CliException.Usage(
                    $"--right is read, append, admin or all, not '{word}'.")));
            var key = ApiKey.Create();
            var record = new KeyRecord(
                context.Parse.GetRequiredValue(name), ApiKey.DigestOf(key), TimeProvider.System.GetUtcNow(), granted)
            {
                User = context.Parse.GetValue(user),
                Applications = context.Parse.GetValue(applications)!,
                Stores = context.Parse.GetValue(stores)!,
            };
            Change(path, keys => keys.Any(known => IsNamed(known, record.Name))
                ? throw new CliException(
                    ExitCodes.Conflict, $"There is a key '{record.Name}' already.",
                    "Choose another name, or remove that one first.")
                : [.. keys, record]);
            context.Output.Result(key, json =>
            {
                json.WriteString("name", record.Name);
                json.WriteString("key", key);
            });
            Console.Error.WriteLine($"hint: Keep it: it is not stored. {Hint}");
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    private static ExampleCommand CreateList(CommonOptions common, ServerOptions server)
    {
        var command = new ExampleCommand("list", "List the keys, without the keys themselves", "key list");
        CommandContext.SetAction(command, common, context =>
        {
            foreach (var key in KeyFile.Load(FileOf(context, server)))
            {
                var rights = string.Join(',', KeyFile.NamesOf(key.Rights));
                var stores = key.Stores.Count == 0 ? "all stores" : string.Join(',', key.Stores);
                context.Output.Result(
                    $"{key.Name}\t{rights}\t{stores}\t{CommitNames.Format(key.Created)}",
                    json =>
                    {
                        json.WriteString("name", key.Name);
                        WriteTexts(json, "rights", KeyFile.NamesOf(key.Rights));
                        WriteTexts(json, "stores", key.Stores);
                        json.WriteString("user", key.User);
                        WriteTexts(json, "applications", key.Applications);
                        json.WriteString("created", CommitNames.Format(key.Created));
                    });
            }

            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    private static ExampleCommand CreateRemove(CommonOptions common, ServerOptions server)
    {
        var name = CreateName();
        var command = new ExampleCommand("remove", "Remove a key: nobody gets in with it any more", "key remove shop")
        {
            name,
        };
        CommandContext.SetAction(command, common, context =>
        {
            var removed = context.Parse.GetRequiredValue(name);
            Change(FileOf(context, server), keys => keys.Any(known => IsNamed(known, removed))
                ? [.. keys.Where(known => !IsNamed(known, removed))]
                : throw new CliException(
                    ExitCodes.NotFound, $"There is no key '{removed}'.", "'ledger key list' lists them."));
            context.Output.Result(
                $"key '{removed}' is removed", json => json.WriteString("name", removed));
            Console.Error.WriteLine($"hint: {Hint}");
            return Task.FromResult(ExitCodes.Done);
        });
        return command;
    }

    private static Argument<string> CreateName()
    {
        var name = new Argument<string>("name") { Description = "What the key is called" };
        name.Validators.Add(result =>
        {
            if (result.Tokens.Any(token => token.Value.Length is 0 or > 100 || token.Value.Any(char.IsControl)))
            {
                result.AddError("The name of a key has 1 to 100 characters, none of them control.");
            }
        });
        return name;
    }

    private static Option<string[]> CreateTexts(string name, string description, string help) => new(name)
    {
        Description = description,
        HelpName = help,
        DefaultValueFactory = _ => [],
    };

    private static string FileOf(CommandContext context, ServerOptions server)
    {
        var config = server.ConfigOf(context.Parse);
        return LoadedConfiguration.Load(config.Require(), ConfigurationEnvironment.OfProcess()).Options.KeysFile;
    }

    private static void Change(string path, Func<IReadOnlyList<KeyRecord>, IReadOnlyList<KeyRecord>> change)
    {
        SecretFile.CreateDirectory(Path.GetDirectoryName(path)!);
        using var alone = OpenAlone(path + ".lock");
        KeyFile.Save(path, change(KeyFile.Load(path)));
    }

    private static FileStream OpenAlone(string path)
    {
        try
        {
            return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException error) when (error is not (FileNotFoundException or DirectoryNotFoundException))
        {
            throw new CliException(
                ExitCodes.Conflict, "Another command changes the keys at this moment.", "Run it again.", error);
        }
    }

    private static bool IsNamed(KeyRecord key, string name) =>
        key.Name.Equals(name, StringComparison.OrdinalIgnoreCase);

    private static void WriteTexts(System.Text.Json.Utf8JsonWriter json, string name, IEnumerable<string> texts)
    {
        json.WriteStartArray(name);
        foreach (var text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }
}
