using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Sqlite;
using Microsoft.Data.Sqlite;

namespace Ledger.Server.Services;

/// <summary>Stores in one SQLite file.</summary>
/// <param name="path">The file; made with the first store.</param>
/// <param name="fullText">Whether words are indexed.</param>
/// <param name="runtime">The seams.</param>
internal sealed class SqliteDatabase(string path, bool fullText, LedgerRuntime runtime) : IStoreDatabase
{
    /// <inheritdoc/>
    public bool IsMadeByOpening => true;

    /// <inheritdoc/>
    public ValueTask<StreamStore?> OpenAsync(string name, bool create, CancellationToken cancellationToken) =>
        StoreOpening.OpenAsync(Store(name, create), cancellationToken);

    /// <inheritdoc/>
    public StreamStoreCapabilities CapabilitiesOf(string name) => Store(name, create: false).Capabilities;

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken) =>
        QueryAsync(
            "SELECT name FROM sqlite_master WHERE name = 'ledger_stores'",
            "SELECT name FROM ledger_stores WHERE number > 0 ORDER BY name_key",
            cancellationToken);

    /// <inheritdoc/>
    public async ValueTask CheckHealthAsync(CancellationToken cancellationToken) =>
        await QueryAsync("SELECT name FROM sqlite_master LIMIT 1", "SELECT 1 WHERE 0", cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private SqliteStreamStore Store(string name, bool create) => new(
        new() { DataSource = path, Store = name, CreateIfMissing = create, FullText = fullText }, runtime);

    /// <summary>The rows of the second statement when the first has one.</summary>
    private async ValueTask<IReadOnlyList<string>> QueryAsync(
        string condition, string query, CancellationToken cancellationToken)
    {
        SqliteLibrary.Initialize();
        var text = new SqliteConnectionStringBuilder { DataSource = path, Pooling = false, DefaultTimeout = 5 };
        if (!File.Exists(path))
        {
            // Opening makes the file: what cannot be made is a database that does not answer.
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path)) ?? ".");
        }

        try
        {
            await using var connection = new SqliteConnection(text.ToString());
            await connection.OpenAsync(cancellationToken);
            await using var command = connection.CreateCommand();
            command.CommandText = condition;
            if (await command.ExecuteScalarAsync(cancellationToken) is null)
            {
                return [];
            }

            command.CommandText = query;
            var names = new List<string>();
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                names.Add(reader.GetString(0));
            }

            return names;
        }
        catch (SqliteException error)
        {
            throw SqlitePlace.Refusal(runtime.Files, path, error);
        }
    }
}
