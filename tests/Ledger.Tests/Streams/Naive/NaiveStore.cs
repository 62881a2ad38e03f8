using Ledger.Conformance.Streams.History;
using Npgsql;
using NpgsqlTypes;

namespace Ledger.Tests.Streams.Naive;

/// <summary>How a naive store finds what comes after a cursor.</summary>
public enum NaiveOrder
{
    /// <summary>By a serial number, which is taken before the commit.</summary>
    Serial,

    /// <summary>By transaction and serial number, below the oldest transaction that still runs.</summary>
    Transaction,
}

/// <summary>
/// A store as many are: one table with a serial number. Its writers lock their streams, as ours do; what it lacks is a
/// position that is given at the commit.
/// </summary>
/// <param name="source">The database.</param>
/// <param name="order">How it is read.</param>
internal sealed class NaiveStore(NpgsqlDataSource source, NaiveOrder order) : HistoryStore
{
    /// <summary>Makes the tables.</summary>
    public async Task CreateAsync()
    {
        await using var command = source.CreateCommand(
            "DROP TABLE IF EXISTS naive, naive_streams; CREATE TABLE naive_streams (name text PRIMARY KEY); " +
            "INSERT INTO naive_streams SELECT 's' || lpad(n::text, 2, '0') FROM generate_series(0, 99) n; " +
            "CREATE TABLE naive (id bigserial PRIMARY KEY, tx xid8 NOT NULL DEFAULT pg_current_xact_id(), " +
            "stream text NOT NULL, content text NOT NULL)");
        await command.ExecuteNonQueryAsync();
    }

    public override async Task AppendAsync(IReadOnlyList<(string Stream, string Text)> entries)
    {
        await using var transaction = await BeginAsync();
        foreach (var (stream, text) in entries)
        {
            await transaction.AppendAsync(stream, text);
        }

        await transaction.CommitAsync();
    }

    public override async Task<ForeignTransaction> BeginAsync()
    {
        var connection = await source.OpenConnectionAsync();
        return new Transaction(connection, await connection.BeginTransactionAsync());
    }

    public override async Task<IReadOnlyList<Seen>> ReadAsync(object? cursor, int limit)
    {
        var (tx, id) = cursor is (ulong lastTx, long lastId) ? (lastTx, lastId) : (0UL, 0L);
        await using var command = source.CreateCommand(order == NaiveOrder.Serial
            ? "SELECT tx, id, stream, content FROM naive WHERE id > $2 AND $1 IS NOT NULL ORDER BY id LIMIT $3"
            : "SELECT tx, id, stream, content FROM naive WHERE (tx, id) > ($1, $2) " +
                "AND tx < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY tx, id LIMIT $3");
        command.Parameters.Add(new() { Value = tx, NpgsqlDbType = NpgsqlDbType.Xid8 });
        command.Parameters.Add(new() { Value = id });
        command.Parameters.Add(new() { Value = limit });
        var seen = new List<Seen>();
        await using var reader = await command.ExecuteReaderAsync();
        while (await reader.ReadAsync())
        {
            seen.Add(new Seen(
                reader.GetString(2), reader.GetString(3), (reader.GetFieldValue<ulong>(0), reader.GetInt64(1))));
        }

        return seen;
    }

    private sealed class Transaction(NpgsqlConnection connection, NpgsqlTransaction transaction) : ForeignTransaction
    {
        public override async Task AppendAsync(string stream, string text)
        {
            await using var command = new NpgsqlCommand(
                "SELECT 1 FROM naive_streams WHERE name = $1 FOR UPDATE", connection);
            command.Parameters.Add(new() { Value = stream });
            await command.ExecuteNonQueryAsync();
            command.CommandText = "INSERT INTO naive (stream, content) VALUES ($1, $2)";
            command.Parameters.Add(new() { Value = text });
            await command.ExecuteNonQueryAsync();
        }

        public override Task CommitAsync() => transaction.CommitAsync();

        public override async ValueTask DisposeAsync()
        {
            await transaction.DisposeAsync();
            await connection.DisposeAsync();
        }
    }
}
