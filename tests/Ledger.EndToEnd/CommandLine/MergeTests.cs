using System.Text.Json;
using System.Xml.Linq;
using Ledger.EndToEnd.Processes;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class MergeTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Heads_are_listed_merged_explained_replayed_and_drawn()
    {
        await DivergeAsync();

        var heads = await _shell.JsonAsync("page", "heads");
        Assert.Equal(2, heads.Length);
        var apart = await _shell.DoAsync("page", "graph");
        Assert.Contains("| *", apart.Text, StringComparison.Ordinal);

        var merge = Assert.Single(await _shell.JsonAsync("page", "merge", "--message", "by hand"));
        Assert.Equal(2, merge.GetProperty("heads").GetInt32());
        var id = merge.GetProperty("commit").GetString()!;
        Assert.Equal(id, Assert.Single(await _shell.JsonAsync("page", "heads")).GetProperty("commit").GetString());
        Assert.Equal("2", (await _shell.DoAsync("page", "get", "k")).Text);
        Assert.Equal("1", (await _shell.DoAsync("page", "get", "x")).Text);

        var explanation = Assert.Single(await _shell.JsonAsync("page", "explain", "k"));
        Assert.Equal(
            (id, "left", "0", "2", "1", "2"),
            (Text(explanation, "merge"), Text(explanation, "decision"), Text(explanation, "base"),
                Text(explanation, "left"), Text(explanation, "right"), Text(explanation, "result")));
        Assert.Equal(heads[0].GetProperty("commit").GetString(), Text(explanation, "right_commit"));
        Assert.Contains(
            "asked for under LastOneWins: took left", (await _shell.DoAsync("page", "explain", "k")).Text,
            StringComparison.Ordinal);
        Assert.Equal("no merge has decided this key\n", (await _shell.DoAsync("page", "explain", "none")).Text);

        Assert.Equal("the same\n", (await _shell.DoAsync("page", "replay", id)).Text);
        var other = await _shell.RunAsync("page", "replay", id[..12], "--resolver", "counter", "--json");
        Assert.Equal(1, other.ExitCode);
        Assert.Equal("""{"key":"k","before":"2","after":"3"}""", Assert.Single(other.Lines));
        await _shell.FailAsync(2, "page", "replay", heads[0].GetProperty("commit").GetString()!);

        Assert.Contains("M", (await _shell.DoAsync("page", "graph")).Lines[0], StringComparison.Ordinal);
        await _shell.DoAsync("page", "graph", "--svg", "graph.svg");
        var picture = XDocument.Load(Path.Combine(_shell.Directory.Path, "graph.svg"));
        Assert.Equal(4, picture.Descendants().Count(element => element.Name.LocalName == "circle"));
        await _shell.AssertSoundAsync();
    }

    private static string? Text(JsonElement line, string name) => line.GetProperty(name).GetString();

    /// <summary>Two heads, as two transactions on one state leave them.</summary>
    private async Task DivergeAsync()
    {
        await using var repository = await Repository.OpenAsync(Path.Combine(_shell.Directory.Path, ".ledger"));
        var ledger = await repository.GetLedgerAsync("default");
        ledger.SetConflictResolver(MergePolicy.None);
        await using var page = await ledger.GetPageAsync(PageId.Root);
        await using var other = await ledger.GetPageAsync(PageId.Root);
        await page.PutAsync(Shell.Bytes("k"), Shell.Bytes("0"));
        await using var first = await page.BeginTransactionAsync();
        await using var second = await other.BeginTransactionAsync();
        await first.PutAsync(Shell.Bytes("k"), Shell.Bytes("1"));
        await first.PutAsync(Shell.Bytes("x"), Shell.Bytes("1"));
        await second.PutAsync(Shell.Bytes("k"), Shell.Bytes("2"));
        await first.CommitAsync();
        await second.CommitAsync();
    }
}
