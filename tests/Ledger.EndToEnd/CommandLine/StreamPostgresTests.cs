using System.Text.Json;
using Ledger.Conformance.Streams;
using Ledger.EndToEnd.Processes;
using Npgsql;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

/// <summary>The same commands on a real PostgreSQL.</summary>
public sealed class StreamPostgresTests : IAsyncLifetime, IDisposable
{
    private readonly Shell _shell = new();
    private readonly string _name = $"cli_{Guid.NewGuid():N}";

    private string[] Database =>
    [
        "--db", "postgres:" + new NpgsqlConnectionStringBuilder(PostgresServer.Shared) { Database = _name },
    ];

    public Task InitializeAsync() => ExecuteAsync($"CREATE DATABASE {_name}");

    public Task DisposeAsync() => ExecuteAsync($"DROP DATABASE {_name} WITH (FORCE)");

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task Streams_and_consumers_work_as_they_do_on_sqlite()
    {
        await _shell.DoAsync(["stream", "append", "one", "--tag", "x", .. Database]);
        await _shell.DoAsync(["stream", "append", "{\"n\":2}", "--json", "-S", "other", .. Database]);

        var read = await _shell.DoAsync(["stream", "read", "--all", .. Database]);
        var found = await _shell.DoAsync(["stream", "search", "ONE", "--json", .. Database]);
        var stat = await _shell.DoAsync(["stream", "stat", "-S", "other", .. Database]);
        await _shell.DoAsync(["consumer", "reset", "mailer", "--after", "1", "--create", .. Database]);
        var consumers = await _shell.DoAsync(["consumer", "list", .. Database]);

        Assert.Equal("1\tdefault\tone\n2\tother\t{\"n\":2}\n", read.Text);
        Assert.Equal(
            "x", JsonDocument.Parse(found.Lines.Single()).RootElement.GetProperty("tags")[0].GetString());
        Assert.Contains("Count:   1\n", stat.Text, StringComparison.Ordinal);
        Assert.Equal("mailer\t1\t0\t0\t-\n", consumers.Text);
    }

    [Fact]
    public async Task Tail_hears_of_other_processes_and_ends_with_130_at_Ctrl_C()
    {
        await _shell.DoAsync(["stream", "append", "before", .. Database]);
        using var tail = Child.StartLedger(_shell.Directory.Path, ["stream", "tail", .. Database]);
        Assert.EndsWith("\tbefore", await tail.ReadLineAsync(), StringComparison.Ordinal);

        await _shell.DoAsync(["stream", "append", "after", .. Database]);
        Assert.EndsWith("\tafter", await tail.ReadLineAsync(), StringComparison.Ordinal);
        await tail.SignalAsync("INT");

        var result = await tail.EndAsync();
        Assert.Equal((130, ""), (result.ExitCode, result.Error));
    }

    [Fact]
    public async Task What_is_missing_is_exit_code_3_and_is_not_made()
    {
        await _shell.FailAsync(3, ["stream", "read", .. Database]);
        await _shell.FailAsync(3, ["consumer", "list", .. Database]);
        await using var connection = await ConnectAsync(_name);
        await using var command = new NpgsqlCommand(
            "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", connection);

        Assert.Equal(0L, await command.ExecuteScalarAsync());
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_exit_code_5_and_no_password_is_said()
    {
        var result = await _shell.RunAsync(
            "stream", "read", "--db", "postgres:Host=127.0.0.1;Port=1;Username=u;Password=secret-word;Timeout=2");

        Assert.Equal(5, result.ExitCode);
        Assert.DoesNotContain("secret-word", result.Error, StringComparison.Ordinal);
    }

    private static async Task<NpgsqlConnection> ConnectAsync(string? database)
    {
        var text = new NpgsqlConnectionStringBuilder(PostgresServer.Shared) { Pooling = false };
        text.Database = database ?? text.Database;
        var connection = new NpgsqlConnection(text.ToString());
        await connection.OpenAsync();
        return connection;
    }

    private static async Task ExecuteAsync(string sql)
    {
        await using var connection = await ConnectAsync(null);
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
