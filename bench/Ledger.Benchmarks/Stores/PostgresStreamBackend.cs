using System.Diagnostics;
using Ledger.Streams;
using Ledger.Streams.Postgres;
using Npgsql;

namespace Ledger.Benchmarks.Stores;

/// <summary>Streams in a PostgreSQL database, and a plain table in another schema of it.</summary>
internal sealed class PostgresStreamBackend : StreamBackend
{
    private const int CallersMax = 32;
    private const string Script = "tests/postgres.sh";

    private const string InsertRow =
        "INSERT INTO plain.orders (stream, payload, order_key, schema_version, created_ms) VALUES ($1, $2, $3, 1, 1)";

    private readonly string _directory;
    private readonly PostgresStreamStore _store;
    private readonly NpgsqlDataSource _source;
    private readonly NpgsqlConnection[] _connections;

    private PostgresStreamBackend(string directory, string connectionString)
    {
        _directory = directory;
        _store = new PostgresStreamStore(new() { ConnectionString = connectionString, Store = "orders" });
        _source = NpgsqlDataSource.Create(
            connectionString + ";Max Auto Prepare=20;Auto Prepare Min Usages=2;Maximum Pool Size=64");
        _connections = new NpgsqlConnection[CallersMax];
    }

    /// <summary>Whether a cluster can be started from here.</summary>
    public static bool IsPresent => File.Exists(Script);

    /// <summary>Starts a cluster that flushes its commits, and makes both tables.</summary>
    public static async Task<PostgresStreamBackend> OpenAsync(string directory)
    {
        Directory.CreateDirectory(directory);
        var log = Path.Combine(directory, "started");

        // Through a file: the server inherits its output, and would keep a pipe open.
        using var start = Process.Start(
            "/bin/sh", ["-c", "\"$1\" start \"$2\" durable >\"$3\" </dev/null", "sh", Script, directory, log]);
        await start.WaitForExitAsync();
        if (start.ExitCode != 0)
        {
            throw new InvalidOperationException("PostgreSQL did not start.");
        }

        var backend = new PostgresStreamBackend(directory, (await File.ReadAllTextAsync(log)).Trim());
        await backend._store.EnsureCreatedAsync();
        await using var create = backend._source.CreateCommand(
            "CREATE SCHEMA plain; CREATE SEQUENCE plain.places; CREATE TABLE plain.orders (id bigserial PRIMARY KEY, " +
            "position bigint DEFAULT nextval('plain.places'), stream bigint NOT NULL, payload bytea NOT NULL, " +
            "order_key text COLLATE \"C\", dedup_key text COLLATE \"C\", source_id text COLLATE \"C\", " +
            "schema_version integer NOT NULL, metadata jsonb, tags jsonb, annotations jsonb, " +
            "search text COLLATE \"C\", words tsvector, created_ms bigint NOT NULL, updated_ms bigint); " +
            "CREATE UNIQUE INDEX ON plain.orders (position); " +
            "CREATE INDEX ON plain.orders (id) WHERE position IS NULL; CREATE INDEX ON plain.orders (stream, id); " +
            "CREATE UNIQUE INDEX ON plain.orders (stream, dedup_key) WHERE dedup_key IS NOT NULL; " +
            "CREATE INDEX ON plain.orders (stream, order_key, id) WHERE order_key IS NOT NULL; " +
            "CREATE INDEX ON plain.orders (stream, source_id, id) WHERE source_id IS NOT NULL");
        await create.ExecuteNonQueryAsync();
        for (var caller = 0; caller < CallersMax; caller++)
        {
            backend._connections[caller] = await backend._source.OpenConnectionAsync();
        }

        return backend;
    }

    /// <inheritdoc/>
    public override string Name => "PostgreSQL";

    /// <inheritdoc/>
    public override IStreamStore Store => _store;

    /// <inheritdoc/>
    public override bool HasConcurrentInserts => true;

    /// <inheritdoc/>
    public override async Task InsertAsync(int caller, int[] streams)
    {
        // A batch without a transaction around it is one: it ends with one commit.
        await using var batch = new NpgsqlBatch(_connections[caller]);
        foreach (var stream in streams)
        {
            batch.BatchCommands.Add(new NpgsqlBatchCommand(InsertRow)
            {
                Parameters =
                {
                    new NpgsqlParameter<long> { TypedValue = stream },
                    new NpgsqlParameter<byte[]> { TypedValue = Payload },
                    new NpgsqlParameter<string> { TypedValue = OrderKeyOf(stream) },
                },
            });
        }

        await batch.ExecuteNonQueryAsync();
    }

    /// <inheritdoc/>
    public override async Task<int> SelectAsync(long after, int limit)
    {
        await using var command = new NpgsqlCommand(
            "SELECT id, position, stream, payload, order_key, dedup_key, source_id, schema_version, metadata, tags, " +
            "annotations, created_ms, updated_ms FROM orders WHERE position > $1 ORDER BY position LIMIT $2",
            _connections[0]);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        await using var reader = await command.ExecuteReaderAsync();
        return RowReading.Read(reader);
    }

    /// <inheritdoc/>
    public override async ValueTask DisposeAsync()
    {
        foreach (var connection in _connections)
        {
            await connection.DisposeAsync();
        }

        await _store.DisposeAsync();
        await _source.DisposeAsync();
        using var stop = Process.Start(Script, ["stop", _directory]);
        await stop.WaitForExitAsync();
    }
}
