using System.Text.RegularExpressions;

namespace Ledger.Tests.Tidy;

/// <summary>A text file of the repository, as the tidy tests read it.</summary>
/// <param name="Path">Relative to the repository, with slashes.</param>
/// <param name="Text">The whole file.</param>
internal sealed partial record SourceFile(string Path, string Text)
{
    private static readonly string[] Skipped = ["bin", "obj", "TestResults", "artifacts", "data", ".git", ".ledger"];

    /// <summary>The directory that holds the solution.</summary>
    public static string RepositoryRoot { get; } = FindRoot();

    /// <summary>The lines, without their ends.</summary>
    public string[] Lines => Text.Split('\n');

    /// <summary>The text without comments and string literals: what the compiler resolves names in.</summary>
    public string Code => Comment().Replace(StringLiteral().Replace(Text, "\"\""), "");

    /// <summary>
    /// Every file under the folders with one of the extensions, build output and test data apart, ascending by path.
    /// </summary>
    public static IReadOnlyList<SourceFile> All(string extensions, params string[] folders) =>
        [.. folders
            .SelectMany(folder => Walk(System.IO.Path.Combine(RepositoryRoot, folder)))
            .Where(path => extensions.Split(' ').Contains(System.IO.Path.GetExtension(path)))
            .Order(StringComparer.Ordinal)
            .Select(path => new SourceFile(
                System.IO.Path.GetRelativePath(RepositoryRoot, path).Replace('\\', '/'), File.ReadAllText(path)))];

    /// <summary>The C# sources of the product and its tests.</summary>
    public static IReadOnlyList<SourceFile> CSharp(params string[] folders) => All(".cs", folders);

    private static IEnumerable<string> Walk(string directory) =>
        Directory.EnumerateFiles(directory).Concat(
            Directory.EnumerateDirectories(directory)
                .Where(child => !Skipped.Contains(System.IO.Path.GetFileName(child)))
                .SelectMany(Walk));

    private static string FindRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(System.IO.Path.Combine(directory.FullName, "Ledger.slnx")))
        {
            directory = directory.Parent;
        }

        return directory?.FullName
            ?? throw new InvalidOperationException("The tests do not run inside the repository.");
    }

    [GeneratedRegex("""
        "(?:[^"\\\n]|\\.)*"
        """)]
    private static partial Regex StringLiteral();

    [GeneratedRegex(@"//[^\n]*|/\*.*?\*/", RegexOptions.Singleline)]
    private static partial Regex Comment();
}
