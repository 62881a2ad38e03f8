using System.Globalization;
using System.Text;
using Ledger.Benchmarks.Measuring;

namespace Ledger.Benchmarks.Reporting;

/// <summary>The result of one experiment as Markdown; the README's table is made of its section "Ratios".</summary>
internal sealed class Report
{
    /// <summary>Header of the section that <see cref="RatioTable"/> collects.</summary>
    public const string RatiosHeader = "| what | measured | interval | rounds | goal |";

    /// <summary>Goal of a ratio that has none and is not for the README.</summary>
    public const string NoGoal = "none";

    /// <summary>Goal of a ratio that has none and is for the README all the same.</summary>
    public const string Reported = "reported";

    private readonly StringBuilder _body = new();
    private readonly List<string> _ratios = [];
    private readonly List<string> _more = [];

    /// <summary>Whether ratios are for the README: those of the largest size are.</summary>
    public bool IsHeadline { get; set; } = true;

    /// <summary>Adds a paragraph.</summary>
    public void Say(string text) => _body.Append(text).Append("\n\n");

    /// <summary>Adds a heading.</summary>
    public void Heading(string text) => _body.Append(Text($"## {text}\n\n"));

    /// <summary>Adds a table.</summary>
    public void Table(IReadOnlyList<string> header, IEnumerable<IReadOnlyList<string>> rows)
    {
        _body.Append(Row(header)).Append(Row([.. header.Select(_ => "---")]));
        foreach (var row in rows)
        {
            _body.Append(Row(row));
        }

        _body.Append('\n');
    }

    /// <summary>Adds all that rounds gave: every round of every contender, and the medians.</summary>
    public void Add(Rounds rounds)
    {
        Heading(rounds.Title);
        Table(
            ["contender", "median ops/s", "p50 µs", "p99 µs", "CPU µs/op", "written B/op", "allocated B/op", "GCs",
                .. rounds.FigureLabels()],
            rounds.Names.Select(name => (IReadOnlyList<string>)[name, .. Medians(rounds, name)]));
        Say("Operations per second in each round:");
        var count = rounds.Names.Max(name => rounds.Samples(name).Count);
        Table(
            ["contender", .. Enumerable.Range(1, count).Select(round => Text($"{round}"))],
            rounds.Names.Select(name => (IReadOnlyList<string>)
                [name, .. rounds.Samples(name).Select(sample => Number(sample.Rate))]));
    }

    /// <summary>Adds a ratio, one value for each round, with what it means.</summary>
    public void Ratio(string what, IReadOnlyList<double> values, string goal = NoGoal, string unit = "×")
    {
        var interval = Statistics.Bootstrap(values);
        var range = values.Count > 1 ? $"{Number(interval.Low)} – {Number(interval.High)}" : "";
        (IsHeadline && goal != NoGoal ? _ratios : _more).Add(
            Row([what, $"{Number(interval.Median)} {unit}".TrimEnd(), range, Text($"{values.Count}"), goal]));
        Console.WriteLine($"  {what}: {Number(interval.Median)} {unit} [{range}], {values.Count} rounds; goal {goal}");
    }

    /// <summary>Adds a figure that is one number.</summary>
    public void Figure(string what, double value, string goal, string unit) => Ratio(what, [value], goal, unit);

    /// <summary>Writes the file.</summary>
    /// <returns>Its path.</returns>
    public async Task<string> WriteAsync(string directory, string name, string title, string meaning, string command)
    {
        Directory.CreateDirectory(directory);
        var text = new StringBuilder();
        text.Append(Text($"# {title}\n\n{meaning}\n\n"));
        text.Append(Text($"- machine: {Machine.Describe()}\n"));
        text.Append(Text($"- commit: {await Machine.CommitAsync()}\n- command: `{command}`\n"));
        text.Append(Text($"- date: {DateTime.UtcNow:yyyy-MM-dd HH:mm} UTC\n\n"));
        text.Append("## Ratios\n\n").Append(RatiosHeader).Append("\n| --- | --- | --- | --- | --- |\n");
        text.AppendJoin("", _ratios).Append('\n');
        if (_more.Count > 0)
        {
            text.Append("## More ratios\n\n").Append(RatiosHeader).Append("\n| --- | --- | --- | --- | --- |\n");
            text.AppendJoin("", _more).Append('\n');
        }

        text.Append(_body);
        var path = Path.Combine(directory, name + ".md");
        await File.WriteAllTextAsync(path, text.ToString().TrimEnd('\n') + "\n");
        return path;
    }

    /// <summary>A number with three significant digits, as people read it.</summary>
    public static string Number(double value) => double.IsNaN(value) ? "" : Math.Abs(value) switch
    {
        >= 100 => value.ToString("N0", CultureInfo.InvariantCulture),
        >= 10 => value.ToString("N1", CultureInfo.InvariantCulture),
        >= 1 => value.ToString("N2", CultureInfo.InvariantCulture),
        0 => "0",
        _ => value.ToString("G3", CultureInfo.InvariantCulture),
    };

    private static IEnumerable<string> Medians(Rounds rounds, string name)
    {
        var samples = rounds.Samples(name);
        Func<Sample, double>[] columns =
        [
            sample => sample.Rate, sample => sample.P50Us, sample => sample.P99Us,
            sample => sample.CpuSeconds * 1e6 / sample.Operations,
            sample => sample.WriteBytes / (double)sample.Operations,
            sample => sample.AllocatedBytes / (double)sample.Operations, sample => sample.Collections,
        ];
        return columns.Select(column => Number(Statistics.Median(samples.Select(column))))
            .Concat(rounds.FigureLabels().Select(label => Number(Statistics.Median(rounds.Figures(name, label)))));
    }

    private static string Row(IReadOnlyList<string> cells) => $"| {string.Join(" | ", cells)} |\n";

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
