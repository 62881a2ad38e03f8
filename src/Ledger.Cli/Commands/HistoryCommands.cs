using System.CommandLine;
using Ledger.Cli.Terminal;
using Ledger.Pages;

namespace Ledger.Cli.Commands;

/// <summary><c>log</c>, <c>diff</c>, <c>history</c> and <c>restore</c>: how a page came to be what it is.</summary>
internal static class HistoryCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common) =>
        [CreateLog(common), CreateDiff(common), CreateHistory(common), CreateRestore(common)];

    private static ExampleCommand CreateLog(CommonOptions common)
    {
        var limit = RangeOptions.CreateLimit("At most so many");
        var command = new ExampleCommand(
            "log", "List the commits, newest first",
            "page log --limit 10",
            "page log --json") { limit };
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenAsync(create: false);
            await using var page = await OpenForHistoryAsync(context, session);
            await foreach (var commit in page.LogAsync(
                limit: context.Parse.GetValue(limit), cancellationToken: context.Token))
            {
                WriteCommit(context.Output, commit);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateDiff(CommonOptions common)
    {
        var before = new Argument<string>("before") { Description = "The earlier commit" };
        var after = new Argument<string>("after") { Description = "The later commit" };
        var command = new ExampleCommand(
            "diff", "List what changed from one commit to another, ascending by key",
            "page diff 3f2a9c1b7d00 a81c5e9f2b44",
            "page diff 3f2a9c a81c5e --prefix item/")
        {
            before, after, common.Prefix, common.KeyEncoding, common.Hex, common.Base64,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenAsync(create: false);
            await using var page = await OpenForHistoryAsync(context, session);
            var from = await CommitNames.ResolveAsync(page, context.Parse.GetRequiredValue(before), context.Token);
            var to = await CommitNames.ResolveAsync(page, context.Parse.GetRequiredValue(after), context.Token);
            await foreach (var change in page.DiffAsync(from, to, context.Prefix, context.Token))
            {
                WriteChange(context, change);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateHistory(CommonOptions common)
    {
        var key = new Argument<string>("key") { Description = "The key" };
        var command = new ExampleCommand(
            "history", "List the values that a key had, newest first",
            "page history title")
        {
            key, common.KeyEncoding, common.Hex, common.Base64,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var keyBytes = context.Key(key);
            await using var session = await context.OpenAsync(create: false);
            await using var page = await OpenForHistoryAsync(context, session);
            var found = false;
            await foreach (var version in page.HistoryOfAsync(keyBytes, context.Token))
            {
                found = true;
                WriteVersion(context, keyBytes, version);
            }

            return found ? ExitCodes.Done : throw context.NoSuchKey(keyBytes);
        });
        return command;
    }

    private static ExampleCommand CreateRestore(CommonOptions common)
    {
        var commit = new Argument<string>("commit") { Description = "The commit whose state comes back" };
        var command = new ExampleCommand(
            "restore", "Make the page equal to an earlier state, as one new commit",
            "page restore 3f2a9c1b7d00",
            "page restore 3f2a9c1b7d00 --prefix item/")
        {
            commit, common.Prefix, common.KeyEncoding,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenAsync(create: false);
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            var target = await CommitNames.ResolveAsync(page, context.Parse.GetRequiredValue(commit), context.Token);
            var restored = await page.RestoreAsync(target, context.Prefix, context.Token);
            await session.Repository.FlushAsync(context.Token);
            context.Output.Result(
                restored.ToString(), json => json.WriteString("commit", restored.ToString()));
            return ExitCodes.Done;
        });
        return command;
    }

    /// <summary>
    /// Opens the page with its waiting entries made a commit and on disk: ids that leave the process must survive it.
    /// </summary>
    private static async Task<IPage> OpenForHistoryAsync(CommandContext context, Session session)
    {
        var page = await session.OpenStoredPageAsync(context.Page, context.Token);
        await using var current = await page.GetSnapshotAsync(cancellationToken: context.Token);
        await session.Repository.FlushAsync(context.Token);
        return page;
    }

    /// <summary>Writes a commit.</summary>
    internal static void WriteCommit(Output output, CommitInfo commit)
    {
        var message = commit.Message is null ? "" : "  " + LineText.Escape(commit.Message);
        var changes = commit.Changes == 1 ? "change" : "changes";
        output.Result(
            $"{commit.Id.Short()}  {CommitNames.Format(commit.Time),-24}  {commit.Changes,7} {changes}{message}",
            json =>
            {
                json.WriteString("commit", commit.Id.ToString());
                json.WriteString("root", commit.Root.ToString());
                json.WriteStartArray("parents");
                foreach (var parent in commit.Parents)
                {
                    json.WriteStringValue(parent.ToString());
                }

                json.WriteEndArray();
                json.WriteNumber("generation", commit.Generation);
                json.WriteTime(commit.Time);
                json.WriteString("device", commit.Device);
                json.WriteNumber("changes", commit.Changes);
                if (commit.Message is { } text)
                {
                    json.WriteString("message", text);
                }
            });
    }

    /// <summary>Writes a changed key: <c>+</c> new, <c>-</c> deleted, <c>~</c> changed.</summary>
    internal static void WriteChange(CommandContext context, EntryChange change)
    {
        if (context.Output.IsJson)
        {
            context.Output.Json(json => json.WriteChange(change));
            return;
        }

        var format = context.ValueFormat;
        var key = context.KeyText(change.Key);
        switch (change)
        {
            case { Before: { } before, After: { } after }:
                context.Output.Line(
                    CommandContext.Text("~ "), key, CommandContext.Text("\t"), EntryText.TextOf(before, format),
                    CommandContext.Text(" -> "), EntryText.TextOf(after, format));
                break;
            case { After: { } added }:
                context.Output.Line(
                    CommandContext.Text("+ "), key, CommandContext.Text("\t"), EntryText.TextOf(added, format));
                break;
            case { Before: { } removed }:
                context.Output.Line(
                    CommandContext.Text("- "), key, CommandContext.Text("\t"), EntryText.TextOf(removed, format));
                break;
        }
    }

    private static void WriteVersion(CommandContext context, byte[] key, KeyVersion version)
    {
        var commit = version.Commit;
        if (!context.Output.IsJson)
        {
            context.Output.Line(
                CommandContext.Text($"{commit.Id.Short()}  {CommitNames.Format(commit.Time),-24}  "),
                version.Entry is { } entry
                    ? EntryText.TextOf(entry, context.ValueFormat)
                    : CommandContext.Text("(deleted)"));
            return;
        }

        context.Output.Json(json =>
        {
            json.WriteString("commit", commit.Id.ToString());
            json.WriteTime(commit.Time);
            json.WriteString("device", commit.Device);
            if (version.Entry is { } entry)
            {
                json.WriteEntry(entry);
            }
            else
            {
                json.WriteKey(key);
                json.WriteNull("value");
                json.WriteBoolean("deleted", true);
            }
        });
    }
}
