using System.Text.RegularExpressions;
using Xunit;

namespace Ledger.Tests.Tidy;

/// <summary>The folders of src/Ledger are layers; each knows only those before it.</summary>
public sealed class LayerTests
{
    // The root of the assembly comes after all of them.
    private static readonly string[] Layers = ["Runtime", "Codecs", "Objects", "Trees", "Commits", "Pages", "Sync"];

    [Fact]
    public void A_layer_names_only_the_layers_before_it()
    {
        var files = SourceFile.CSharp("src/Ledger");
        var rootTypes = files.Where(file => LayerOf(file) == Layers.Length)
            .Select(file => Path.GetFileNameWithoutExtension(file.Path)).ToArray();

        var faults = files.SelectMany(file => Layers.Concat(rootTypes)
            .Where((name, rank) => Math.Min(rank, Layers.Length) > LayerOf(file))
            .Where(name => Names(file.Code, name, isType: rootTypes.Contains(name)))
            .Select(name => $"{file.Path} uses {name}, which comes after its own layer."));

        Faults.AssertNone(faults);
    }

    [Fact]
    public void Projects_depend_one_way()
    {
        // Each project, and the ones of this repository that it may refer to.
        var allowed = new Dictionary<string, string[]>
        {
            ["Ledger"] = [],
            ["Ledger.Streams"] = ["Ledger"],
            ["Ledger.Streams.Sqlite"] = ["Ledger.Streams"],
            ["Ledger.Streams.Postgres"] = ["Ledger.Streams"],
            ["Ledger.Rpc"] = ["Ledger.Streams"],
            ["Ledger.Server"] = ["Ledger.Rpc", "Ledger.Streams.Sqlite", "Ledger.Streams.Postgres"],
            ["Ledger.Cli"] =
                ["Ledger", "Ledger.Streams", "Ledger.Streams.Sqlite", "Ledger.Streams.Postgres", "Ledger.Server"],
        };

        var faults = SourceFile.All(".csproj", "src").SelectMany(file => Regex
            .Matches(file.Text, @"<ProjectReference Include=""[^""]*/([\w.]+)\.csproj""")
            .Select(match => match.Groups[1].Value)
            .Except(allowed.GetValueOrDefault(Path.GetFileNameWithoutExtension(file.Path), []))
            .Select(name => $"{file.Path} refers to {name}."));

        Faults.AssertNone(faults);
    }

    [Fact]
    public void Every_folder_of_the_library_is_a_layer()
    {
        var folders = Directory.GetDirectories(Path.Combine(SourceFile.RepositoryRoot, "src/Ledger"))
            .Select(Path.GetFileName).Except(["bin", "obj"]);

        Faults.AssertNone(folders.Except(Layers));
    }

    [Fact]
    public void Namespaces_equal_folders()
    {
        var faults = SourceFile.CSharp("src", "tests", "bench")
            .Where(file => !IsNamespaceOf(file)).Select(file => file.Path);

        Faults.AssertNone(faults);
    }

    /// <summary>Rank of the file's layer; the number of layers for the root.</summary>
    private static int LayerOf(SourceFile file)
    {
        var rank = Array.IndexOf(Layers, file.Path.Split('/')[2]);
        return rank < 0 ? Layers.Length : rank;
    }

    /// <summary>Whether code uses a layer, qualified from any enclosing namespace, or a type of the root.</summary>
    private static bool Names(string code, string name, bool isType) => isType
        ? Regex.IsMatch(code, $@"(?<!namespace [\w.]*|[\w.]){name}\b(?!\s*=>)")
        : Regex.IsMatch(code, $@"\bLedger\.{name}\b|(?<![\w.]){name}\.[A-Z]");

    private static bool IsNamespaceOf(SourceFile file)
    {
        // src/Ledger/Runtime/Real/X.cs and tests/Ledger.Tests/Tidy/X.cs; a Program.cs has top-level statements.
        var expected = string.Join('.', file.Path.Split('/')[1..^1]);
        return file.Lines.Contains($"namespace {expected};") || Path.GetFileName(file.Path) == "Program.cs";
    }
}
