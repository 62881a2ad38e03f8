using System.CommandLine;
using System.Globalization;
using Ledger.Cli.Terminal;
using Ledger.Pages;

namespace Ledger.Cli.Commands;

/// <summary>
/// <c>get</c>, <c>keys</c>, <c>scan</c> and <c>count</c>: the current state of a page, or an earlier one.
/// </summary>
internal static class ReadCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common) =>
        [CreateGet(common), CreateKeys(common), CreateScan(common), CreateCount(common)];

    private static ExampleCommand CreateGet(CommonOptions common)
    {
        var key = new Argument<string>("key") { Description = "The key" };
        var file = new Option<string?>("--file") { Description = "Write the value to a file", HelpName = "OUT" };
        var command = new ExampleCommand(
            "get", "Print the value of a key, byte for byte",
            "page get title",
            "page get photo --file photo.jpg",
            "page get title --as-of 2026-01-31T12:00:00Z")
        {
            key, file, common.Hex, common.Base64, common.KeyEncoding, common.AsOf,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var keyBytes = context.Key(key);
            await using var session = await context.OpenForReadingAsync();
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            await using var snapshot = await context.OpenSnapshotAsync(page);
            var entry = await snapshot.FindAsync(keyBytes, context.Token) ?? throw context.NoSuchKey(keyBytes);
            if (context.Parse.GetValue(file) is { } path)
            {
                await SaveAsync(snapshot, keyBytes, path, context.Token);
            }
            else if (context.Output.IsJson)
            {
                await context.Output.WriteExportLineAsync(entry, snapshot, context.Token);
            }
            else
            {
                await PrintAsync(context, entry, snapshot);
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateKeys(CommonOptions common)
    {
        var range = new RangeOptions();
        var command = new ExampleCommand(
            "keys", "List the keys, ascending",
            "page keys --prefix item/",
            "page keys --start item/1 --end item/2")
        {
            common.KeyEncoding, common.AsOf, common.Prefix,
        };
        range.AddTo(command);
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenForReadingAsync();
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            await using var snapshot = await context.OpenSnapshotAsync(page);
            var (start, end) = range.Bounds(context);
            await foreach (var key in range.Limit(context, snapshot.GetKeysAsync(
                start, end, range.IsReverse(context), context.Token)))
            {
                if (context.Output.IsJson)
                {
                    context.Output.Json(json => json.WriteKey(key.Span));
                }
                else
                {
                    context.Output.Line(context.KeyText(key));
                }
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateScan(CommonOptions common)
    {
        var range = new RangeOptions();
        var command = new ExampleCommand(
            "scan", "List keys and values, ascending by key",
            "page scan --prefix item/",
            "page scan --reverse --limit 10 --json")
        {
            common.KeyEncoding, common.AsOf, common.Prefix, common.Hex, common.Base64,
        };
        range.AddTo(command);
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenForReadingAsync();
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            await using var snapshot = await context.OpenSnapshotAsync(page);
            var (start, end) = range.Bounds(context);
            await foreach (var entry in range.Limit(context, snapshot.GetEntriesAsync(
                start, end, range.IsReverse(context), context.Token)))
            {
                if (context.Output.IsJson)
                {
                    context.Output.Json(json => json.WriteEntry(entry));
                }
                else
                {
                    context.Output.Line(
                        context.KeyText(entry.Key), "\t"u8.ToArray(), EntryText.TextOf(entry, context.ValueFormat));
                }
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateCount(CommonOptions common)
    {
        var range = new RangeOptions();
        var command = new ExampleCommand(
            "count", "Count the entries",
            "page count",
            "page count --prefix item/") { common.KeyEncoding, common.AsOf, common.Prefix };
        range.AddBoundsTo(command);
        CommandContext.SetAction(command, common, async context =>
        {
            await using var session = await context.OpenForReadingAsync();
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            await using var snapshot = await context.OpenSnapshotAsync(page);
            var (start, end) = range.Bounds(context);
            var count = await snapshot.CountAsync(start, end, context.Token);
            context.Output.Result(
                count.ToString(CultureInfo.InvariantCulture), json => json.WriteNumber("count", count));
            return ExitCodes.Done;
        });
        return command;
    }

    private static async Task PrintAsync(CommandContext context, Entry entry, IPageSnapshot snapshot)
    {
        if (context.ValueFormat != ByteFormat.Utf8 && entry.Value is { } value)
        {
            context.Output.Line(context.ValueFormat.Format(value));
            return;
        }

        if (context.ValueFormat != ByteFormat.Utf8)
        {
            throw CliException.Usage(
                $"The value has {entry.SizeBytes} bytes, too many for --hex and --base64.", "Use --file, or neither.");
        }

        await using var content = await snapshot.OpenReadAsync(entry.Key, context.Token)
            ?? throw context.NoSuchKey(entry.Key.Span);
        await content.CopyToAsync(context.Output.Raw, context.Token);
        if (!Console.IsOutputRedirected)
        {
            context.Output.Line();
        }
    }

    private static async Task SaveAsync(
        IPageSnapshot snapshot, byte[] key, string path, CancellationToken cancellationToken)
    {
        await using var content = await snapshot.OpenReadAsync(key, cancellationToken)
            ?? throw new InvalidOperationException("A snapshot lost an entry that it found.");

        // Beside its final name until it is whole: a file that is there is the value.
        var partial = path + ".partial";
        try
        {
            await using (var file = File.Create(partial))
            {
                await content.CopyToAsync(file, cancellationToken);
            }

            File.Move(partial, path, overwrite: true);
        }
        finally
        {
            File.Delete(partial);
        }
    }
}
