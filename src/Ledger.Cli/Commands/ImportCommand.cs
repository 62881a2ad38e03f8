using System.CommandLine;
using System.Diagnostics;
using Ledger.Cli.Import;
using Ledger.Cli.Terminal;

namespace Ledger.Cli.Commands;

/// <summary><c>import</c>: JSON Lines into a page, in transactions, going on where an earlier run was killed.</summary>
internal static class ImportCommand
{
    private const int BatchSizeMax = 1_000_000;

    /// <summary>Builds the command.</summary>
    public static Command Create(CommonOptions common)
    {
        var source = new Argument<string>("file") { Description = "JSON Lines, or '-' for standard input" };
        var keyField = new Option<string?>("--key-field")
        {
            Description = "Rows are any objects: this member is the key, the whole object the value",
            HelpName = "NAME",
        };
        var batch = new Option<int>("--batch")
        {
            Description = "Rows in a transaction",
            HelpName = "N",
            DefaultValueFactory = _ => 1000,
        };
        batch.Validators.Add(result =>
        {
            if (result.Tokens.Count == 1 &&
                (!int.TryParse(result.Tokens[0].Value, out var size) || size is < 1 or > BatchSizeMax))
            {
                result.AddError($"--batch is a number from 1 to {BatchSizeMax}, not '{result.Tokens[0].Value}'.");
            }
        });
        var resume = new Option<bool>("--resume")
        {
            Description = "Skip what an earlier run of the same import committed",
            DefaultValueFactory = _ => true,
        };
        var acks = new Option<bool>("--acks")
        {
            Description = "Print a line for each batch when it is acknowledged",
        };
        var command = new ExampleCommand(
            "import", "Read JSON Lines into the page, in transactions",
            "page import rows.jsonl",
            "page import people.jsonl --key-field id --batch 5000",
            "page import - < rows.jsonl")
        {
            source, keyField, batch, resume, acks,
        };
        CommandContext.SetAction(command, common, async context =>
        {
            var path = context.Parse.GetRequiredValue(source);
            await using var input = path == "-" ? StandardStreams.OpenInput() : File.OpenRead(path);
            var output = context.Output;
            var options = new ImportOptions
            {
                Source = path == "-" ? "-" : Path.GetFileName(path),
                KeyField = context.Parse.GetValue(keyField),
                BatchSize = context.Parse.GetValue(batch),
                Resume = context.Parse.GetValue(resume),
                SizeBytes = input.CanSeek ? input.Length : null,
                Acknowledged = context.Parse.GetValue(acks) ? (lines, _) => Acknowledge(output, lines) : null,
            };
            await RunAsync(context, input, options);
            return ExitCodes.Done;
        });
        return command;
    }

    private static async Task RunAsync(CommandContext context, Stream input, ImportOptions options)
    {
        var elapsed = Stopwatch.StartNew();
        ImportResult result;
        await using (var session = await context.OpenAsync(create: true))
        {
            await using var page = await session.Ledger.GetPageAsync(context.Page, context.Token);
            using var progress = new Progress("rows");
            result = await new Importer(page, options).RunAsync(input, progress, context.Token);
        }

        var seconds = Math.Round(elapsed.Elapsed.TotalSeconds, 3);
        var skipped = result.Skipped == 0 ? "" : $"; {result.Skipped} lines were imported before";
        context.Output.Result(
            $"imported {result.Entries} entries in {result.Commits} commits, {seconds:0.0} s{skipped}",
            json =>
            {
                json.WriteNumber("entries", result.Entries);
                json.WriteNumber("commits", result.Commits);
                json.WriteNumber("seconds", seconds);
                json.WriteNumber("skipped", result.Skipped);
            });
    }

    private static void Acknowledge(Output output, long lines)
    {
        output.Result($"{lines} lines", json => json.WriteNumber("lines", lines));
        output.Flush();
    }
}
