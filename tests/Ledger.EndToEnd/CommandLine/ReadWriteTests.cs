using System.Security.Cryptography;
using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class ReadWriteTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Get_prints_what_put_stored_and_nothing_else()
    {
        var put = await _shell.DoAsync("page", "put", "title", "Shopping list");

        var get = await _shell.DoAsync("page", "get", "title");

        Assert.Empty(put.Output);
        Assert.Equal("Shopping list", get.Text);
    }

    [Fact]
    public async Task Values_of_any_bytes_go_through_pipes_files_and_digits()
    {
        byte[] value = [0, 255, 10, 13, 128, 0];
        await File.WriteAllBytesAsync(_shell.Directory["in"], value);

        await _shell.PipeAsync(value, "page", "put", "piped", "-");
        await _shell.DoAsync("page", "put", "file", "--file", "in");
        await _shell.DoAsync("page", "put", "hex", "00ff0a0d8000", "--hex");
        await _shell.DoAsync("page", "put", "base64", "AP8KDYAA", "--base64");
        await _shell.DoAsync("page", "get", "hex", "--file", "out");

        foreach (var key in new[] { "piped", "file", "hex", "base64" })
        {
            Assert.Equal(value, (await _shell.DoAsync("page", "get", key)).Output);
        }

        Assert.Equal("00ff0a0d8000\n", (await _shell.DoAsync("page", "get", "piped", "--hex")).Text);
        Assert.Equal("AP8KDYAA\n", (await _shell.DoAsync("page", "get", "piped", "--base64")).Text);
        Assert.Equal(value, await File.ReadAllBytesAsync(_shell.Directory["out"]));
    }

    [Fact]
    public async Task Json_of_an_entry_names_its_encoding_only_where_it_is_not_text()
    {
        await _shell.DoAsync("page", "put", "text", "größe");
        await _shell.DoAsync("page", "put", "bytes", "00ff", "--hex");
        await _shell.DoAsync("page", "put", "ff01", "x", "--key-encoding", "hex");

        var entries = await _shell.JsonAsync("page", "scan");
        var one = await _shell.JsonAsync("page", "get", "bytes");

        Assert.Equal(
            [
                """{"key":"bytes","value":"AP8=","encoding":"base64"}""",
                """{"key":"text","value":"größe"}""",
                """{"key":"/wE=","key_encoding":"base64","value":"x"}""",
            ],
            entries.Select(entry => entry.GetRawText()));
        Assert.Equal(entries[0].GetRawText(), Assert.Single(one).GetRawText());
    }

    [Fact]
    public async Task Keys_scan_and_count_show_a_prefix_a_range_a_limit_and_either_order()
    {
        _shell.Directory.Write(
            "rows.jsonl", Enumerable.Range(0, 10).Select(i => $$"""{"key":"item/{{i}}","value":"v{{i}}"}"""));
        await _shell.DoAsync("page", "import", "rows.jsonl");
        await _shell.DoAsync("page", "put", "other", "x");

        var reversed = await _shell.DoAsync("page", "keys", "--prefix", "item/", "--reverse", "--limit", "2");
        var range = await _shell.DoAsync("page", "scan", "--start", "item/3", "--end", "item/5");
        var all = await _shell.JsonAsync("page", "count");
        var some = await _shell.DoAsync("page", "count", "--prefix", "item/", "--start", "item/4");

        Assert.Equal("item/9\nitem/8\n", reversed.Text);
        Assert.Equal("item/3\tv3\nitem/4\tv4\n", range.Text);
        Assert.Equal("""{"count":11}""", Assert.Single(all).GetRawText());
        Assert.Equal("6\n", some.Text);
    }

    [Fact]
    public async Task Rm_removes_a_key_and_a_missing_one_is_not_found()
    {
        await _shell.DoAsync("page", "put", "a", "1");

        await _shell.DoAsync("page", "rm", "a");

        Assert.Equal("Page root has no key 'a'.", await _shell.FailAsync(3, "page", "get", "a"));
        Assert.Equal("Page root has no key 'a'.", await _shell.FailAsync(3, "page", "rm", "a"));
    }

    [Fact]
    public async Task A_large_value_streams_in_and_out()
    {
        var value = new byte[5_000_000];
        new Random(7).NextBytes(value);
        await File.WriteAllBytesAsync(_shell.Directory["in"], value);

        var put = await _shell.JsonAsync("page", "put", "big", "--file", "in");
        await _shell.PipeAsync(value, "page", "put", "piped", "-");
        await _shell.DoAsync("page", "get", "big", "--file", "out");
        var exported = await _shell.DoAsync("page", "export");
        await File.WriteAllBytesAsync(_shell.Directory["rows.jsonl"], exported.Output);
        await _shell.DoAsync("page", "import", "rows.jsonl", "--app", "copy");

        Assert.Equal("""{"key":"big","size":5000000}""", Assert.Single(put).GetRawText());
        Assert.Equal(value, await File.ReadAllBytesAsync(_shell.Directory["out"]));
        Assert.Equal(value, (await _shell.DoAsync("page", "get", "piped")).Output);
        Assert.Equal(value, (await _shell.DoAsync("page", "get", "piped", "--app", "copy")).Output);
        await _shell.AssertSoundAsync();
    }

    [Fact]
    public async Task Applications_and_pages_do_not_see_each_other()
    {
        var created = await _shell.JsonAsync("page", "create", "--app", "notes");
        var page = created[0].GetProperty("page").GetString()!;
        await _shell.DoAsync("page", "put", "a", "root", "--app", "notes");
        await _shell.DoAsync("page", "put", "a", "created", "--app", "notes", "--page", page);

        var listed = await _shell.DoAsync("page", "list", "--app", "notes");
        await _shell.DoAsync("page", "delete", page, "--app", "notes");

        Assert.Equal([new string('0', 32), page], listed.Lines);
        Assert.Equal("root", (await _shell.DoAsync("page", "get", "a", "--app", "notes")).Text);
        await _shell.FailAsync(3, "page", "get", "a", "--app", "notes", "--page", page);
        await _shell.FailAsync(3, "page", "delete", page, "--app", "notes");
        await _shell.FailAsync(3, "page", "get", "a", "--app", "other");
    }

    [Fact]
    public async Task The_repository_is_where_data_or_the_environment_says()
    {
        await _shell.DoAsync("page", "put", "a", "here", "--data", "here");
        await _shell.DoAsync("--data", "there", "page", "put", "a", "there");

        Assert.Equal("here", (await _shell.DoAsync("page", "get", "a", "--data", "here")).Text);
        Assert.Equal("there", (await _shell.DoAsync("page", "get", "a", "--data", "there")).Text);
        Assert.False(Directory.Exists(_shell.Directory[".ledger"]));
    }

    [Fact]
    public async Task Verify_says_what_it_checked()
    {
        await _shell.DoAsync("page", "put", "a", new string('x', 5000));

        var report = Assert.Single(await _shell.JsonAsync("verify"));

        Assert.True(report.GetProperty("objects").GetInt64() > 0);
        Assert.True(report.GetProperty("bytes").GetInt64() >= 5000);
        Assert.Equal(JsonValueKind.Array, report.GetProperty("problems").ValueKind);
        Assert.Empty(report.GetProperty("problems").EnumerateArray());
    }

    [Fact]
    public async Task Reading_and_verifying_writes_nothing_also_when_a_journal_waits()
    {
        await _shell.DoAsync("page", "put", "a", "1");
        await _shell.DoAsync("page", "put", "b", "2");
        var before = Contents();

        Assert.Equal("2", (await _shell.DoAsync("page", "get", "b")).Text);
        Assert.Equal("2\n", (await _shell.DoAsync("page", "count")).Text);
        foreach (var command in new[] { "page keys", "page scan", "page export", "page list", "verify" })
        {
            await _shell.DoAsync(command.Split(' '));
        }

        Assert.Equal(before, Contents());
    }

    [Fact]
    public async Task Buffered_writes_are_there_after_the_command()
    {
        await _shell.DoAsync("page", "put", "a", "1", "--durability", "buffered");

        Assert.Equal("1", (await _shell.DoAsync("page", "get", "a")).Text);
    }

    private Dictionary<string, string> Contents() =>
        Directory.EnumerateFiles(_shell.Directory.Path, "*", SearchOption.AllDirectories)
            .ToDictionary(path => path, path => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path))));
}
