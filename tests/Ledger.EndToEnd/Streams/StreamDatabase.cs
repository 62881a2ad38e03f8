using Ledger.EndToEnd.Foreign;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Streams;
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

    /// <summary>As <see cref="Open"/>; or that of a daemon, whose address begins with <c>http:</c>.</summary>
    public static async ValueTask<IStreamStore> OpenAnyAsync(string name) =>
        name.StartsWith("http:", StringComparison.Ordinal)
            ? await RemoteStreamStore.OpenAsync(
                new RpcChannel(name, new RpcChannelOptions { ApiKey = DaemonProcess.Key }), "events")
            : Open(name);
}
