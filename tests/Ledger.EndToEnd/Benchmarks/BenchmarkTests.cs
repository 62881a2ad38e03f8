using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.Benchmarks;

/// <summary>That every experiment runs to its end and writes its result; nothing is timed.</summary>
public sealed class BenchmarkTests : IDisposable
{
    private readonly TestDirectory _directory = new();

    [Fact]
    public async Task Every_experiment_runs_without_peers_and_leaves_nothing_but_its_result()
    {
        var result = await RunAsync("all", "--smoke", "--no-peers", "--out", "results");

        Assert.True(result.ExitCode == 0, result.Error + result.Text);
        var modes = (await RunAsync("list")).Lines.Select(line => line.Split(' ')[0] + ".md");
        Assert.Equal(modes.Order(), Directory.GetFiles(_directory["results"]).Select(Path.GetFileName).Order());
        Assert.Equal([_directory["results"]], Directory.GetFileSystemEntries(_directory.Path));
    }

    [Fact]
    public async Task Gets_and_scans_run_beside_the_peers_that_are_here()
    {
        var result = await RunAsync("p4,p5", "--smoke", "--out", "results");

        Assert.True(result.ExitCode == 0, result.Error + result.Text);
        Assert.Equal(2, Directory.GetFiles(_directory["results"]).Length);
    }

    [Fact]
    public async Task The_table_is_made_of_the_results_and_put_into_the_readme()
    {
        _directory.Write("README.md", "# It", "<!-- measured: begin -->", "old", "<!-- measured: end -->", "rest");
        await RunAsync("hash,p2", "--smoke", "--no-peers", "--out", "results");

        var result = await RunAsync("table", "--out", "results");

        var readme = await File.ReadAllLinesAsync(_directory["README.md"]);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.DoesNotContain("old", readme);
        Assert.Equal("rest", readme[^1]);
        Assert.StartsWith("| [p2]", readme[4], StringComparison.Ordinal);
        Assert.Contains(readme, line => line.StartsWith("| [hash]", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_unknown_experiment_is_named()
    {
        var result = await RunAsync("p1,p99");

        Assert.Equal(2, result.ExitCode);
        Assert.Contains("'p99'", result.Error, StringComparison.Ordinal);
    }

    /// <inheritdoc/>
    public void Dispose() => _directory.Dispose();

    private async Task<ChildResult> RunAsync(params string[] arguments)
    {
        using var child = Child.Start("Ledger.Benchmarks.dll", _directory.Path, arguments);
        return await child.EndAsync();
    }
}
