using Ledger.Streams;
using Ledger.Streams.Sqlite;
using Microsoft.Data.Sqlite;

namespace Ledger.Benchmarks.Stores;

/// <summary>Streams in a SQLite file, and a plain table in another one.</summary>
internal sealed class SqliteStreamBackend : StreamBackend
{
    private readonly SqliteStreamStore _store;
    private readonly SqliteConnection _plain;
    private readonly SqliteConnection _reading;
    private readonly SqliteCommand _insert;
    private readonly SqliteCommand _select;

    /// <summary>Makes both files.</summary>
    public SqliteStreamBackend(string directory)
    {
        Directory.CreateDirectory(directory);
        var path = Path.Combine(directory, "streams.db");
        _store = new SqliteStreamStore(new() { DataSource = path, Store = "orders" });
        SQLitePCL.Batteries_V2.Init();
        _plain = Connect(Path.Combine(directory, "plain.db"));
        Execute(
            _plain,
            "CREATE TABLE orders (id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, payload BLOB NOT NULL, " +
            "order_key TEXT, dedup_key TEXT, source_id TEXT, schema_version INTEGER NOT NULL, metadata TEXT, " +
            "tags TEXT, annotations TEXT, search TEXT, created_ms INTEGER NOT NULL, updated_ms INTEGER); " +
            "CREATE INDEX a ON orders (stream); " +
            "CREATE UNIQUE INDEX b ON orders (stream, dedup_key) WHERE dedup_key IS NOT NULL; " +
            "CREATE INDEX c ON orders (stream, order_key) WHERE order_key IS NOT NULL; " +
            "CREATE INDEX d ON orders (stream, source_id) WHERE source_id IS NOT NULL");
        _insert = _plain.CreateCommand();
        _insert.CommandText =
            "INSERT INTO orders (stream, payload, order_key, schema_version, created_ms) VALUES (@a, @b, @c, 1, 1)";
        foreach (var name in new[] { "@a", "@b", "@c" })
        {
            _insert.Parameters.Add(new SqliteParameter { ParameterName = name });
        }

        _store.EnsureCreatedAsync().AsTask().GetAwaiter().GetResult();
        _reading = Connect(path);
        _select = _reading.CreateCommand();
        _select.CommandText =
            "SELECT id, stream, payload, order_key, dedup_key, source_id, schema_version, metadata, tags, " +
            "annotations, created_ms, updated_ms FROM orders WHERE id > @a ORDER BY id LIMIT @b";
        _select.Parameters.Add(new SqliteParameter { ParameterName = "@a" });
        _select.Parameters.Add(new SqliteParameter { ParameterName = "@b" });
    }

    /// <inheritdoc/>
    public override string Name => "SQLite";

    /// <inheritdoc/>
    public override IStreamStore Store => _store;

    /// <inheritdoc/>
    public override bool HasConcurrentInserts => false;

    /// <inheritdoc/>
    public override Task InsertAsync(int caller, int[] streams)
    {
        using var transaction = streams.Length > 1 ? _plain.BeginTransaction() : null;
        _insert.Transaction = transaction;
        foreach (var stream in streams)
        {
            _insert.Parameters[0].Value = stream;
            _insert.Parameters[1].Value = Payload;
            _insert.Parameters[2].Value = OrderKeyOf(stream);
            _insert.ExecuteNonQuery();
        }

        transaction?.Commit();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task<int> SelectAsync(long after, int limit)
    {
        _select.Parameters[0].Value = after;
        _select.Parameters[1].Value = limit;
        using var reader = _select.ExecuteReader();
        return Task.FromResult(RowReading.Read(reader));
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        await _insert.DisposeAsync();
        await _select.DisposeAsync();
        await _plain.DisposeAsync();
        await _reading.DisposeAsync();
        await _store.DisposeAsync();
    }

    private static SqliteConnection Connect(string path)
    {
        var connection = new SqliteConnection($"Data Source={path};Pooling=False");
        connection.Open();
        Execute(connection, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL");
        return connection;
    }

    private static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
#pragma warning disable CA2100
        command.CommandText = sql;
#pragma warning restore CA2100
        command.ExecuteNonQuery();
    }
}
