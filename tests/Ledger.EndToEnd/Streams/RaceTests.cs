using System.Text;
using Ledger.EndToEnd.Processes;
using Ledger.Streams;
using Ledger.Streams.Sqlite;
using Xunit;

namespace Ledger.EndToEnd.Streams;

/// <summary>What the kit asks of concurrent callers holds for two processes on one SQLite file.</summary>
public sealed class RaceTests
{
    [Fact]
    public async Task Two_processes_agree_on_keys_ends_annotations_and_the_order_of_commit()
    {
        using var directory = new TestDirectory();
        await using var store = new SqliteStreamStore(new() { DataSource = directory["app.db"], Store = "events" });
        await store.AppendAsync("annotated", new NewEntry("x"u8.ToArray()));

        using var left = Child.Start("Ledger.EndToEnd.dll", directory.Path, "race", directory["app.db"], "a");
        using var right = Child.Start("Ledger.EndToEnd.dll", directory.Path, "race", directory["app.db"], "bb");
        foreach (var child in new[] { left, right })
        {
            Assert.Equal("ready", await child.ReadLineAsync());
        }

        foreach (var child in new[] { left, right })
        {
            await child.WriteAsync(Shell.Bytes("\n"));
        }

        var results = await Task.WhenAll(left.EndAsync(), right.EndAsync());
        Assert.All(results, result => Assert.Equal((0, ""), (result.ExitCode, result.Error)));
        AssertOneOfEachKey(results);
        await AssertChainAsync(store);
        var annotated = await store.FindAsync(RaceChild.Annotated);
        Assert.Equal(
            new[] { "a", "bb" }.SelectMany(name => Enumerable.Range(0, RaceChild.Annotations)
                .Select(index => $"{name}{index}={name}")).Order(StringComparer.Ordinal),
            annotated!.Annotations.Select(pair => $"{pair.Key}={pair.Value}").Order(StringComparer.Ordinal));
    }

    private static void AssertOneOfEachKey(ChildResult[] results)
    {
        var said = results.SelectMany(result => result.Lines.Skip(1)).Select(line => line.Split(' ')).ToList();
        foreach (var key in said.GroupBy(words => words[0]))
        {
            Assert.Equal(["False", "True"], key.Select(words => words[2]).Order());
            Assert.Single(key.Select(words => words[1]).Distinct());
        }

        Assert.Equal(2 * RaceChild.Keys, said.Count);
    }

    /// <summary>Each entry was appended after the one that it names: nothing was lost or doubled.</summary>
    private static async Task AssertChainAsync(SqliteStreamStore store)
    {
        var links = await store.ReadAsync("links").ToListAsync();
        var named = links.Select(entry => Encoding.ASCII.GetString(entry.Payload.Span).Split(' ')[1]);
        Assert.Equal(2 * RaceChild.Links, links.Count);
        Assert.Equal(links.SkipLast(1).Select(entry => entry.Id.ToString()).Prepend("0"), named);
    }
}
