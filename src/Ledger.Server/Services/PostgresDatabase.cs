using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Postgres;
using Npgsql;

namespace Ledger.Server.Services;

/// <summary>Stores in one schema of a PostgreSQL database, on one pool of connections.</summary>
/// <param name="connectionString">Of Npgsql, or a URI.</param>
/// <param name="schema">The schema, which must exist.</param>
/// <param name="fullText">Whether words are indexed.</param>
/// <param name="runtime">The seams.</param>
internal sealed class PostgresDatabase(
    string connectionString, string schema, bool fullText, LedgerRuntime runtime) : IStoreDatabase
{
    private readonly NpgsqlDataSource _source = PostgresConnections.CreateSource(connectionString);

    /// <inheritdoc/>
    public bool IsMadeByOpening => false;

    /// <inheritdoc/>
    public ValueTask<StreamStore?> OpenAsync(string name, bool create, CancellationToken cancellationToken) =>
        StoreOpening.OpenAsync(Store(name, create), cancellationToken);

    /// <inheritdoc/>
    public StreamStoreCapabilities CapabilitiesOf(string name) => Store(name, create: false).Capabilities;

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<string>> ListAsync(CancellationToken cancellationToken) =>
        await QueryAsync(
            $"SELECT 1 WHERE to_regclass('\"{schema}\".ledger_stores') IS NOT NULL",
            $"SELECT name FROM \"{schema}\".ledger_stores WHERE number > 0 ORDER BY name_key", cancellationToken);

    /// <inheritdoc/>
    public async ValueTask CheckHealthAsync(CancellationToken cancellationToken) =>
        await QueryAsync("SELECT 1", "SELECT '' WHERE false", cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _source.DisposeAsync();

    private PostgresStreamStore Store(string name, bool create) => new(
        new()
        {
            DataSource = _source,
            Schema = schema,
            Store = name,
            CreateIfMissing = create,
            FullText = fullText,
        },
        runtime);

    /// <summary>The rows of the second statement when the first has one.</summary>
    private async ValueTask<IReadOnlyList<string>> QueryAsync(
        string condition, string query, CancellationToken cancellationToken)
    {
        try
        {
            await using var connection =
                await _source.OpenConnectionAsync(cancellationToken);
            await using var command = new NpgsqlCommand(condition, connection);
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
        catch (NpgsqlException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Unreachable, $"{PostgresConnections.NameOf(_source)} cannot be reached.",
                error);
        }
    }
}
