using System.Data.Common;
using Ledger.Streams.Sqlite;
using Microsoft.Data.Sqlite;

namespace Ledger.Tests.Streams;

/// <summary>A database file in a directory of its own; deleted by whoever made it.</summary>
internal sealed class SqliteFile
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-streams-").FullName;

    /// <summary>The file, which need not exist.</summary>
    public string Path => System.IO.Path.Combine(_directory, "app.db");

    /// <summary>A connection as an application opens it.</summary>
    public SqliteConnection Connect()
    {
        SqliteLibrary.Initialize();
        var connection = new SqliteConnection($"Data Source={Path};Pooling=False");
        connection.Open();
        return connection;
    }

    /// <summary>Begins a transaction that writes, on a connection of its own; waits for whoever has the lock.</summary>
    public DbTransaction Begin()
    {
        var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA busy_timeout = 60000";
        command.ExecuteNonQuery();
        return connection.BeginTransaction(deferred: false);
    }

    /// <summary>Runs statements.</summary>
    public void Execute(string sql)
    {
        using var connection = Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    /// <summary>Deletes the directory.</summary>
    public void Delete() => Directory.Delete(_directory, recursive: true);
}
