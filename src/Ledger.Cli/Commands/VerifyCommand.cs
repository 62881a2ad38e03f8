using System.CommandLine;
using Ledger.Cli.Terminal;

namespace Ledger.Cli.Commands;

/// <summary><c>ledger verify</c>: walks and re-hashes everything that is reachable.</summary>
internal static class VerifyCommand
{
    /// <summary>Builds the command.</summary>
    public static Command Create(CommonOptions common)
    {
        var command = new ExampleCommand(
            "verify", "Read and check everything that is reachable, and the log's checksums",
            "verify",
            "verify --data ./phone --json");
        CommandContext.SetAction(command, common, async context =>
        {
            await using var repository = await context.OpenRepositoryForReadingAsync();
            VerifyReport report;
            using (var progress = new Progress("objects"))
            {
                report = await Session.VerifyAsync(repository, progress, context.Token);
            }

            Write(context.Output, report);
            return report.Problems.Count == 0 ? ExitCodes.Done : ExitCodes.Failed;
        });
        return command;
    }

    private static void Write(Output output, VerifyReport report)
    {
        if (output.IsJson)
        {
            output.Json(json =>
            {
                json.WriteNumber("objects", report.Objects);
                json.WriteNumber("bytes", report.Bytes);
                json.WriteStartArray("problems");
                foreach (var problem in report.Problems)
                {
                    json.WriteStringValue(problem);
                }

                json.WriteEndArray();
                json.WriteNumber("ledgers", report.Ledgers);
                json.WriteNumber("pages", report.Pages);
                json.WriteNumber("commits", report.Commits);
                json.WriteNumber("rebuilt_trees", report.RebuiltTrees);
                json.WriteNumber("log_bytes", report.LogBytes);
                json.WriteStartArray("notices");
                foreach (var notice in report.Notices)
                {
                    json.WriteStringValue(notice);
                }

                json.WriteEndArray();
            });
            return;
        }

        output.Line(
            $"checked {Words.Count(report.Ledgers, "application")}, {Words.Count(report.Pages, "page")}, " +
            $"{Words.Count(report.Commits, "commit")}, {Words.Count(report.Objects, "object")} of " +
            $"{Words.Count(report.Bytes, "byte")} unpacked, and the checksums of " +
            $"{Words.Count(report.LogBytes, "byte")} of log");
        if (report.RebuiltTrees > 0)
        {
            output.Line($"rebuilt the trees of {Words.Count(report.RebuiltTrees, "commit")} from their changes");
        }

        foreach (var notice in report.Notices)
        {
            output.Line($"notice: {notice}");
        }

        foreach (var problem in report.Problems)
        {
            output.Line($"problem: {problem}");
        }

        output.Line(report.Problems.Count == 0 ? "no problems" : Words.Count(report.Problems.Count, "problem"));
    }
}
