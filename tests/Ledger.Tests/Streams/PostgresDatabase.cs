using Ledger.Conformance.Streams;
using Npgsql;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>A database of a test class in the shared cluster.</summary>
public sealed class PostgresDatabase : IAsyncLifetime
{
    private readonly string _name = $"test_{Guid.NewGuid():N}";
    private int _schemas;

    /// <summary>How to connect.</summary>
    public string ConnectionString { get; private set; } = "";

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        await ExecuteAsync(PostgresServer.Shared, $"CREATE DATABASE {_name}");
        ConnectionString = new NpgsqlConnectionStringBuilder(PostgresServer.Shared) { Database = _name }.ToString();
    }

    /// <inheritdoc/>
    public Task DisposeAsync() => ExecuteAsync(PostgresServer.Shared, $"DROP DATABASE {_name} WITH (FORCE)");

    /// <summary>Makes a schema for a test.</summary>
    public async Task<string> NewSchemaAsync()
    {
        var schema = $"s{Interlocked.Increment(ref _schemas)}";
        await ExecuteAsync($"CREATE SCHEMA {schema}");
        return schema;
    }

    /// <summary>A connection as an application opens it.</summary>
    public async Task<NpgsqlConnection> ConnectAsync()
    {
        var connection = new NpgsqlConnection(ConnectionString + ";Pooling=false");
        await connection.OpenAsync();
        return connection;
    }

    /// <summary>Runs statements.</summary>
    public Task ExecuteAsync(string sql) => ExecuteAsync(ConnectionString, sql);

    private static async Task ExecuteAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(connectionString + ";Pooling=false");
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }
}
