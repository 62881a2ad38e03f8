using System.CommandLine;
using System.Globalization;
using Ledger.Cli.Daemons;
using Ledger.Cli.Streams;
using Ledger.Cli.Terminal;
using Ledger.Streams;
using Ledger.Streams.Consumers;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger consumer</c>: how consumers stand, and decisions over the heads of their workers.</summary>
internal static class ConsumerCommand
{
    /// <summary>Builds the group.</summary>
    public static Command Create(CommonOptions common, ServerOptions server)
    {
        var store = new StoreOptions(server);
        return new ExampleCommand(
            "consumer", "Look at consumers of streams, and decide about what they could not handle",
            "consumer list --db sqlite:app.db",
            "consumer parked mailer --db sqlite:app.db",
            "consumer retry mailer 17 --db sqlite:app.db")
        {
            store.Database,
            store.Store,
            CreateList(common, store),
            CreateShow(common, store),
            CreateReset(common, store),
            CreateParked(common, store),
            CreateRetry(common, store),
            CreateDrop(common, store),
        };
    }

    private static ExampleCommand CreateList(CommonOptions common, StoreOptions store)
    {
        var command = new ExampleCommand(
            "list", "List the consumers, ascending by name: position, pending, parked, and until when one works",
            "consumer list --store orders --db sqlite:app.db");
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            foreach (var consumer in await streams.ListConsumersAsync(context.Token))
            {
                if (context.Output.IsJson)
                {
                    WriteJson(context, consumer);
                    continue;
                }

                context.Output.Line(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{LineText.Escape(consumer.Name)}\t{consumer.Position}\t{consumer.Pending}\t" +
                    $"{consumer.Parked.Count}\t" +
                    $"{CommitNames.Format(consumer.LeaseUntil)}"));
            }
        });
        return command;
    }

    private static ExampleCommand CreateShow(CommonOptions common, StoreOptions store)
    {
        var name = CreateName();
        var command = new ExampleCommand(
            "show", "Print how a consumer stands", "consumer show mailer --db sqlite:app.db") { name };
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var consumer = await FindAsync(context, streams, name);
            if (context.Output.IsJson)
            {
                WriteJson(context, consumer);
                return;
            }

            context.Output.Line($"Consumer: {LineText.Escape(consumer.Name)}");
            context.Output.Line($"Position: {consumer.Position} (everything up to here is done or parked)");
            context.Output.Line($"Read:     {consumer.Read}");
            context.Output.Line(string.Create(CultureInfo.InvariantCulture, $"Pending:  {consumer.Pending}"));
            context.Output.Line(string.Create(CultureInfo.InvariantCulture, $"Parked:   {consumer.Parked.Count}"));
            context.Output.Line(string.Create(CultureInfo.InvariantCulture, $"Epoch:    {consumer.Epoch}"));
            context.Output.Line($"Lease:    {(consumer.LeaseUntil is null ? "nobody has it" : "until")} " +
                CommitNames.Format(consumer.LeaseUntil));
        });
        return command;
    }

    private static ExampleCommand CreateReset(CommonOptions common, StoreOptions store)
    {
        var name = CreateName();
        var after = new Option<string?>("--after")
        {
            Description = "Begin again after this position; 0 for everything",
            HelpName = "POSITION",
            Required = true,
        };
        var create = new Option<bool>("--create") { Description = "Make the consumer when it is missing" };
        var command = new ExampleCommand(
            "reset", "Let a consumer begin again after a position; whoever works for it begins again as well",
            "consumer reset mailer --after 1000 --db sqlite:app.db")
        {
            name, after, create,
        };
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            var consumer = context.Parse.GetRequiredValue(name);
            var position = EntryOptions.ValueOf<Position>(context, after, "a position") ?? default;
            if (!await streams.ResetConsumerAsync(
                consumer, position, context.Parse.GetValue(create), context.Token))
            {
                throw NoSuchConsumer(streams, consumer);
            }

            context.Output.Result($"consumer '{consumer}' begins after {position}", json =>
            {
                json.WriteString("consumer", consumer);
                json.WriteNumber("position", position.Value);
            });
        });
        return command;
    }

    private static ExampleCommand CreateParked(CommonOptions common, StoreOptions store)
    {
        var name = CreateName();
        var command = new ExampleCommand(
            "parked", "List what a consumer could not handle: position, stream, id, attempts and the last error",
            "consumer parked mailer --json --db sqlite:app.db") { name };
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            foreach (var parked in (await FindAsync(context, streams, name)).Parked)
            {
                var line = string.Create(
                    CultureInfo.InvariantCulture,
                    $"{parked.Position}\t{LineText.Escape(parked.Stream)}\t{parked.Id}\t{parked.Attempts}\t" +
                    $"{LineText.Escape(parked.Error)}");
                context.Output.Result(line, json =>
                {
                    json.WriteNumber("position", parked.Position.Value);
                    json.WriteString("stream", parked.Stream);
                    json.WriteString("id", parked.Id.ToString());
                    json.WriteNumber("attempts", parked.Attempts);
                    json.WriteString("error", parked.Error);
                    json.WriteString("parked_at", CommitNames.Format(parked.ParkedAt));
                });
            }
        });
        return command;
    }

    private static ExampleCommand CreateRetry(CommonOptions common, StoreOptions store)
    {
        var name = CreateName();
        var chosen = new ParkedChoice("Hand out every parked entry again");
        var command = new ExampleCommand(
            "retry", "Hand out parked entries again",
            "consumer retry mailer 17 --db sqlite:app.db", "consumer retry mailer --all --db sqlite:app.db")
        {
            name, chosen.Positions, chosen.All,
        };
        store.SetAction(command, common, create: false, async (context, streams) =>
            await ReleaseAsync(context, streams, name, chosen, retry: true));
        return command;
    }

    private static ExampleCommand CreateDrop(CommonOptions common, StoreOptions store)
    {
        var name = CreateName();
        var chosen = new ParkedChoice("Forget every parked entry");
        var whole = new Option<bool>("--consumer")
        {
            Description = "Forget the consumer itself, with its position and what is parked",
        };
        var command = new ExampleCommand(
            "drop", "Forget parked entries, or a whole consumer",
            "consumer drop mailer 17 --db sqlite:app.db",
            "consumer drop mailer --all --db sqlite:app.db",
            "consumer drop mailer --consumer --db sqlite:app.db")
        {
            name, chosen.Positions, chosen.All, whole,
        };
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            if (!context.Parse.GetValue(whole))
            {
                await ReleaseAsync(context, streams, name, chosen, retry: false);
                return;
            }

            var consumer = context.Parse.GetRequiredValue(name);
            if (chosen.IsGiven(context))
            {
                throw CliException.Usage("Give either positions, --all or --consumer.");
            }

            if (!await streams.DropConsumerAsync(consumer, context.Token))
            {
                throw NoSuchConsumer(streams, consumer);
            }

            context.Output.Result($"consumer '{consumer}' is dropped", json => json.WriteString("consumer", consumer));
        });
        return command;
    }

    private static async Task ReleaseAsync(
        CommandContext context, IStreamStore streams, Argument<string> name, ParkedChoice chosen, bool retry)
    {
        var positions = chosen.Of(context);
        var consumer = await FindAsync(context, streams, name);
        foreach (var position in positions ?? [.. consumer.Parked.Select(parked => parked.Position)])
        {
            if (!await streams.ReleaseParkedAsync(consumer.Name, position, retry, context.Token))
            {
                throw new CliException(
                    ExitCodes.NotFound, $"Consumer '{consumer.Name}' has no parked entry at position {position}.",
                    "'ledger consumer parked' lists them.");
            }

            context.Output.Result(
                retry ? $"{position} is handed out again" : $"{position} is dropped",
                json => json.WriteNumber("position", position.Value));
        }
    }

    private static Argument<string> CreateName() => new("consumer") { Description = "The consumer's name" };

    private static async Task<ConsumerInfo> FindAsync(
        CommandContext context, IStreamStore streams, Argument<string> argument)
    {
        var name = context.Parse.GetRequiredValue(argument);
        return (await streams.ListConsumersAsync(context.Token)).FirstOrDefault(consumer => consumer.Name == name)
            ?? throw NoSuchConsumer(streams, name);
    }

    private static CliException NoSuchConsumer(IStreamStore streams, string name) => new(
        ExitCodes.NotFound, $"Store '{streams.Name}' has no consumer '{name}'.",
        "'ledger consumer list' lists the consumers there are.");

    private static void WriteJson(CommandContext context, ConsumerInfo consumer) => context.Output.Json(json =>
    {
        json.WriteString("consumer", consumer.Name);
        json.WriteNumber("epoch", consumer.Epoch);
        json.WriteNumber("position", consumer.Position.Value);
        json.WriteNumber("read", consumer.Read.Value);
        json.WriteNumber("pending", consumer.Pending);
        json.WriteNumber("parked", consumer.Parked.Count);
        json.WriteString("lease_until", consumer.LeaseUntil is { } until ? CommitNames.Format(until) : null);
    });

    /// <summary>Which parked entries are meant.</summary>
    private sealed class ParkedChoice(string description)
    {
        /// <summary>Their positions.</summary>
        public Argument<string[]> Positions { get; } = new("position")
        {
            Description = "Positions of parked entries",
            Arity = ArgumentArity.ZeroOrMore,
        };

        /// <summary>All of them.</summary>
        public Option<bool> All { get; } = new("--all") { Description = description };

        /// <summary>Whether any are meant.</summary>
        public bool IsGiven(CommandContext context) =>
            context.Parse.GetValue(All) || context.Parse.GetValue(Positions) is { Length: > 0 };

        /// <summary>Their positions; null for all of them.</summary>
        public IReadOnlyList<Position>? Of(CommandContext context)
        {
            var positions = context.Parse.GetValue(Positions) ?? [];
            if (context.Parse.GetValue(All) == positions.Length > 0)
            {
                throw CliException.Usage("Give either the positions of parked entries, or --all.");
            }

            return positions.Length == 0
                ? null
                : [.. positions.Select(text => Position.TryParse(text, CultureInfo.InvariantCulture, out var position)
                    ? position : throw CliException.Usage($"A parked entry has a position, not '{text}'."))];
        }
    }
}
