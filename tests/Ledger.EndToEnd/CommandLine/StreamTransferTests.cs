using System.Text.Json;
using Ledger.Conformance.Streams;
using Ledger.EndToEnd.Processes;
using Microsoft.Data.Sqlite;
using Npgsql;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

/// <summary>Entries that leave a store as lines, or come from lines or from the original's tables.</summary>
public sealed class StreamTransferTests : IDisposable
{
    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task What_is_exported_is_imported_as_it_was_and_a_second_run_adds_nothing()
    {
        await AppendAsync("first", "-S", "a", "--order-key", "o", "--meta", "k=v", "-t", "t", "--schema-version", "3");
        await AppendAsync("second", "-S", "b", "--dedup-key", "d");
        await AppendAsync("ff00", "--hex", "-S", "a");
        await _shell.DoAsync(
            "stream", "annotate", "-S", "a", "--id", "1", "--set", "seen=yes", "--db", "sqlite:app.db");
        var exported = await _shell.DoAsync("stream", "export", "--db", "sqlite:app.db");
        _shell.Directory.Write("app.jsonl", exported.Lines);

        var first = await ImportAsync("app.jsonl");
        var second = await ImportAsync("app.jsonl");

        Assert.Equal((3, 0, 0), first);
        Assert.Equal((0, 0, 3), second);
        Assert.Equal(await ContentAsync("app.db", "a"), await ContentAsync("other.db", "a"));
        Assert.Equal(await ContentAsync("app.db", "b"), await ContentAsync("other.db", "b"));
        var again = await _shell.DoAsync("stream", "export", "-S", "b", "--db", "sqlite:other.db");
        Assert.Equal("app.jsonl#2", JsonDocument.Parse(again.Text).RootElement.GetProperty("source_id").GetString());
    }

    [Fact]
    public async Task An_import_that_was_cut_off_goes_on_and_what_is_there_by_its_dedup_key_is_not_doubled()
    {
        var lines = Enumerable.Range(1, 2_500).Select(n => $$$"""
            {"id":"{{{n}}}","stream":"s{{{n % 3}}}","payload":"eA==","created_at":{"seconds":{{{1_700_000_000 + n}}}}}
            """).ToArray();
        _shell.Directory.Write("half.jsonl", lines[..1_700]);
        _shell.Directory.Write("whole.jsonl", [.. lines, """{"id":"x","stream":"s0","dedup_key":"d"}"""]);
        await AppendAsync("mine", "-S", "s0", "--dedup-key", "d", "--db", "sqlite:other.db");

        var half = await ImportAsync("half.jsonl", "--source", "app");
        var whole = await ImportAsync("whole.jsonl", "--source", "app");

        Assert.Equal((1_700, 0, 0), half);
        Assert.Equal((800, 1, 1_700), whole);
        var times = (await _shell.JsonAsync("stream", "read", "-S", "s1", "--limit", "5000", "--db", "sqlite:other.db"))
            .Select(line => line.GetProperty("created_at").GetProperty("seconds").GetInt64()).ToArray();
        Assert.Equal(Enumerable.Range(1, 2_500).Where(n => n % 3 == 1).Select(n => 1_700_000_000L + n), times);
    }

    [Fact]
    public async Task A_line_that_cannot_be_imported_is_named_and_the_batches_before_it_stay()
    {
        var good = Enumerable.Range(1, 1_000).Select(n => $$"""{"id":"{{n}}","stream":"s"}""");
        _shell.Directory.Write("bad.jsonl", [.. good, """{"id":"b","stream":""}"""]);
        _shell.Directory.Write("worse.jsonl", """{"id":"1","stream":"s","payload":"***"}""");

        var refused = await _shell.FailAsync(1, "stream", "import", "bad.jsonl", "--db", "sqlite:other.db");
        var malformed = await _shell.FailAsync(1, "stream", "import", "worse.jsonl", "--db", "sqlite:other.db");
        var count = await _shell.DoAsync("stream", "count", "-S", "s", "--db", "sqlite:other.db");

        Assert.StartsWith("Line 1001 cannot be imported. The name of a stream", refused, StringComparison.Ordinal);
        Assert.Equal("Line 1 of 'worse.jsonl' is malformed: its \"payload\" is not base64.", malformed);
        Assert.Equal("1000\n", count.Text);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_store_of_the_original_s_library_or_daemon_is_imported_with_the_names_of_its_streams(
        bool isDaemon)
    {
        using (var go = new SqliteConnection($"Data Source={_shell.Directory["go.db"]};Pooling=False"))
        {
            go.Open();
            using var command = go.CreateCommand();
            command.CommandText = GoTables("INTEGER PRIMARY KEY AUTOINCREMENT", "BLOB", "TEXT", "TEXT") + """
                INSERT INTO orders VALUES
                  (3, 'user-1', x'7b2261223a317d', 'o', 'd', 2, '{"k":"v"}', '["t"]', '{"seen":"yes"}', '',
                   '2026-04-01T10:00:00.125', '2026-04-02T10:00:00.000'),
                  (7, 'user-1', x'ff00', '', '', 0, NULL, '[]', NULL, '', '2026-04-01T10:00:01.000', NULL);
                """ + (isDaemon ? """
                CREATE TABLE ledger_stream_metadata (store_name TEXT, name TEXT, stream_id TEXT, created_at TEXT);
                INSERT INTO ledger_stream_metadata VALUES ('orders', 'orders of user 1', 'user-1', '');
                """ : "");
            command.ExecuteNonQuery();
        }

        string[] import =
            ["stream", "import-go", "--from", "sqlite:go.db", "--store", "orders", "--db", "sqlite:app.db", "--json"];
        var first = Assert.Single(await _shell.JsonAsync(import[..^1]));
        var second = Assert.Single(await _shell.JsonAsync(import[..^1]));
        var lines = await _shell.JsonAsync(
            "stream", "read", "-S", isDaemon ? "orders of user 1" : "user-1", "-s", "orders", "--db", "sqlite:app.db");

        Assert.Equal(2, first.GetProperty("entries").GetInt64());
        Assert.Equal((0, 2), (second.GetProperty("entries").GetInt64(), second.GetProperty("skipped").GetInt64()));
        AssertIsGo(lines);
    }

    [Fact]
    public async Task A_store_of_the_original_on_PostgreSQL_is_imported_too()
    {
        using var server = new PostgresServer(isDurable: false);
        await using (var source = NpgsqlDataSource.Create(server.ConnectionString))
        {
            await using var command = source.CreateCommand(
                GoTables("BIGSERIAL PRIMARY KEY", "BYTEA", "JSONB", "TIMESTAMPTZ") + """
                INSERT INTO orders VALUES
                  (3, 'user-1', '\x7b2261223a317d', 'o', 'd', 2, '{"k":"v"}', '["t"]', '{"seen":"yes"}', '',
                   '2026-04-01T10:00:00.125Z', '2026-04-02T10:00:00Z'),
                  (7, 'user-1', '\xff00', '', '', 0, NULL, '[]', NULL, '', '2026-04-01T10:00:01Z', NULL);
                """);
            await command.ExecuteNonQueryAsync();
        }

        await _shell.DoAsync(
            "stream", "import-go", "--from", $"postgres:{server.ConnectionString}", "--table", "orders",
            "--db", "sqlite:app.db");
        AssertIsGo(await _shell.JsonAsync("stream", "read", "-S", "user-1", "--db", "sqlite:app.db"));
    }

    [Fact]
    public async Task A_table_that_is_missing_or_another_one_is_said()
    {
        await AppendAsync("mine");

        var missing = await _shell.FailAsync(
            3, "stream", "import-go", "--from", "sqlite:app.db", "--table", "none", "--db", "sqlite:other.db");
        var other = await _shell.FailAsync(
            1, "stream", "import-go", "--from", "sqlite:app.db", "--db", "sqlite:other.db");
        var nowhere = await _shell.FailAsync(
            3, "stream", "import-go", "--from", "sqlite:none.db", "--db", "sqlite:other.db");

        Assert.Equal("The database that --from names has no table 'none'.", missing);
        Assert.Equal("Table 'ledger_entries' is not one of the original: it has no created_at.", other);
        Assert.Equal("There is no file 'none.db'.", nowhere);
    }

    // Columns and types of the original, github.com/rbaliyan/ledger at a22e580; a reader does not care for indexes.
    private static string GoTables(string id, string bytes, string json, string time) => $"""
        CREATE TABLE orders (
          id {id}, stream TEXT NOT NULL, payload {bytes} NOT NULL, order_key TEXT NOT NULL DEFAULT '',
          dedup_key TEXT NOT NULL DEFAULT '', schema_version INTEGER NOT NULL DEFAULT 1, metadata {json},
          tags {json} NOT NULL DEFAULT '[]', annotations {json}, source_id TEXT NOT NULL DEFAULT '',
          created_at {time} NOT NULL, updated_at {time});

        """;

    private static void AssertIsGo(JsonElement[] lines)
    {
        Assert.Equal(
            """
            {"stream":"S","payload":"eyJhIjoxfQ==","order_key":"o","dedup_key":"d","schema_version":2,
            "metadata":{"k":"v"},"tags":["t"],"annotations":{"seen":"yes"},
            "created_at":{"seconds":1775037600,"nanos":125000000}}
            """.Replace("\n", "", StringComparison.Ordinal),
            ContentOf(lines[0]).Replace("orders of user 1", "S", StringComparison.Ordinal)
                .Replace("user-1", "S", StringComparison.Ordinal));
        Assert.Equal(
            ("/wA=", 1, 2),
            (lines[1].GetProperty("payload").GetString(), lines[1].GetProperty("schema_version").GetInt32(),
                lines.Length));
    }

    private async Task AppendAsync(params string[] arguments) => await _shell.DoAsync(
        arguments.Contains("--db")
            ? ["stream", "append", .. arguments] : ["stream", "append", .. arguments, "--db", "sqlite:app.db"]);

    private async Task<(int, int, int)> ImportAsync(params string[] arguments)
    {
        var result = Assert.Single(
            await _shell.JsonAsync(["stream", "import", .. arguments, "--db", "sqlite:other.db"]));
        return (
            result.GetProperty("entries").GetInt32(), result.GetProperty("duplicates").GetInt32(),
            result.GetProperty("skipped").GetInt32());
    }

    private async Task<string[]> ContentAsync(string database, string stream) =>
    [
        .. (await _shell.JsonAsync("stream", "read", "-S", stream, "--db", $"sqlite:{database}")).Select(ContentOf),
    ];

    /// <summary>A line without what another store gives anew.</summary>
    private static string ContentOf(JsonElement line)
    {
        string[] own = ["id", "position", "updated_at"];
        var members = line.EnumerateObject().Where(member => !own.Contains(member.Name))
            .Select(member => $"\"{member.Name}\":{member.Value.GetRawText()}");
        return $"{{{string.Join(',', members)}}}";
    }
}
