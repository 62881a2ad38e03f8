using System.CommandLine;
using Ledger.Cli.Daemons;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Postgres;
using Ledger.Streams.Sqlite;

namespace Ledger.Cli.Streams;

/// <summary>The options that the commands for streams and consumers share, each declared once.</summary>
/// <param name="server">The options that say which daemon is meant, where no database is named.</param>
internal sealed class StoreOptions(ServerOptions server)
{
    /// <summary>The stream when none is named.</summary>
    public const string StreamDefault = "default";

    /// <summary>The database.</summary>
    public Option<DatabaseName?> Database { get; } = new("--db")
    {
        Description = "The database that the streams are in; without it the daemon has them",
        HelpName = DatabaseName.Form,
        CustomParser = DatabaseName.Parse,
        Recursive = true,
    };

    /// <summary>The store in it.</summary>
    public Option<string> Store { get; } = new("--store", "-s")
    {
        Description = "The store: one kind of thing, such as 'orders'",
        HelpName = "NAME",
        DefaultValueFactory = _ => "ledger_entries",
        Recursive = true,
    };

    /// <summary>The stream; null when none is named.</summary>
    public Option<string?> Stream { get; } = new("--stream", "-S")
    {
        Description = "The stream: one instance of it (default: 'default'; of a search, all)",
        HelpName = "NAME",
        Recursive = true,
    };

    /// <summary>The stream that is meant.</summary>
    public string StreamOf(CommandContext context) => context.Parse.GetValue(Stream) ?? StreamDefault;

    /// <summary>Gives a command work on a store that is there, or is made.</summary>
    /// <param name="command">The command.</param>
    /// <param name="common">The shared options.</param>
    /// <param name="create">Whether a database and a store that are missing are made.</param>
    /// <param name="work">The work; the store is open.</param>
    /// <param name="follows">It waits for what comes.</param>
    public void SetAction(
        Command command, CommonOptions common, bool create, Func<CommandContext, IStreamStore, Task> work,
        bool follows = false) =>
        SetAction(
            command, common,
            async (context, daemon) =>
            {
                await using var store = await daemon.OpenAsync(context.Parse.GetValue(Store)!, context.Token);
                await store.EnsureCreatedAsync(context.Token);
                await work(context, store);
            },
            async context =>
            {
                await using var store = Open(context, create);
                await store.EnsureCreatedAsync(context.Token);
                await work(context, store);
            },
            follows);

    /// <summary>Gives a command work that asks a daemon otherwise than a database.</summary>
    /// <param name="command">The command.</param>
    /// <param name="common">The shared options.</param>
    /// <param name="ask">The work with a daemon.</param>
    /// <param name="work">The work with a store that is there, and open.</param>
    public void SetAction(
        Command command, CommonOptions common, Func<CommandContext, DaemonConnection, Task> ask,
        Func<CommandContext, IStreamStore, Task> work) =>
        SetAction(command, common, ask, async context =>
        {
            await using var store = Open(context, create: false);
            await store.EnsureCreatedAsync(context.Token);
            await work(context, store);
        });

    private void SetAction(
        Command command, CommonOptions common, Func<CommandContext, DaemonConnection, Task> ask,
        Func<CommandContext, Task> work, bool follows = false) =>
        CommandContext.SetAction(command, common, async context =>
        {
            if (context.Parse.GetValue(Database) is not null && !string.IsNullOrEmpty(server.AddressIn(context.Parse)))
            {
                throw CliException.Usage(
                    "--db is a database without a daemon, and --addr is where a daemon is: give one of them.");
            }

            using var daemon = context.Parse.GetValue(Database) is null
                ? DaemonConnection.Create(context, server) : null;
            try
            {
                await (daemon is null ? work(context) : ask(context, daemon));
                return ExitCodes.Done;
            }
            catch (ArgumentException error)
            {
                // Beyond a limit: the library says which, before it asks anything of the database.
                throw new CliException(ExitCodes.Usage, SentenceOf(error), "Nothing was changed.", error);
            }
            catch (LedgerException error) when (daemon?.NotGrpc(error) is { } other)
            {
                throw other;
            }
            catch (Objects.StoreUnavailableException error)
            {
                if (daemon is not null && error.Reason == Objects.StoreUnavailableReason.Unreachable)
                {
                    throw daemon.NoAnswer(error);
                }

                throw ErrorTable.OfDatabase(error);
            }
        },
        follows);

    private IStreamStore Open(CommandContext context, bool create)
    {
        var database = context.Parse.GetRequiredValue(Database)!;
        var store = context.Parse.GetValue(Store)!;
        if (database.Kind == DatabaseKind.Sqlite)
        {
            return new SqliteStreamStore(
                new() { DataSource = database.Address, Store = store, CreateIfMissing = create });
        }

        var options = new PostgresStreamStoreOptions { Store = store, CreateIfMissing = create };
        try
        {
            return new PostgresStreamStore(options with { ConnectionString = database.Address });
        }
        catch (ArgumentException error)
        {
            // What was given is not repeated: it may have a password in it.
            throw new CliException(
                ExitCodes.Usage, "What --db has after 'postgres:' is no connection string of PostgreSQL.",
                "Such as --db 'postgres:Host=localhost;Database=app;Username=me', or " +
                "--db postgresql://me@localhost/app.", error);
        }
    }

    /// <summary>What the exception says, without what the platform adds for programmers.</summary>
    public static string SentenceOf(ArgumentException error)
    {
        // Without what the platform adds for programmers: the parameter's name, and the value on a line of its own.
        var sentence = error.Message.Split('\n')[0].TrimEnd('\r');
        var end = sentence.LastIndexOf(" (Parameter '", StringComparison.Ordinal);
        return end < 0 ? sentence : sentence[..end];
    }
}
