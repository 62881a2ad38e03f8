using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Ledger.Benchmarks.Reporting;

/// <summary>
/// Tables of the results' sections "Ratios": of all rows, and for the README of those that say the most.
/// </summary>
internal static partial class RatioTable
{
    private const string Begin = "<!-- measured: begin -->";
    private const string End = "<!-- measured: end -->";

    /// <summary>
    /// What the README shows: the experiment, and how its rows begin and end. The worst are among them.
    /// </summary>
    private static readonly (string Experiment, string Start, string End)[] _headlines =
    [
        ("p1", "durable puts", "over RocksDB"),
        ("p1", "durable puts", "over SQLite"),
        ("p1", "durable puts", "over probe"),
        ("p2", "durable puts of 16 writers", "over RocksDB"),
        ("p2", "efficiency of Ledger at 8 writers", ""),
        ("p3", "load, Random keys", "over RocksDB"),
        ("p3", "load, Random keys", "over SQLite"),
        ("p3", "our write amplification, Random keys", ""),
        ("p3", "our size on disk, Random keys", ""),
        ("p3", "our load, Sorted keys", ""),
        ("p4", "warm gets, random", "Ledger over RocksDB"),
        ("p4", "warm gets, random", "Ledger over LMDB"),
        ("p4", "warm gets, missing", "Ledger over RocksDB"),
        ("p5", "scan", "over RocksDB"),
        ("p7", "buffered put to 1 watchers", ""),
        ("p8", "diff", "d = 1, scattered"),
        ("p8m", "merge, 1 commits a side", ""),
        ("p9", "value in", "over restic"),
        ("p9", "peak memory", ""),
        ("p13", "bytes on disk", "over RocksDB compacted"),
        ("p14", "cold open to first get", "clean"),
        ("p16", "SQLite", "single"),
        ("p16", "SQLite", "32 callers over plain single"),
        ("p16", "SQLite", "batches of 100"),
        ("p16", "PostgreSQL", "32 callers over 32 independent inserters"),
        ("p16", "PostgreSQL", "batches of 100"),
        ("p16g", "1 caller, single", "over the series"),
        ("p16g", "32 callers, single", "over the series"),
        ("p16g", "1 caller, batches of 100", "over the library"),
        ("p17", "SQLite", "pages of 100"),
        ("p17", "PostgreSQL", "pages of 100"),
        ("p18", "deliveries in a second, 1 hook", ""),
        ("p18", "append to POST, p50, 1 hook", ""),
        ("hash", "BLAKE3 of 65,536 bytes", ""),
    ];

    /// <summary>All rows of the results in a directory, for its own README.</summary>
    public static async Task<string> MakeAsync(string resultsDirectory) =>
        Make(await ReadAsync(resultsDirectory), folder: "", _ => true);

    /// <summary>The rows that the repository's README shows.</summary>
    /// <param name="resultsDirectory">Where the results are.</param>
    /// <param name="folder">What their links begin with.</param>
    public static async Task<string> MakeShortAsync(string resultsDirectory, string folder) =>
        Make(await ReadAsync(resultsDirectory), folder, row => Array.Exists(_headlines, headline =>
            row.Experiment == headline.Experiment &&
            row.Cells[0].StartsWith(headline.Start, StringComparison.Ordinal) &&
            row.Cells[0].EndsWith(headline.End, StringComparison.Ordinal)));

    /// <summary>Puts a table between the marks in a file.</summary>
    /// <returns>False when the file has no such marks.</returns>
    public static async Task<bool> UpdateAsync(string path, string table)
    {
        var text = await File.ReadAllTextAsync(path);
        var begin = text.IndexOf(Begin, StringComparison.Ordinal);
        var end = text.IndexOf(End, StringComparison.Ordinal);
        if (begin < 0 || end < begin)
        {
            return false;
        }

        await File.WriteAllTextAsync(path, $"{text[..begin]}{Begin}\n{table}{text[end..]}");
        return true;
    }

    /// <summary>Whether a goal that is a bound was met; null for goals that are none.</summary>
    public static bool? IsMet(string measured, string goal)
    {
        var bound = Bound().Match(goal);
        var value = Number().Match(measured);
        if (!bound.Success || !value.Success)
        {
            return null;
        }

        var (limit, found) = (Parse(bound.Groups["limit"].Value), Parse(value.Value));
        return bound.Groups["side"].Value == "≥" ? found >= limit : found <= limit;
    }

    private static string Make(IEnumerable<ResultRow> rows, string folder, Func<ResultRow, bool> isShown)
    {
        var table = new StringBuilder("| | ")
            .Append(Report.RatiosHeader[2..]).Append(" |\n|---|---|---|---|---|---|---|\n");
        foreach (var row in rows.Where(isShown))
        {
            var met = IsMet(row.Cells[1], row.Cells[^1]) switch { true => "met", false => "**missed**", null => "" };
            table.Append(CultureInfo.InvariantCulture, $"| [{row.Experiment}]({folder}{row.Experiment}.md) | ")
                .AppendJoin(" | ", row.Cells).Append(" | ").Append(met).Append(" |\n");
        }

        return table.ToString();
    }

    private static async Task<List<ResultRow>> ReadAsync(string resultsDirectory)
    {
        var found = new List<ResultRow>();
        var paths = Directory.Exists(resultsDirectory) ? Directory.GetFiles(resultsDirectory, "*.md") : [];
        foreach (var path in paths.OrderBy(OrderOf))
        {
            var rows = (await File.ReadAllLinesAsync(path))
                .SkipWhile(line => line != Report.RatiosHeader).Skip(2).TakeWhile(line => line.StartsWith('|'));
            found.AddRange(rows.Select(row => new ResultRow(
                Path.GetFileNameWithoutExtension(path), [.. row.Trim('|').Split('|').Select(cell => cell.Trim())])));
        }

        return found;
    }

    /// <summary>p1 before p13 before hash.</summary>
    private static (int, string) OrderOf(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        return (name[0] == 'p' && int.TryParse(name.AsSpan(1), out var number) ? number : int.MaxValue, name);
    }

    private static double Parse(string number) => double.Parse(number, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(?<side>[≥≤]) (?<limit>[\d,.]+)(/s| warm| at .*)?$")]
    private static partial Regex Bound();

    [GeneratedRegex(@"^-?[\d,.]+")]
    private static partial Regex Number();

    private sealed record ResultRow(string Experiment, string[] Cells);
}
