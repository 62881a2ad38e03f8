using System.Globalization;
using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class ImportTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Import_and_export_are_each_others_inverse()
    {
        string[] rows =
        [
            """{"key":"a","value":"1"}""",
            """{"key":"b","value":"AP8=","encoding":"base64"}""",
            """{"key":"c","value":""}""",
            """{"key":"/w==","key_encoding":"base64","value":"ü"}""",
        ];
        _shell.Directory.Write("rows.jsonl", rows);

        var result = Assert.Single(await _shell.JsonAsync("page", "import", "rows.jsonl"));
        var exported = await _shell.DoAsync("page", "export");

        Assert.Equal(4, result.GetProperty("entries").GetInt64());
        Assert.Equal(1, result.GetProperty("commits").GetInt64());
        Assert.Equal(JsonValueKind.Number, result.GetProperty("seconds").ValueKind);
        Assert.Equal(rows, exported.Lines);
    }

    [Fact]
    public async Task Any_objects_are_imported_by_a_field_that_is_their_key()
    {
        var rows = Shell.Bytes("{ \"id\" : 7, \"name\": \"ü\" }\r\n\n{\"id\":\"x\",\"n\":[1, 2]}");

        var result = await _shell.PipeAsync(rows, "page", "import", "-", "--key-field", "id");

        Assert.Equal((0, ""), (result.ExitCode, result.Error));
        Assert.Equal(
            "7\t{\"id\":7,\"name\":\"ü\"}\nx\t{\"id\":\"x\",\"n\":[1,2]}\n",
            (await _shell.DoAsync("page", "scan")).Text);
    }

    [Theory]
    [InlineData("{\"key\":\"k\"", "it is not JSON")]
    [InlineData("[1]", "it is JSON, but not an object")]
    [InlineData("{\"value\":\"1\"}", "it has no \"key\"")]
    [InlineData("{\"key\":\"k\"}", "it has no \"value\"")]
    [InlineData("{\"key\":\"\",\"value\":\"1\"}", "its key has 0 bytes, not 1 to 1024")]
    [InlineData("{\"key\":\"k\",\"value\":\"?\",\"encoding\":\"base64\"}", "its \"value\" is not base64")]
    [InlineData(
        "{\"key\":\"k\",\"value\":\"?\",\"encoding\":\"rot13\"}",
        "'rot13' is no encoding: it is \"utf8\" or \"base64\"")]
    public async Task A_malformed_line_is_named_and_only_its_batch_is_dropped(string line, string fault)
    {
        _shell.Directory.Write(
            "rows.jsonl", [.. Enumerable.Range(1, 14).Select(Row), line, .. Enumerable.Range(16, 5).Select(Row)]);

        var message = await _shell.FailAsync(1, "page", "import", "rows.jsonl", "--batch", "10");

        Assert.Equal($"Line 15 of 'rows.jsonl' is malformed: {fault}.", message);
        Assert.Equal("10\n", (await _shell.DoAsync("page", "count")).Text);
    }

    [Fact]
    public async Task The_same_import_again_makes_no_commits_and_a_longer_one_goes_on()
    {
        var path = _shell.Directory.Write("rows.jsonl", Enumerable.Range(1, 25).Select(Row));
        await _shell.DoAsync("page", "import", "rows.jsonl", "--batch", "10");
        var log = (await _shell.DoAsync("page", "log")).Text;

        var again = Assert.Single(await _shell.JsonAsync("page", "import", "rows.jsonl", "--batch", "10"));
        var forced = Assert.Single(
            await _shell.JsonAsync("page", "import", "rows.jsonl", "--batch", "7", "--resume", "false"));
        var unchanged = (await _shell.DoAsync("page", "log")).Text;
        await File.AppendAllTextAsync(path, Row(26) + "\n");
        var longer = Assert.Single(await _shell.JsonAsync("page", "import", "rows.jsonl", "--batch", "10"));

        Assert.Equal((0, 0, 25), Counts(again));
        Assert.Equal((25, 0, 0), Counts(forced));
        Assert.Equal(log, unchanged);
        Assert.Equal((1, 1, 25), Counts(longer));
    }

    [Fact]
    public async Task A_changed_source_is_imported_from_the_first_batch_that_differs()
    {
        _shell.Directory.Write("rows.jsonl", Enumerable.Range(1, 30).Select(Row));
        await _shell.DoAsync("page", "import", "rows.jsonl", "--batch", "10");
        _shell.Directory.Write(
            "rows.jsonl", Enumerable.Range(1, 30).Select(i => i == 15 ? """{"key":"15","value":"new"}""" : Row(i)));

        var result = Assert.Single(await _shell.JsonAsync("page", "import", "rows.jsonl", "--batch", "10"));

        Assert.Equal((20, 1, 10), Counts(result));
        Assert.Equal("new", (await _shell.DoAsync("page", "get", "15")).Text);
        Assert.Equal("30\n", (await _shell.DoAsync("page", "count")).Text);
    }

    [Fact]
    public async Task An_import_that_was_killed_goes_on_without_doubling()
    {
        // More than three children can have acknowledged before they are killed: each stops when its pipe is full.
        const int Rows = 60_000;
        _shell.Directory.Write("rows.jsonl", Enumerable.Range(1, Rows).Select(Row));
        string[] import = ["page", "import", "rows.jsonl", "--batch", "20", "--json"];
        long acknowledged = 0;
        for (var kill = 1; kill <= 3; kill++)
        {
            using var child = Child.StartLedger(_shell.Directory.Path, [.. import, "--acks"]);
            for (var batch = 0; batch < 10 * kill; batch++)
            {
                acknowledged = LinesOf(await child.ReadLineAsync());
            }

            child.Kill();
            await child.EndAsync();
        }

        var count = long.Parse((await _shell.DoAsync("page", "count")).Text, CultureInfo.InvariantCulture);
        var last = Assert.Single(await _shell.JsonAsync(import[..^1]));
        var log = await _shell.JsonAsync("page", "log");

        Assert.True(count >= acknowledged && count % 20 == 0, $"{count} rows after {acknowledged} acknowledged ones.");
        Assert.Equal(Rows - count, last.GetProperty("entries").GetInt64());
        Assert.Equal(count, last.GetProperty("skipped").GetInt64());
        Assert.Equal(Rows / 20, log.Count(commit => commit.GetProperty("changes").GetInt64() == 20));
        Assert.Equal(Rows.ToString(CultureInfo.InvariantCulture) + "\n", (await _shell.DoAsync("page", "count")).Text);
        await _shell.AssertSoundAsync();
    }

    private static string Row(int number) => $$"""{"key":"{{number}}","value":"v{{number}}"}""";

    private static long LinesOf(string? acknowledgement) =>
        JsonDocument.Parse(acknowledgement!).RootElement.GetProperty("lines").GetInt64();

    private static (long Entries, long Commits, long Skipped) Counts(JsonElement result) => (
        result.GetProperty("entries").GetInt64(), result.GetProperty("commits").GetInt64(),
        result.GetProperty("skipped").GetInt64());
}
