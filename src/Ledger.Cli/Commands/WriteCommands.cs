using System.CommandLine;
using System.Text;
using Ledger.Cli.Terminal;

namespace Ledger.Cli.Commands;

/// <summary><c>put</c> and <c>rm</c>: one key at a time.</summary>
internal static class WriteCommands
{
    // Larger values go through a reference, which streams them.
    private const int DirectSizeBytesMax = 1 << 20;

    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common) => [CreatePut(common), CreateRemove(common)];

    private static ExampleCommand CreatePut(CommonOptions common)
    {
        var key = new Argument<string>("key") { Description = "The key: 1 to 1,024 bytes" };
        var value = new Argument<string?>("value")
        {
            Description = "The value, or '-' for standard input",
            Arity = ArgumentArity.ZeroOrOne,
        };
        var file = new Option<string?>("--file") { Description = "Read the value from a file", HelpName = "IN" };
        var command = new ExampleCommand(
            "put", "Set a key; acknowledged when it returns",
            "page put title Shopping",
            "page put photo --file photo.jpg",
            "page put 00ff 6869 --key-encoding hex --hex",
            "page put offset -- -5")
        {
            key, value, file, common.Hex, common.Base64, common.KeyEncoding,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var keyBytes = context.Key(key);
            var text = context.Parse.GetValue(value);
            var path = context.Parse.GetValue(file);
            if ((text is null) == (path is null))
            {
                throw CliException.Usage("Give either a value or --file.", "A value of '-' reads standard input.");
            }

            if (text is not (null or "-"))
            {
                await PutAsync(context, keyBytes, new MemoryStream(context.ValueFormat.Parse(text, "value")));
                return ExitCodes.Done;
            }

            // The input is opened first: a file that is not there must not leave a new repository behind.
            await using var input = path is null ? StandardStreams.OpenInput() : File.OpenRead(path);
            await PutAsync(context, keyBytes, await DecodeAsync(context, input));
            return ExitCodes.Done;
        });
        return command;
    }

    private static ExampleCommand CreateRemove(CommonOptions common)
    {
        var key = new Argument<string>("key") { Description = "The key to remove" };
        var command = new ExampleCommand(
            "rm", "Remove a key ('delete' deletes a page)",
            "page rm title") { key, common.KeyEncoding };
        CommandContext.SetAction(command, common, async context =>
        {
            var keyBytes = context.Key(key);
            await using var session = await context.OpenAsync(create: false);
            await using var page = await session.OpenStoredPageAsync(context.Page, context.Token);
            await using var before = await page.GetSnapshotAsync(cancellationToken: context.Token);
            if (await before.FindAsync(keyBytes, context.Token) is null)
            {
                throw context.NoSuchKey(keyBytes);
            }

            await page.DeleteAsync(keyBytes, cancellationToken: context.Token);
            if (context.Output.IsJson)
            {
                context.Output.Json(json => json.WriteKey(keyBytes));
            }

            return ExitCodes.Done;
        });
        return command;
    }

    private static async Task<Stream> DecodeAsync(CommandContext context, Stream input)
    {
        if (context.ValueFormat == ByteFormat.Utf8)
        {
            return input;
        }

        using var reader = new StreamReader(input, Encoding.UTF8, leaveOpen: true);
        var text = await reader.ReadToEndAsync(context.Token);
        return new MemoryStream(context.ValueFormat.Parse(text.Trim(), "value"));
    }

    private static async Task PutAsync(CommandContext context, byte[] key, Stream content)
    {
        // One byte more than fits directly decides which way it goes, also where the length is not known.
        var head = new byte[DirectSizeBytesMax + 1];
        var headSizeBytes = await content.ReadAtLeastAsync(
            head, head.Length, throwOnEndOfStream: false, context.Token);

        await using var session = await context.OpenAsync(create: true);
        await using var page = await session.Ledger.GetPageAsync(context.Page, context.Token);
        long sizeBytes = headSizeBytes;
        if (headSizeBytes <= DirectSizeBytesMax)
        {
            await page.PutAsync(key, head.AsMemory(0, headSizeBytes), cancellationToken: context.Token);
        }
        else
        {
            var whole = new HeadedStream(head.AsMemory(0, headSizeBytes), content);
            var reference = await page.CreateReferenceAsync(whole, cancellationToken: context.Token);
            await page.PutReferenceAsync(key, reference, cancellationToken: context.Token);
            sizeBytes = whole.Position;
        }

        if (context.Output.IsJson)
        {
            context.Output.Json(json =>
            {
                json.WriteKey(key);
                json.WriteNumber("size", sizeBytes);
            });
        }
    }
}
