using System.CommandLine;
using System.Text.Json;
using Ledger.Cli.Terminal;
using Ledger.Commits;
using Ledger.Pages;
using Ledger.Pages.Merging;

namespace Ledger.Cli.Commands;

/// <summary><c>heads</c>, <c>merge</c>, <c>explain</c>, <c>replay</c> and <c>graph</c>: how histories meet.</summary>
internal static class MergeCommands
{
    private const int GraphLimit = 50;

    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common) =>
        [CreateHeads(common), CreateMerge(common), CreateExplain(common), CreateReplay(common), CreateGraph(common)];

    private static ExampleCommand CreateHeads(CommonOptions common)
    {
        var command = new ExampleCommand(
            "heads", "List the heads, oldest first: more than one where histories have diverged",
            "page heads");
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await OpenApartAsync(context);
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            foreach (var head in await ReadHeadsAsync(context, session, page))
            {
                HistoryCommands.WriteCommit(context.Output, head);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateMerge(CommonOptions common)
    {
        var message = new Option<string?>("--message") { Description = "Kept with the merge", HelpName = "TEXT" };
        var resolver = CreateResolver(
            "How keys that both sides changed are merged; default: the newest writer's value");
        var command = new ExampleCommand(
            "merge", "Merge all heads into one, as a commit of this device",
            "page merge",
            "page merge --resolver set-union --message 'two phones'")
        {
            message, resolver,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await OpenApartAsync(context);
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            var before = await page.GetHeadsAsync(context.Token);
            var merged = await page.MergeHeadsAsync(
                ResolverOf(context.Parse.GetValue(resolver)), context.Parse.GetValue(message), context.Token);
            await session.Repository.FlushAsync(context.Token);
            context.Output.Result(
                before.Count == 1 ? $"{merged} (one head; nothing to merge)" : merged.ToString(),
                json =>
                {
                    json.WriteString("commit", merged.ToString());
                    json.WriteNumber("heads", before.Count);
                });
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateExplain(CommonOptions common)
    {
        var key = new Argument<string>("key") { Description = "The key" };
        var command = new ExampleCommand(
            "explain", "Say which merges decided a key, from what, and who wrote it; newest first",
            "page explain title",
            "page explain title --json")
        {
            key, common.KeyEncoding, common.Hex, common.Base64,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var keyBytes = context.Key(key);
            await using var session = await OpenApartAsync(context);
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            await ReadHeadsAsync(context, session, page);
            var count = 0;
            await foreach (var explanation in page.ExplainAsync(keyBytes, context.Token))
            {
                count++;
                Write(context, keyBytes, explanation);
            }

            if (count == 0 && !context.Output.IsJson)
            {
                context.Output.Line("no merge has decided this key");
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateReplay(CommonOptions common)
    {
        var merge = new Argument<string>("commit") { Description = "The merge" };
        var resolver = CreateResolver("The resolver that is run; default: the newest writer's value");
        var command = new ExampleCommand(
            "replay", "Make a merge again and list the keys that come out otherwise",
            "page replay 3f2a9c1b7d00 --resolver maximum")
        {
            merge, resolver, common.KeyEncoding, common.Hex, common.Base64,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await OpenApartAsync(context);
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            await ReadHeadsAsync(context, session, page);
            var id = await CommitNames.ResolveAsync(page, context.Parse.GetRequiredValue(merge), context.Token);
            await CheckMergeAsync(page, id, context.Token);
            var count = 0;
            await foreach (var change in page.ReplayAsync(
                id, ResolverOf(context.Parse.GetValue(resolver)), context.Token))
            {
                count++;
                HistoryCommands.WriteChange(context, change);
            }

            if (count == 0 && !context.Output.IsJson)
            {
                context.Output.Line("the same");
            }

            return count == 0 ? ExitCodes.Done : ExitCodes.Failed;
        });
        return command;
    }

    private static ExampleCommand CreateGraph(CommonOptions common)
    {
        var limit = RangeOptions.CreateLimit($"At most so many commits; default {GraphLimit}");
        var svg = new Option<string?>("--svg") { Description = "Write a picture to this file", HelpName = "FILE" };
        var command = new ExampleCommand(
            "graph", "Draw branches and merges, newest first",
            "page graph",
            "page graph --limit 20 --svg history.svg") { limit, svg };
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await OpenApartAsync(context);
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            var heads = await ReadHeadsAsync(context, session, page);
            var graph = await ReadGraphAsync(page, heads, context.Parse.GetValue(limit) ?? GraphLimit, context.Token);
            if (context.Parse.GetValue(svg) is { } path)
            {
                await File.WriteAllTextAsync(path, graph.ToSvg(), context.Token);
                return ExitCodes.Done;
            }

            foreach (var row in graph.Rows)
            {
                context.Output.Result(
                    row.Commit is { } commit ? $"{row.Lanes}  {GraphDrawing.Describe(commit)}" : row.Lanes,
                    json =>
                    {
                        json.WriteString("lanes", row.Lanes);
                        json.WriteString("commit", row.Commit?.Id.ToString());
                    });
            }

            return ExitCodes.Done;
        });
        return command;
    }

    /// <summary>Opens without merging anything: what is listed must not change while it is listed.</summary>
    private static async Task<Session> OpenApartAsync(CommandContext context)
    {
        var session = await context.OpenAsync(create: false);
        session.Ledger.SetConflictResolver(MergePolicy.None);
        return session;
    }

    /// <summary>The heads, on disk: ids that leave the process must survive it.</summary>
    private static async Task<IReadOnlyList<CommitInfo>> ReadHeadsAsync(
        CommandContext context, Session session, IPage page)
    {
        var heads = await page.GetHeadsAsync(context.Token);
        await session.Repository.FlushAsync(context.Token);
        return heads;
    }

    private static async Task<GraphDrawing> ReadGraphAsync(
        IPage page, IReadOnlyList<CommitInfo> heads, int limit, CancellationToken cancellationToken)
    {
        var commits = new Dictionary<CommitId, CommitInfo>();
        foreach (var head in heads)
        {
            await foreach (var commit in page.LogAsync(head.Id, limit, cancellationToken))
            {
                commits.TryAdd(commit.Id, commit);
            }
        }

        // A commit's generation is above its parents': so every child is drawn before its parents.
        return new GraphDrawing(
            [.. commits.Values.OrderByDescending(commit => commit.Generation).ThenByDescending(commit => commit.Time)
                .ThenBy(commit => commit.Id).Take(limit)]);
    }

    private static async Task CheckMergeAsync(IPage page, CommitId id, CancellationToken cancellationToken)
    {
        await foreach (var commit in page.LogAsync(id, 1, cancellationToken))
        {
            if (commit.Parents.Count != 2)
            {
                throw CliException.Usage(
                    $"Commit {id} has {commit.Parents.Count} parents; a merge has two.",
                    "'ledger page graph' shows the merges there are.");
            }
        }
    }

    private static void Write(CommandContext context, byte[] key, MergeExplanation explanation)
    {
        if (context.Output.IsJson)
        {
            context.Output.Json(json => WriteJson(json, key, explanation));
            return;
        }

        var how = explanation.Policy is { } policy
            ? $"under {policy}{(explanation.Resolver is { } name ? $", resolver {name}" : "")}"
            : "on another device";
        var by = explanation.Merge.Device is null ? "automatic" : "asked for";
        context.Output.Line(
            $"{explanation.Merge.Id.Short()}  {by} {how}: took {explanation.Decision.ToString().ToLowerInvariant()}");
        WriteSide(context, "result", explanation.Result, null);
        WriteSide(context, "left", explanation.Left.Entry, explanation.Left.Writer);
        WriteSide(context, "right", explanation.Right.Entry, explanation.Right.Writer);
        WriteSide(context, "base", explanation.Base, null);
    }

    private static void WriteSide(CommandContext context, string name, Entry? entry, CommitInfo? writer)
    {
        var by = writer is null
            ? ""
            : $"  (written by {writer.Device?[..8]} at {CommitNames.Format(writer.Time)} in {writer.Id.Short()})";
        context.Output.Line(
            CommandContext.Text($"  {name,-7} "),
            entry is { } present
                ? EntryText.TextOf(present, context.ValueFormat)
                : CommandContext.Text("(absent)"),
            CommandContext.Text(by));
    }

    private static void WriteJson(Utf8JsonWriter json, byte[] key, MergeExplanation explanation)
    {
        json.WriteString("merge", explanation.Merge.Id.ToString());
        json.WriteKey(key);
        json.WriteString("policy", explanation.Policy?.ToString());
        json.WriteString("resolver", explanation.Resolver);
        json.WriteString("decision", explanation.Decision.ToString().ToLowerInvariant());
        json.WriteValues(
            ("base", explanation.Base), ("left", explanation.Left.Entry), ("right", explanation.Right.Entry),
            ("result", explanation.Result));
        foreach (var (name, side) in new[] { ("left", explanation.Left), ("right", explanation.Right) })
        {
            json.WriteString($"{name}_commit", side.Writer?.Id.ToString());
            json.WriteString($"{name}_device", side.Writer?.Device);
            json.WriteString($"{name}_time", side.Writer is { } writer ? CommitNames.Format(writer.Time) : null);
        }
    }

    private static Option<string?> CreateResolver(string description)
    {
        var option = new Option<string?>("--resolver") { Description = description };
        option.Limit("json-fields", "set-union", "counter", "maximum", "keep-both");
        return option;
    }

    private static IConflictResolver? ResolverOf(string? name) => name switch
    {
        null => null,
        "json-fields" => ConflictResolvers.JsonFields(),
        "set-union" => ConflictResolvers.SetUnion(),
        "counter" => ConflictResolvers.Counter(),
        "maximum" => ConflictResolvers.Maximum(),
        _ => ConflictResolvers.KeepBoth(),
    };
}
