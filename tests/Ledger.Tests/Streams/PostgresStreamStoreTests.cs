using System.Data.Common;
using Ledger.Conformance.Streams;
using Ledger.Streams;
using Ledger.Streams.Postgres;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>The store in a PostgreSQL database passes the kit; each test has a schema of its own.</summary>
public sealed class PostgresStreamStoreTests(PostgresDatabase database)
    : StreamStoreConformance, IClassFixture<PostgresDatabase>
{
    private string _schema = "";

    protected override StreamStoreCapabilities Promised => StreamStoreTable.Of("postgres");

    public override async Task InitializeAsync() => _schema = await database.NewSchemaAsync();

    [Fact]
    public async Task Without_an_index_of_words_a_search_for_words_is_refused_and_nothing_else()
    {
        await using var store = Open("orders", fullText: false);

        await CheckPromisesAsync(store, Promised & ~StreamStoreCapabilities.FullText);
    }

    protected override ValueTask<IStreamStore> OpenStoreAsync(string name) => new(Open(name, fullText: true));

    protected override async ValueTask<DbTransaction?> BeginAsync()
    {
        var connection = await database.ConnectAsync();
        var transaction = await connection.BeginTransactionAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = $"SET LOCAL search_path TO {_schema}";
        await command.ExecuteNonQueryAsync();
        return transaction;
    }

    private PostgresStreamStore Open(string name, bool fullText) => new(new()
    {
        ConnectionString = database.ConnectionString,
        Schema = _schema,
        Store = name,
        FullText = fullText,
    });
}
