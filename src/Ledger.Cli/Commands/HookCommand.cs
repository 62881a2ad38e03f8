using System.CommandLine;
using System.Globalization;
using Ledger.Cli.Daemons;
using Ledger.Cli.Hooks;
using Ledger.Cli.Streams;
using Ledger.Cli.Terminal;
using Ledger.Server.Configuration;
using Ledger.Server.Hooks;
using Ledger.Streams;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger hook</c>: how hooks stand, their dead letters, and whether an endpoint answers.</summary>
internal static class HookCommand
{
    /// <summary>Builds the group.</summary>
    public static Command Create(CommonOptions common, ServerOptions server)
    {
        var store = new StoreOptions(server);
        return new ExampleCommand(
            "hook", "Look at the hooks of a daemon, and decide about what their endpoints did not take",
            "hook list",
            "hook parked mailer",
            "hook retry mailer 17",
            "hook test mailer")
        {
            store.Database,
            store.Store,
            CreateList(common, store),
            CreateShow(common, store),
            CreateParked(common, store),
            CreateRelease(common, store, retry: true),
            CreateRelease(common, store, retry: false),
            CreateTest(common, server),
        };
    }

    private static ExampleCommand CreateList(CommonOptions common, StoreOptions store)
    {
        var command = new ExampleCommand(
            "list", "List the hooks, ascending by name: store, position, delivered, dead letters and the last error",
            "hook list", "hook list --store orders --db sqlite:app.db");
        SetAction(command, common, store, async (context, hooks) =>
        {
            foreach (var hook in await hooks.ListAsync(context.Token))
            {
                if (context.Output.IsJson)
                {
                    WriteJson(context, hook);
                    continue;
                }

                context.Output.Line(string.Create(
                    CultureInfo.InvariantCulture,
                    $"{hook.Name}\t{hook.Store}\t{hook.Position}\t{hook.Delivered}\t{hook.DeadLetters.Count}\t" +
                    $"{LineText.Escape(hook.LastError ?? "")}"));
            }
        });
        return command;
    }

    private static ExampleCommand CreateShow(CommonOptions common, StoreOptions store)
    {
        var name = CreateName();
        var command = new ExampleCommand("show", "Print how a hook stands", "hook show mailer") { name };
        SetAction(command, common, store, async (context, hooks) =>
        {
            var hook = await FindAsync(context, hooks, name);
            if (context.Output.IsJson)
            {
                WriteJson(context, hook);
                return;
            }

            context.Output.Line($"Hook:         {hook.Name}");
            context.Output.Line($"Store:        {hook.Store}");
            context.Output.Line($"Position:     {Text(hook.Position)} (everything up to here is delivered or parked)");
            context.Output.Line($"Dead letters: {Text(hook.DeadLetters.Count)}");
            if (hook.Url is { } url)
            {
                context.Output.Line($"Endpoint:     {url}");
                context.Output.Line($"Delivered:    {Text(hook.Delivered)} entries since the daemon began");
                context.Output.Line($"Failed:       {Text(hook.Failed)} requests since then");
                context.Output.Line($"Last error:   {LineText.Escape(hook.LastError ?? "none")}");
            }
        });
        return command;
    }

    private static ExampleCommand CreateParked(CommonOptions common, StoreOptions store)
    {
        var name = CreateName();
        var command = new ExampleCommand(
            "parked", "List a hook's dead letters: position, stream, id, attempts and the last error",
            "hook parked mailer --json") { name };
        SetAction(command, common, store, async (context, hooks) =>
        {
            foreach (var letter in (await FindAsync(context, hooks, name)).DeadLetters)
            {
                var line = string.Create(
                    CultureInfo.InvariantCulture,
                    $"{letter.Position}\t{LineText.Escape(letter.Stream)}\t{letter.Id}\t{letter.Attempts}\t" +
                    $"{LineText.Escape(letter.Error)}");
                context.Output.Result(line, json =>
                {
                    json.WriteNumber("position", letter.Position.Value);
                    json.WriteString("stream", letter.Stream);
                    json.WriteString("id", letter.Id.ToString());
                    json.WriteNumber("attempts", letter.Attempts);
                    json.WriteString("error", letter.Error);
                    json.WriteString("parked_at", CommitNames.Format(letter.ParkedAt));
                });
            }
        });
        return command;
    }

    private static ExampleCommand CreateRelease(CommonOptions common, StoreOptions store, bool retry)
    {
        var name = CreateName();
        var positions = new Argument<string[]>("position")
        {
            Description = "Positions of dead letters",
            Arity = ArgumentArity.ZeroOrMore,
        };
        var all = new Option<bool>("--all") { Description = "All of them" };
        var command = new ExampleCommand(
            retry ? "retry" : "drop", retry ? "Post dead letters again" : "Forget dead letters",
            retry ? "hook retry mailer 17" : "hook drop mailer 17",
            retry ? "hook retry mailer --all" : "hook drop mailer --all")
        {
            name, positions, all,
        };
        SetAction(command, common, store, async (context, hooks) =>
        {
            var given = context.Parse.GetValue(positions) ?? [];
            if (context.Parse.GetValue(all) == given.Length > 0)
            {
                throw CliException.Usage("Give either the positions of dead letters, or --all.");
            }

            Position[] chosen = [.. given.Select(PositionOf)];
            var hook = await FindAsync(context, hooks, name);
            if (given.Length == 0)
            {
                var count = await hooks.ReleaseAllAsync(hook, retry, context.Token);
                context.Output.Result(
                    string.Create(
                        CultureInfo.InvariantCulture,
                        $"{count} dead letters are {(retry ? "posted again" : "dropped")}"),
                    json => json.WriteNumber("count", count));
                return;
            }

            foreach (var position in chosen)
            {
                if (!await hooks.ReleaseAsync(hook, position, retry, context.Token))
                {
                    throw new CliException(
                        ExitCodes.NotFound, $"Hook '{hook.Name}' has no dead letter at position {position}.",
                        "'ledger hook parked' lists them.");
                }

                context.Output.Result(
                    retry ? $"{position} is posted again" : $"{position} is dropped",
                    json => json.WriteNumber("position", position.Value));
            }
        });
        return command;
    }

    private static ExampleCommand CreateTest(CommonOptions common, ServerOptions server)
    {
        var name = CreateName();
        var command = new ExampleCommand(
            "test", "Post a request without entries, as the configuration says, and print what the endpoint answers",
            "hook test mailer", "hook test mailer --config staging.yaml") { name };
        CommandContext.SetAction(command, common, async context =>
        {
            var configuration = LoadedConfiguration.Load(
                server.ConfigOf(context.Parse).Require(), ConfigurationEnvironment.OfProcess());
            var wanted = context.Parse.GetRequiredValue(name);
            var hook = configuration.Options.Hooks.FirstOrDefault(hook => hook.Name == wanted)
                ?? throw NoSuchHook(wanted, "The configuration lists them under 'hooks'.");
            using var sender = new HookSender(hook, new HookNetwork().CreateHandler(hook, 1), TimeProvider.System);
            var answer = await sender.SendAsync(hook.Stream ?? "", [], context.Token);
            if (answer.Outcome != HookOutcome.Delivered)
            {
                throw new CliException(
                    answer.Outcome == HookOutcome.Away ? ExitCodes.Unavailable : ExitCodes.Failed,
                    $"Hook '{wanted}': {answer.Error}", "docs/hooks.md says what each answer means.");
            }

            context.Output.Result(
                string.Create(CultureInfo.InvariantCulture, $"the endpoint answered {answer.StatusCode}"), json =>
                {
                    json.WriteString("hook", wanted);
                    json.WriteNumber("status", answer.StatusCode.GetValueOrDefault());
                });
            return ExitCodes.Done;
        });
        return command;
    }

    private static void SetAction(
        Command command, CommonOptions common, StoreOptions store, Func<CommandContext, IHookSource, Task> work) =>
        store.SetAction(
            command, common,
            (context, daemon) => work(context, new DaemonHooks(daemon)),
            (context, streams) => work(context, new StoredHooks(streams)));

    private static async Task<HookView> FindAsync(
        CommandContext context, IHookSource hooks, Argument<string> argument)
    {
        var name = context.Parse.GetRequiredValue(argument);
        return (await hooks.ListAsync(context.Token)).FirstOrDefault(hook => hook.Name == name)
            ?? throw NoSuchHook(name, "'ledger hook list' lists the hooks there are.");
    }

    private static CliException NoSuchHook(string name, string hint) =>
        new(ExitCodes.NotFound, $"There is no hook '{name}'.", hint);

    private static Position PositionOf(string text) =>
        Position.TryParse(text, CultureInfo.InvariantCulture, out var position) && position.Value > 0
            ? position : throw CliException.Usage($"A dead letter has a position, not '{text}'.");

    private static Argument<string> CreateName() => new("hook") { Description = "The hook's name" };

    private static string Text(long? number) => number?.ToString(CultureInfo.InvariantCulture) ?? "";

    private static void WriteJson(CommandContext context, HookView hook) => context.Output.Json(json =>
    {
        json.WriteString("hook", hook.Name);
        json.WriteString("store", hook.Store);
        json.WriteNumber("position", hook.Position);
        json.WriteNumber("parked", hook.DeadLetters.Count);
        if (hook.Url is { } url)
        {
            json.WriteString("url", url);
            json.WriteNumber("delivered", hook.Delivered.GetValueOrDefault());
            json.WriteNumber("failed", hook.Failed.GetValueOrDefault());
            json.WriteString("last_error", hook.LastError);
        }
    });
}
