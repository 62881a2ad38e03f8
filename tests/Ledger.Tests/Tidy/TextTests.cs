using System.Text.RegularExpressions;
using Xunit;

namespace Ledger.Tests.Tidy;

/// <summary>What no file of the repository may have in it.</summary>
public sealed partial class TextTests
{
    private const int LinesMax = 600;
    private const int ColumnsMax = 120;

    // Written in two parts, so that this file has none of them.
    private static readonly string[] BannedEverywhere =
    [
        @"\bTO" + @"DO\b", @"\bFIX" + @"ME\b", @"\bHA" + @"CK\b", "NotImplemented" + "Exception", @"\bfor " + @"now\b",
        "/wo" + "rk/", "/ho" + "me/", "/ro" + @"ot/\.", @"C:\\" + "Users",
    ];

    private static readonly string[] BannedInCSharp =
    [
        @"#reg" + "ion", @"async " + "void", @"Thread\.Sl" + "eep",
        @"\bSkip" + @" *=", @"catch \(Exc" + @"eption\b(?![^\n]*when)", @"\bcat" + @"ch\s*\{",
    ];

    private static readonly string[] BannedOutsideTheRealSeams = [@"Task\.Del" + @"ay\((?!Timeout\.Infinite)"];

    [Fact]
    public void No_file_is_longer_than_600_lines_and_no_line_longer_than_120_columns()
    {
        var files = SourceFile.All(".cs .sh .cmd .py", "src", "tests", "bench", "samples");
        var faults = files.SelectMany(file => file.Lines
            .Select((line, index) => (line, number: index + 1))
            .Where(item => item.line.Length > ColumnsMax || item.number > LinesMax + 1)
            .Select(item => $"{file.Path}:{item.number}"));

        Faults.AssertNone(faults);
    }

    [Fact]
    public void No_file_has_a_banned_word()
    {
        var everywhere = SourceFile
            .All(".cs .md .sh .cmd .py .props .csproj .txt", "src", "tests", "bench", "docs", "samples")
            .Append(new SourceFile("README.md", Read("README.md")))
            .Append(new SourceFile("test.sh", Read("test.sh")))
            .Append(new SourceFile("ledger", Read("ledger")));

        var faults = Matches(everywhere, BannedEverywhere)
            .Concat(Matches(SourceFile.CSharp("src", "tests", "bench"), BannedInCSharp))
            .Concat(Matches(
                SourceFile.CSharp("src", "tests", "bench").Where(file => !IsRealSeam(file.Path)),
                BannedOutsideTheRealSeams));

        Faults.AssertNone(faults);
    }

    [Fact]
    public void No_doc_comment_has_an_empty_tag()
    {
        var faults = Matches(
            SourceFile.CSharp("src", "tests", "bench"),
            [@"<(summary|remarks|returns|value|param|typeparam|exception)\b[^>/]*>(\s|///)*</\1>"]);

        Faults.AssertNone(faults);
    }

    [Fact]
    public void Links_of_documents_lead_somewhere()
    {
        var documents = SourceFile.All(".md", "docs", "bench", "samples")
            .Append(new SourceFile("README.md", Read("README.md")));
        var faults = documents.SelectMany(file => Link().Matches(file.Text)
            .Select(match => match.Groups["to"].Value)
            .Where(to => !to.Contains(':', StringComparison.Ordinal) && to[0] != '#')
            .Where(to => !Path.Exists(Path.Combine(
                SourceFile.RepositoryRoot, Path.GetDirectoryName(file.Path)!, to.Split('#')[0])))
            .Select(to => $"{file.Path}: {to}"));

        Faults.AssertNone(faults);
    }

    [Fact]
    public void Decisions_are_in_their_index_under_their_titles()
    {
        var index = Read("docs/decisions/README.md");
        var faults = SourceFile.All(".md", "docs/decisions")
            .Where(file => file.Path != "docs/decisions/README.md")
            .Where(file =>
            {
                var name = Path.GetFileName(file.Path);
                var title = Number().Replace(file.Lines[0], "");
                return !index.Contains($"| [{name[..4]}]({name}) | {title} |", StringComparison.OrdinalIgnoreCase);
            })
            .Select(file => file.Path);

        Faults.AssertNone(faults);
    }

    [Fact]
    public void Namespaces_are_imported_in_order_those_of_the_system_first()
    {
        var faults = SourceFile.CSharp("src", "tests", "bench").SelectMany(file =>
        {
            var imports = Regex.Matches(file.Text, @"^using ([\w.]+);", RegexOptions.Multiline)
                .Select(match => match.Groups[1].Value).ToList();
            var ordered = imports
                .OrderBy(name => name == "System" || name.StartsWith("System.", StringComparison.Ordinal) ? 0 : 1)
                .ThenBy(name => name, StringComparer.OrdinalIgnoreCase);
            return imports.SequenceEqual(ordered) ? Array.Empty<string>() : [file.Path];
        });

        Faults.AssertNone(faults);
    }

    [Fact]
    public void Only_the_real_seams_are_exempt_from_the_banned_symbols()
    {
        var sections = Read(".editorconfig").Split("\n[").Skip(1)
            .Where(section => Regex.IsMatch(section, @"RS0030\.severity = (?!error)"))
            .Select(section => section[..section.IndexOf(']', StringComparison.Ordinal)]);
        var suppressed = Matches(SourceFile.CSharp("src"), ["RS0030"])
            .Concat(Matches(SourceFile.All(".csproj .props", "src"), ["RS0030"]))
            .Where(place => !IsRealSeam(place));

        Assert.Equal(["src/Ledger/Runtime/Real/**.cs"], sections);
        Faults.AssertNone(suppressed);
    }

    private static bool IsRealSeam(string path) =>
        path.StartsWith("src/Ledger/Runtime/Real/", StringComparison.Ordinal);

    private static string Read(string path) => File.ReadAllText(Path.Combine(SourceFile.RepositoryRoot, path));

    /// <summary>Where the patterns occur: path, line and what was found.</summary>
    private static IEnumerable<string> Matches(IEnumerable<SourceFile> files, string[] patterns) =>
        files.SelectMany(file => patterns.SelectMany(pattern => Regex.Matches(file.Text, pattern).Select(match =>
            $"{file.Path}:{file.Text.AsSpan(0, match.Index).Count('\n') + 1}: {match.Value}")));

    /// <summary>A link in the text, or the end of one.</summary>
    [GeneratedRegex(@"\]\((?<to>[^)\s]+)\)|^\[[^\]]+\]: (?<to>\S+)$", RegexOptions.Multiline)]
    private static partial Regex Link();

    /// <summary>The number before a title.</summary>
    [GeneratedRegex(@"^# (\d+[.:] )?")]
    private static partial Regex Number();
}
