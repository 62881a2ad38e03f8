using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Ledger.Cli.Import;
using Ledger.Cli.Streams;
using Ledger.Cli.Terminal;
using Ledger.Streams;

namespace Ledger.Cli.Commands;

/// <summary><c>stream export</c>, <c>stream import</c> and <c>stream import-go</c>.</summary>
internal static class StreamTransferCommands
{
    /// <summary>Builds the commands.</summary>
    public static IEnumerable<Command> Create(CommonOptions common, StoreOptions store) =>
        [CreateExport(common, store), CreateImport(common, store), CreateImportGo(common, store)];

    private static ExampleCommand CreateExport(CommonOptions common, StoreOptions store)
    {
        var command = new ExampleCommand(
            "export", "Write entries as JSON Lines that 'stream import' reads: all streams unless one is named",
            "stream export --db sqlite:app.db > app.jsonl",
            "stream export --stream user-123 --db sqlite:app.db > user-123.jsonl");
        store.SetAction(command, common, create: false, async (context, streams) =>
        {
            using var progress = new Progress("entries");
            var stream = context.Parse.GetValue(store.Stream);
            var entries = stream is null
                ? streams.ReadAllAsync(cancellationToken: context.Token)
                : streams.ReadAsync(stream, cancellationToken: context.Token);
            var done = 0L;
            await foreach (var entry in entries)
            {
                context.Output.Json(json => EntryLines.WriteMembers(json, entry, withSource: true));
                progress.Report(++done, null);
            }
        });
        return command;
    }

    private static ExampleCommand CreateImport(CommonOptions common, StoreOptions store)
    {
        var file = new Argument<string>("file") { Description = "JSON Lines, or '-' for standard input" };
        var source = new Option<string?>("--source")
        {
            Description = "Names where the entries come from, so that a second run knows them (default: its name)",
            HelpName = "NAME",
        };
        var command = new ExampleCommand(
            "import", "Append the entries of an export; a second run goes on where the first ended",
            "stream import app.jsonl --db sqlite:other.db",
            "stream import - --source app --db sqlite:other.db < app.jsonl")
        {
            file, source,
        };
        store.SetAction(command, common, create: true, async (context, streams) =>
        {
            var path = context.Parse.GetRequiredValue(file);
            await using var input = path == "-" ? StandardStreams.OpenInput() : File.OpenRead(path);
            var name = context.Parse.GetValue(source) ?? (path == "-" ? "-" : Path.GetFileName(path));
            var lines = new LineReader(input);
            await RunAsync(
                context, streams, ReadAsync(lines, name, context.Token),
                () => input.CanSeek ? (double)lines.BytesRead / Math.Max(1, input.Length) : null);
        });
        return command;
    }

    private static ExampleCommand CreateImportGo(CommonOptions common, StoreOptions store)
    {
        var from = new Option<DatabaseName?>("--from")
        {
            Description = "The original's database",
            HelpName = DatabaseName.Form,
            CustomParser = DatabaseName.Parse,
            Required = true,
        };
        var table = new Option<string?>("--table")
        {
            Description = "The original's store (default: the name that --store gives)",
            HelpName = "NAME",
        };
        var command = new ExampleCommand(
            "import-go", "Append what the original Go library or its daemon kept; a second run goes on from there",
            "stream import-go --from sqlite:ledger.db --db sqlite:app.db",
            "stream import-go --from sqlite:ledger.db --table orders --db sqlite:app.db --store orders")
        {
            from, table,
        };
        store.SetAction(command, common, create: true, async (context, streams) =>
        {
            var go = new GoTable(
                context.Parse.GetRequiredValue(from)!,
                context.Parse.GetValue(table) ?? context.Parse.GetValue(store.Store)!);
            await RunAsync(context, streams, go.ReadAsync(context.Token), () => go.Fraction);
        });
        return command;
    }

    private static async IAsyncEnumerable<ImportedEntry> ReadAsync(
        LineReader lines, string source, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var number = 1L; await lines.ReadAsync(cancellationToken) is { } line; number++)
        {
            if (!line.Span.ContainsAnyExcept(" \t"u8))
            {
                continue;
            }

            var place = string.Create(CultureInfo.InvariantCulture, $"Line {number}");
            ImportedEntry entry;
            try
            {
                entry = ImportedEntry.Parse(line, place, source);
            }
            catch (FormatException error)
            {
                throw new CliException(
                    ExitCodes.Failed, $"{place} of '{source}' is malformed: {error.Message}.",
                    "The batches before it are kept: mend the line and run it again to go on.", error);
            }

            yield return entry;
        }
    }

    private static async Task RunAsync(
        CommandContext context, IStreamStore streams, IAsyncEnumerable<ImportedEntry> entries, Func<double?> fraction)
    {
        var elapsed = Stopwatch.StartNew();
        StreamImportResult result;
        using (var progress = new Progress("entries"))
        {
            result = await new StreamImporter(streams).RunAsync(entries, progress, fraction, context.Token);
        }

        var seconds = Math.Round(elapsed.Elapsed.TotalSeconds, 3);
        var rest = (result.Duplicates == 0 ? "" : $"; {result.Duplicates} were there by their dedup keys") +
            (result.Skipped == 0 ? "" : $"; {result.Skipped} were imported before");
        context.Output.Result(
            $"imported {result.Entries} entries, {seconds:0.0} s{rest}",
            json =>
            {
                json.WriteNumber("entries", result.Entries);
                json.WriteNumber("duplicates", result.Duplicates);
                json.WriteNumber("skipped", result.Skipped);
                json.WriteNumber("seconds", seconds);
            });
    }
}
