using Ledger.Streams.Postgres;
using Ledger.Streams.Relational;
using Ledger.Streams.Sqlite;

namespace Ledger.EndToEnd.Streams;

/// <summary>Opens the store "events" in a SQLite file, or in the PostgreSQL database of a connection string.</summary>
internal static class StreamDatabase
{
    /// <summary>Opens it.</summary>
    /// <param name="name">A path, or a connection string of Npgsql, which begins with <c>Host=</c>.</param>
    public static RelationalStreamStore Open(string name) => name.StartsWith("Host=", StringComparison.Ordinal)
        ? new PostgresStreamStore(new() { ConnectionString = name, Store = "events" })
        : new SqliteStreamStore(new() { DataSource = name, Store = "events" });
}
