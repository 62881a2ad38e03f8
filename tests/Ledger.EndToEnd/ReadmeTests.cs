using System.Runtime.CompilerServices;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd;

/// <summary>What the README shows compiles, runs, and is what the sample program does.</summary>
public sealed class ReadmeTests
{
    [Fact]
    public async Task A_page_in_ten_lines_does_what_it_says()
    {
        using var directory = new TestDirectory();

        var lines = await Quickstart.Pages.RunAsync(directory["data"]);

        Assert.Equal(["item/1 = bread", "title = Shopping"], lines);
    }

    [Fact]
    public async Task A_stream_in_ten_lines_does_what_it_says()
    {
        using var directory = new TestDirectory();

        var lines = await Quickstart.Streams.RunAsync(directory["app.db"]);

        Assert.Equal(
            [
                "user-123: paid", "user-123: sent", "user-456: {\"Buyer\":\"ann\",\"Total\":99.99}",
                "user-789: enlisted", "the consumer handled 4 entries",
            ],
            lines);
    }

    [Theory]
    [InlineData("A page", "Pages.cs")]
    [InlineData("A stream", "Streams.cs")]
    public async Task The_lines_of_the_README_are_those_of_the_sample(string heading, string file)
    {
        var root = Path.Combine(SourcePath(), "../../..");
        var source = (await File.ReadAllLinesAsync(Path.Combine(root, "samples/Quickstart", file)))
            .Select(line => line.Trim()).ToHashSet();
        var readme = await File.ReadAllLinesAsync(Path.Combine(root, "README.md"));
        var lines = readme.SkipWhile(line => line != $"## {heading} in ten lines")
            .SkipWhile(line => line != "```csharp").Skip(1).TakeWhile(line => line != "```")
            .Where(line => line.Length > 0).ToArray();

        Assert.InRange(lines.Count(line => line[0] is not ('/' or 'u')), 7, 10);
        Assert.All(lines, line =>
        {
            var code = line.Split(" //")[0].Trim().Replace("\"data\"", "directory", StringComparison.Ordinal);
            Assert.Contains(code, source);
        });
    }

    private static string SourcePath([CallerFilePath] string path = "") => path;
}
