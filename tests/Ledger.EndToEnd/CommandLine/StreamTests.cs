using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class StreamTests : IDisposable
{
    private static readonly string[] Database = ["--db", "sqlite:app.db"];

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Append_prints_the_id_and_read_the_text_as_the_original_does()
    {
        var first = await StreamAsync("append", "hello");
        var second = await StreamAsync("append", "{\"a\": 1}", "--json");
        var third = await StreamAsync("append", "ff00", "--hex");
        var read = await StreamAsync("read");
        var hex = await StreamAsync("read", "--hex", "--after", "2");

        Assert.Equal(("1\n", "2\n", "3\n"), (first.Text, second.Text, third.Text));
        Assert.Equal("1\thello\n2\t{\"a\": 1}\n3\t(2 bytes)\n", read.Text);
        Assert.Equal("3\tff00\n", hex.Text);
    }

    [Fact]
    public async Task A_json_line_has_the_names_of_the_original_leaves_out_what_is_empty_and_adds_the_position()
    {
        await StreamAsync("append", "plain");
        await StreamAsync(
            "append", "full", "-S", "user", "--order-key", "o", "--dedup-key", "d", "--meta", "k=v=w", "-t", "a",
            "--tag", "b", "--schema-version", "3");

        var lines = await JsonAsync("read", "--all");

        Assert.Equal(
            ["id", "stream", "payload", "schema_version", "created_at", "position"],
            lines[0].EnumerateObject().Select(member => member.Name));
        Assert.Equal(
            """{"id":"2","stream":"user","payload":"ImZ1bGwi","order_key":"o","dedup_key":"d","schema_version":3""" +
            ""","metadata":{"k":"v=w"},"tags":["a","b"],"created_at":T,"position":2}""",
            lines[1].GetRawText().Replace(
                lines[1].GetProperty("created_at").GetRawText(), "T", StringComparison.Ordinal));
        Assert.True(lines[1].GetProperty("created_at").GetProperty("seconds").GetInt64() > 1_700_000_000);
    }

    [Fact]
    public async Task A_duplicate_prints_nothing_and_in_json_the_entry_that_is_there()
    {
        await StreamAsync("append", "a", "--dedup-key", "k");

        var text = await StreamAsync("append", "b", "--dedup-key", "k");
        var json = Assert.Single(await JsonAsync("append", "b", "--dedup-key", "k"));

        Assert.Equal("", text.Text);
        Assert.Equal("""{"id":"1","duplicate":true}""", json.GetRawText());
    }

    [Fact]
    public async Task A_payload_of_standard_input_or_a_file_is_taken_byte_for_byte()
    {
        await File.WriteAllBytesAsync(_shell.Directory["in.bin"], [0, 255, 10]);

        await _shell.PipeAsync([1, 254, 13], ["stream", "append", "-", .. Database]);
        await StreamAsync("append", "--file", "in.bin");
        var lines = await JsonAsync("read");

        Assert.Equal(
            [[1, 254, 13], [0, 255, 10]], lines.Select(line => line.GetProperty("payload").GetBytesFromBase64()));
    }

    [Fact]
    public async Task Reads_go_on_after_a_cursor_in_both_directions_and_are_filtered()
    {
        foreach (var number in Enumerable.Range(1, 5))
        {
            await StreamAsync(
                "append", $"{number}", "--tag", number % 2 == 0 ? "even" : "odd", "--meta", $"n={number}");
        }

        var after = await StreamAsync("read", "--after", "2", "--limit", "2");
        var newest = await StreamAsync("read", "--desc", "--limit", "2");
        var older = await StreamAsync("read", "--desc", "--after", "3");
        var even = await StreamAsync("read", "--tag", "even", "--meta", "n=4");
        var all = await StreamAsync("read", "--all", "--after", "4");

        Assert.Equal("3\t3\n4\t4\n", after.Text);
        Assert.Equal("5\t5\n4\t4\n", newest.Text);
        Assert.Equal("2\t2\n1\t1\n", older.Text);
        Assert.Equal("4\t4\n", even.Text);
        Assert.Equal("5\tdefault\t5\n", all.Text);
    }

    [Fact]
    public async Task Search_looks_at_text_in_every_stream_unless_one_is_named()
    {
        await StreamAsync("append", "Straße 100%", "-S", "a");
        await StreamAsync("append", "{\"x\":\"100 miles\"}", "--json", "-S", "b");

        var all = await StreamAsync("search", "100");
        var one = await StreamAsync("search", "MILES", "-S", "b");
        var literal = await StreamAsync("search", "100%");

        Assert.Equal(2, all.Lines.Length);
        Assert.Equal("2\t{\"x\":\"100 miles\"}\n", one.Text);
        Assert.Equal("1\tStraße 100%\n", literal.Text);
    }

    [Fact]
    public async Task Counts_lists_and_stats_say_what_there_is()
    {
        await StreamAsync("append", "1", "-S", "a");
        await StreamAsync("append", "2", "-S", "b");
        await StreamAsync("append", "3", "-S", "b");

        var trimmed = await StreamAsync("trim", "-S", "a", "--before", "1");
        var count = await StreamAsync("count", "-S", "b");
        var list = await StreamAsync("list");
        var whole = await StreamAsync("list", "--include-empty", "--after", "", "--limit", "0");
        var stat = await StreamAsync("stat", "-S", "b");
        var emptied = Assert.Single(await JsonAsync("stat", "-S", "a"));
        var unknown = await StreamAsync("stat", "-S", "never");

        Assert.Equal(
            ("trimmed 1 entries\n", "2\n", "b\n", "a\nb\n"), (trimmed.Text, count.Text, list.Text, whole.Text));
        Assert.Equal("Stream:  b\nCount:   2\nFirstID: 2\nLastID:  3\n", stat.Text);
        Assert.Equal(
            """{"stream":"a","count":0,"first_id":null,"last_id":null,"end":"1"}""", emptied.GetRawText());
        Assert.Equal("Stream:  never\nCount:   0\n", unknown.Text);
    }

    [Fact]
    public async Task Tags_annotations_and_names_change()
    {
        await StreamAsync("append", "x", "--tag", "new");

        await StreamAsync("tag", "--id", "1", "-t", "a", "-t", "b");
        await StreamAsync("annotate", "--id", "1", "--set", "one=1", "--set", "two=2", "--set", "empty");
        await StreamAsync("annotate", "--id", "1", "--set", "one=");
        var renamed = await StreamAsync("rename", "--to", "other");
        var entry = Assert.Single(await JsonAsync("read", "-S", "other"));

        Assert.Equal("renamed stream 'default' to 'other'\n", renamed.Text);
        Assert.Equal("""["a","b"]""", entry.GetProperty("tags").GetRawText());
        Assert.Equal("""{"empty":"","two":"2"}""", entry.GetProperty("annotations").GetRawText());
        Assert.True(entry.TryGetProperty("updated_at", out _));
    }

    [Theory]
    [InlineData(4, "append b --expected-end new", "Stream 'default' ends at 1, not at the expected new.")]
    [InlineData(4, "rename -S other --to default", "Store 'ledger_entries' has a stream 'default' already.")]
    [InlineData(3, "rename -S other --to third", "Store 'ledger_entries' has no stream 'other'.")]
    [InlineData(3, "tag --id 9", "Stream 'default' has no entry 9.")]
    [InlineData(3, "annotate --id 9 --set a=1", "Stream 'default' has no entry 9.")]
    [InlineData(3, "read --store other", "The database 'app.db' has no store 'other'.")]
    [InlineData(2, "read --store no-name", "'no-name' is not the name of a store")]
    [InlineData(2, "read --after x", "--after is the id of an entry, not 'x'.")]
    [InlineData(2, "read --all --after x", "--after is a position with --all, not 'x'.")]
    [InlineData(2, "read --limit x", "--limit is a number from 0 on, not 'x'.")]
    [InlineData(2, "append b --expected-end x", "--expected-end is 'new', 'any' or the id of an entry, not 'x'.")]
    [InlineData(2, "append b --schema-version 0", "--schema-version is a number from 1 on, not '0'.")]
    [InlineData(2, "append b --schema-version x", "--schema-version is a number from 1 on, not 'x'.")]
    [InlineData(2, "append b --meta x", "--meta is KEY=VALUE, not 'x'.")]
    [InlineData(2, "append {x --json", "--json says that the payload is JSON, and it is not.")]
    [InlineData(2, "append b --json --tga x", "'--tga' is not an option of 'ledger stream append'.")]
    [InlineData(2, "append b --order-key --json2", "'--json2' is not an option of 'ledger stream append'.")]
    [InlineData(2, "search --lmit 3", "'--lmit' is not an option of 'ledger stream search'.")]
    [InlineData(2, "search -x", "'-x' is not an option of 'ledger stream search'.")]
    [InlineData(2, "tag", "Option '--id' is required.")]
    [InlineData(3, "append --file nope", "Could not find file")]
    public async Task What_cannot_be_done_has_its_exit_code_and_says_why(int exitCode, string arguments, string message)
    {
        await StreamAsync("append", "a");

        var said = await _shell.FailAsync(exitCode, ["stream", .. arguments.Split(' '), .. Database]);

        Assert.StartsWith(message, said, StringComparison.Ordinal);
        Assert.Equal("1\ta\n", (await StreamAsync("read")).Text);
    }

    [Theory]
    [InlineData(3, "stream read --db sqlite:app.db", "There is no database 'app.db'.")]
    [InlineData(3, "stream tail --db sqlite:app.db", "There is no database 'app.db'.")]
    [InlineData(3, "consumer list --db sqlite:app.db", "There is no database 'app.db'.")]
    [InlineData(5, "stream read --addr localhost:1", "No daemon answers at localhost:1.")]
    [InlineData(2, "stream read --db app.db", "--db is sqlite:PATH|postgres:DSN, and nothing else.")]
    [InlineData(2, "stream append a --store sqlite_x --db sqlite:app.db", "The name 'sqlite_x' is reserved")]
    [InlineData(2, "page get --kay a", "'--kay' is not an option of 'ledger page get'.")]
    [InlineData(2, "page put a --hexx ff", "'--hexx' is not an option of 'ledger page put'.")]
    [InlineData(2, "page put a --file --hexx", "'--hexx' is not an option of 'ledger page put'.")]
    [InlineData(2, "page get a --as-off x", "'--as-off' is not an option of 'ledger page get'.")]
    [InlineData(2, "--nope page get a", "'--nope' is not an option of 'ledger page get'.")]
    public async Task A_wrong_command_line_or_a_missing_database_makes_nothing(
        int exitCode, string arguments, string message)
    {
        var said = await _shell.FailAsync(exitCode, arguments.Split(' '));

        Assert.StartsWith(message, said, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_shell.Directory.Path));
    }

    [Fact]
    public async Task What_begins_with_a_dash_is_a_value_after_two_of_them()
    {
        await _shell.DoAsync(["stream", "append", .. Database, "--", "--not-a-flag"]);
        await _shell.DoAsync(["stream", "append", "x", "--order-key=--o", .. Database]);

        Assert.Equal("1\t--not-a-flag\n", (await StreamAsync("read", "--limit", "1")).Text);
        Assert.Equal("2\tx\n", (await StreamAsync("read", "--order-key=--o")).Text);
    }

    [Fact]
    public async Task A_database_that_is_not_one_is_exit_code_5_and_left_alone()
    {
        _shell.Directory.Write("app.db", Enumerable.Repeat("These are not the pages of a database.", 100));
        var before = await File.ReadAllBytesAsync(_shell.Directory["app.db"]);

        await _shell.FailAsync(5, ["stream", "append", "a", .. Database]);
        await _shell.FailAsync(5, ["stream", "read", .. Database]);

        Assert.Equal(before, await File.ReadAllBytesAsync(_shell.Directory["app.db"]));
    }

    [Fact]
    public async Task Tail_begins_at_the_beginning_hears_of_other_processes_and_ends_with_130_at_Ctrl_C()
    {
        await StreamAsync("append", "before");
        using var tail = Child.StartLedger(
            _shell.Directory.Path, ["stream", "tail", "--interval", "2s", "--limit", "50", .. Database]);
        Assert.Equal("1\tbefore", await tail.ReadLineAsync());

        await StreamAsync("append", "elsewhere", "-S", "other");
        await StreamAsync("append", "after");
        Assert.Equal("3\tafter", await tail.ReadLineAsync());
        await tail.SignalAsync("INT");

        var result = await tail.EndAsync();
        Assert.Equal((130, ""), (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task Subscribe_says_in_json_when_it_has_caught_up_and_ends_at_its_limit()
    {
        await StreamAsync("append", "one", "--tag", "x");
        await StreamAsync("append", "two");
        using var child = Child.StartLedger(
            _shell.Directory.Path, ["stream", "subscribe", "--all", "-t", "x", "--limit", "2", "--json", .. Database]);
        var lines = new List<JsonElement>();
        async Task ReadAsync() => lines.Add(JsonDocument.Parse((await child.ReadLineAsync())!).RootElement);

        await ReadAsync();
        await ReadAsync();
        await ReadAsync();
        await StreamAsync("append", "three", "-S", "other", "--tag", "x");
        await ReadAsync();

        Assert.Equal(
            ["1", """{"checkpoint":"2","position":2}""", """{"caught_up":true}""", "3"],
            lines.Select(line => line.TryGetProperty("id", out var id) ? id.GetString() : line.GetRawText()));
        Assert.Equal(0, (await child.EndAsync()).ExitCode);
    }

    [Fact]
    public async Task Help_ends_with_examples_that_parse()
    {
        foreach (var command in new[] { "stream", "consumer" })
        {
            var group = (await _shell.DoAsync(command, "--help")).Text;
            Assert.Contains($"Examples:\n  ledger {command} ", group, StringComparison.Ordinal);
        }

        await StreamAsync("append", "a", "-S", "user-123");
        var examples = (await _shell.DoAsync("stream", "read", "--help")).Lines
            .SkipWhile(line => line != "Examples:").Skip(1).ToArray();

        Assert.Equal(4, examples.Length);
        foreach (var example in examples)
        {
            await _shell.DoAsync(example.Trim().Split(' ').Skip(1));
        }
    }

    private Task<ChildResult> StreamAsync(params string[] arguments) =>
        _shell.DoAsync(["stream", .. arguments, .. Database]);

    private async Task<JsonElement[]> JsonAsync(params string[] arguments) =>
        [.. (await StreamAsync([.. arguments, "--output", "json"])).Lines
            .Select(line => JsonDocument.Parse(line).RootElement)];
}
