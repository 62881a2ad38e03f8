using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Ledger.Cli.Streams;
using Ledger.Cli.Terminal;
using Ledger.Streams;

namespace Ledger.Cli.Commands;

/// <summary><c>stream append</c>: one entry.</summary>
internal static class StreamAppendCommand
{
    /// <summary>Builds the command.</summary>
    public static Command Create(CommonOptions common, StoreOptions store)
    {
        var payload = new PayloadOptions(common);
        var orderKey = Text("--order-key", "Groups entries within the stream");
        var dedupKey = Text("--dedup-key", "Nothing is written when an entry of the stream has it already");
        var metadata = EntryOptions.CreatePairs("--meta", "Metadata, which never changes; again for more");
        var tags = EntryOptions.CreateTags("A tag; again for more");
        var version = new Option<int>("--schema-version")
        {
            Description = "The version of the payload's schema",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
        };
        version.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 && (!int.TryParse(result.Tokens[0].Value, out var number) || number < 1))
            {
                result.AddError($"--schema-version is a number from 1 on, not '{result.Tokens[0].Value}'.");
            }
        });
        var end = new Option<string?>("--expected-end")
        {
            Description = "Write only when the stream ends there: 'new', 'any' (the default), or an entry's id",
            HelpName = "new|any|ID",
        };
        var command = new ExampleCommand(
            "append", "Append an entry and print its id; nothing when it is a duplicate",
            "stream append 'hello' --db sqlite:app.db",
            "stream append '{\"total\":99}' --json --stream user-123 --dedup-key order-7 --tag paid --db sqlite:app.db",
            "stream append --file photo.jpg --stream photos --expected-end new --db sqlite:app.db",
            "stream append --db sqlite:app.db -- '-5 degrees'")
        {
            orderKey, dedupKey, metadata, tags, version, end,
        };
        payload.AddTo(command);
        store.SetAction(command, common, create: true, async (context, streams) =>
        {
            var content = await payload.ReadAsync(context);
            var result = await streams.AppendAsync(
                store.StreamOf(context),
                new NewEntry(content)
                {
                    OrderKey = Given(context, orderKey),
                    DedupKey = Given(context, dedupKey),
                    Metadata = EntryOptions.PairsOf(context, metadata),
                    Tags = context.Parse.GetValue(tags)!,
                    SchemaVersion = context.Parse.GetValue(version),
                    SearchText = PayloadText.Of(content),
                },
                EndOf(context, end), context.Token);
            Print(context.Output, result.Entries[0]);
        });
        return command;
    }

    private static Option<string?> Text(string name, string description) =>
        new(name) { Description = description, HelpName = "KEY" };

    // Empty means none, as in the original.
    private static string? Given(CommandContext context, Option<string?> option) =>
        string.IsNullOrEmpty(context.Parse.GetValue(option)) ? null : context.Parse.GetValue(option);

    private static ExpectedEnd EndOf(CommandContext context, Option<string?> option) =>
        context.Parse.GetValue(option) switch
        {
            null or "any" => ExpectedEnd.Any,
            "new" => ExpectedEnd.New,
            { } text when EntryId.TryParse(text, CultureInfo.InvariantCulture, out var id) => ExpectedEnd.At(id),
            { } text => throw CliException.Usage(
                $"--expected-end is 'new', 'any' or the id of an entry, not '{text}'."),
        };

    private static void Print(Output output, AppendedEntry entry)
    {
        if (output.IsJson)
        {
            output.Json(json =>
            {
                json.WriteString("id", entry.Id.ToString());
                json.WriteBoolean("duplicate", entry.IsDuplicate);
            });
        }
        else if (!entry.IsDuplicate)
        {
            output.Line(entry.Id.ToString());
        }
    }

    /// <summary>Where the payload comes from: text becomes a JSON string, the rest is taken as it is.</summary>
    private sealed class PayloadOptions(CommonOptions common)
    {
        private readonly Argument<string?> _text = new("payload")
        {
            Description = "Text, stored as a JSON string; '-' takes standard input as it is",
            Arity = ArgumentArity.ZeroOrOne,
        };

        // In place of the flag of all commands: the original's meaning.
        private readonly Option<bool> _json = new("--json", "--payload-json")
        {
            Description = "The payload is JSON and is stored as it is ('--output json' is for the result)",
        };

        private readonly Option<string?> _file = new("--file")
        {
            Description = "Take the bytes of a file",
            HelpName = "IN",
        };

        public void AddTo(Command command)
        {
            command.Add(_text);
            command.Add(_json);
            command.Add(_file);
            command.Add(common.Hex);
            command.Add(common.Base64);
        }

        public async Task<ReadOnlyMemory<byte>> ReadAsync(CommandContext context)
        {
            var (text, path) = (context.Parse.GetValue(_text), context.Parse.GetValue(_file));
            if ((text is null) == (path is null))
            {
                throw CliException.Usage(
                    "Give either a payload or --file.", "A payload of '-' reads standard input.");
            }

            var isJson = context.Parse.GetValue(_json);
            ReadOnlyMemory<byte> payload = text switch
            {
                null or "-" => await ReadWholeAsync(path, context.Token),
                _ when isJson => Encoding.UTF8.GetBytes(text),
                _ when context.ValueFormat != ByteFormat.Utf8 => context.ValueFormat.Parse(text, "payload"),
                _ => Encoding.UTF8.GetBytes($"\"{JsonEncodedText.Encode(text, Relaxed)}\""),
            };
            return !isJson || PayloadText.IsJson(payload)
                ? payload : throw CliException.Usage("--json says that the payload is JSON, and it is not.");
        }

        private static System.Text.Encodings.Web.JavaScriptEncoder Relaxed =>
            System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping;

        private static async Task<ReadOnlyMemory<byte>> ReadWholeAsync(
            string? path, CancellationToken cancellationToken)
        {
            await using var input = path is null ? StandardStreams.OpenInput() : File.OpenRead(path);

            // One byte more than a payload may have: the store then says how many it may have.
            var content = new MemoryStream();
            var buffer = new byte[1 << 16];
            int read;
            while (content.Length <= StreamLimits.PayloadSizeBytesMax &&
                (read = await input.ReadAsync(buffer, cancellationToken)) > 0)
            {
                content.Write(buffer, 0, read);
            }

            return content.GetBuffer().AsMemory(0, (int)content.Length);
        }
    }
}
