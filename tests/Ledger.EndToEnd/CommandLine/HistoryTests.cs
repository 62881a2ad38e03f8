using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class HistoryTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Log_lists_every_commit_newest_first()
    {
        await PutThreeVersionsAsync();

        var log = await _shell.JsonAsync("page", "log");
        var limited = await _shell.DoAsync("page", "log", "--limit", "1");

        Assert.True(log.Length >= 3);
        Assert.Single(limited.Lines);
        for (var i = 1; i < log.Length; i++)
        {
            Assert.Equal(
                log[i].GetProperty("commit").GetString(),
                Assert.Single(log[i - 1].GetProperty("parents").EnumerateArray()).GetString());
            Assert.Equal(
                log[i].GetProperty("generation").GetInt64() + 1, log[i - 1].GetProperty("generation").GetInt64());
        }

        Assert.Equal(64, log[0].GetProperty("root").GetString()!.Length);
        Assert.Equal(32, log[0].GetProperty("device").GetString()!.Length);
        Assert.True(log[0].GetProperty("time").GetDateTimeOffset() > DateTimeOffset.UnixEpoch);
        Assert.Equal(1, log[0].GetProperty("changes").GetInt64());
    }

    [Fact]
    public async Task An_earlier_state_is_read_by_commit_abbreviation_and_time()
    {
        await PutThreeVersionsAsync();
        var log = await _shell.JsonAsync("page", "log");
        var first = CommitOf(log[^1].GetProperty("generation").GetInt64() == 0 ? log[^2] : log[^1]);
        var time = log[0].GetProperty("time").GetString()!;

        Assert.Equal("one", (await _shell.DoAsync("page", "get", "a", "--as-of", first)).Text);
        Assert.Equal("one", (await _shell.DoAsync("page", "get", "a", "--as-of", first[..10])).Text);
        Assert.Equal("1\n", (await _shell.DoAsync("page", "count", "--as-of", first)).Text);
        Assert.Equal("three", (await _shell.DoAsync("page", "get", "a", "--as-of", time)).Text);
        Assert.Equal("a\n", (await _shell.DoAsync("page", "keys", "--as-of", first)).Text);
        Assert.Equal("a\tone\n", (await _shell.DoAsync("page", "scan", "--as-of", first)).Text);
        Assert.Equal(
            "{\"key\":\"a\",\"value\":\"one\"}\n", (await _shell.DoAsync("page", "export", "--as-of", first)).Text);
        await _shell.FailAsync(3, "page", "get", "a", "--as-of", new string('0', 64));
        await _shell.FailAsync(3, "page", "get", "a", "--as-of", "000000000000");
        await _shell.FailAsync(3, "page", "get", "a", "--as-of", "1970-01-01T00:00:00Z");
        await _shell.FailAsync(2, "page", "get", "a", "--as-of", "abc");
        await _shell.FailAsync(2, "page", "get", "a", "--as-of", "yesterday");
    }

    [Fact]
    public async Task Diff_shows_what_was_added_changed_and_deleted()
    {
        _shell.Directory.Write(
            "rows.jsonl", """{"key":"a","value":"1"}""", """{"key":"b","value":"2"}""", """{"key":"c","value":"3"}""");
        await _shell.DoAsync("page", "import", "rows.jsonl");
        var before = CommitOf((await _shell.JsonAsync("page", "log"))[0]);
        await _shell.DoAsync("page", "rm", "a");
        await _shell.DoAsync("page", "put", "b", "00ff", "--hex");
        await _shell.DoAsync("page", "put", "d", "4");
        var after = CommitOf((await _shell.JsonAsync("page", "log"))[0]);

        var diff = await _shell.JsonAsync("page", "diff", before, after[..8]);
        var text = await _shell.DoAsync("page", "diff", before, after, "--hex");

        Assert.Equal(
            [
                """{"key":"a","before":"1","after":null}""",
                """{"key":"b","before":"Mg==","after":"AP8=","encoding":"base64"}""",
                """{"key":"d","before":null,"after":"4"}""",
            ],
            diff.Select(change => change.GetRawText()));
        Assert.Equal(["- a\t31", "~ b\t32 -> 00ff", "+ d\t34"], text.Lines);
    }

    [Fact]
    public async Task History_of_a_key_shows_each_value_and_its_deletion()
    {
        await PutThreeVersionsAsync();
        await _shell.DoAsync("page", "rm", "a");

        var versions = await _shell.JsonAsync("page", "history", "a");

        Assert.Equal(
            [null, "three", "two", "one"], versions.Select(version => version.GetProperty("value").GetString()));
        Assert.True(versions[0].GetProperty("deleted").GetBoolean());
        Assert.All(versions, version => Assert.Equal(64, CommitOf(version).Length));
        await _shell.FailAsync(3, "page", "history", "never");
    }

    [Fact]
    public async Task Restore_brings_a_prefix_back_as_one_commit()
    {
        await _shell.DoAsync("page", "put", "a/1", "old");
        await _shell.DoAsync("page", "put", "b/1", "old");
        var old = CommitOf((await _shell.JsonAsync("page", "log"))[0]);
        await _shell.DoAsync("page", "put", "a/1", "new");
        await _shell.DoAsync("page", "put", "b/1", "new");
        var length = (await _shell.JsonAsync("page", "log")).Length;

        var restored = Assert.Single(await _shell.JsonAsync("page", "restore", old, "--prefix", "a/"));
        var log = await _shell.JsonAsync("page", "log");

        Assert.Equal("a/1\told\nb/1\tnew\n", (await _shell.DoAsync("page", "scan")).Text);
        Assert.Equal(CommitOf(restored), CommitOf(log[0]));
        Assert.Equal(length + 1, log.Length);
    }

    private static string CommitOf(JsonElement line) => line.GetProperty("commit").GetString()!;

    private async Task PutThreeVersionsAsync()
    {
        foreach (var value in new[] { "one", "two", "three" })
        {
            // Reading the log folds: otherwise puts without a reader between them may become one commit.
            await _shell.DoAsync("page", "put", "a", value);
            await _shell.DoAsync("page", "log");
        }
    }
}
