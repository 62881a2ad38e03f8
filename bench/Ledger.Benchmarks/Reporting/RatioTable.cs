using System.Text;

namespace Ledger.Benchmarks.Reporting;

/// <summary>The README's table "Measured", made of the results' sections "Ratios".</summary>
internal static class RatioTable
{
    private const string Begin = "<!-- measured: begin -->";
    private const string End = "<!-- measured: end -->";

    /// <summary>Makes the table of the results in a directory.</summary>
    public static async Task<string> MakeAsync(string resultsDirectory)
    {
        var table = new StringBuilder("| | ").Append(Report.RatiosHeader[2..]).Append("\n|---|---|---|---|---|\n");
        var paths = Directory.Exists(resultsDirectory) ? Directory.GetFiles(resultsDirectory, "*.md") : [];
        foreach (var path in paths.OrderBy(OrderOf))
        {
            var name = Path.GetFileNameWithoutExtension(path);
            var rows = (await File.ReadAllLinesAsync(path))
                .SkipWhile(line => line != Report.RatiosHeader).Skip(2).TakeWhile(line => line.StartsWith('|'));
            foreach (var row in rows)
            {
                table.Append("| [").Append(name).Append("](bench/results/").Append(name).Append(".md) ")
                    .Append(row).Append('\n');
            }
        }

        return table.ToString();
    }

    /// <summary>Puts the table between the marks in a file.</summary>
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

    /// <summary>p1 before p13 before hash.</summary>
    private static (int, string) OrderOf(string path)
    {
        var name = Path.GetFileNameWithoutExtension(path);
        return (name[0] == 'p' && int.TryParse(name.AsSpan(1), out var number) ? number : int.MaxValue, name);
    }
}
