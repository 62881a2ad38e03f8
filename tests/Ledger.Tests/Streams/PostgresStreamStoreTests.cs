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

    public override async Task InitializeAsync() => _schema = await database.NewSchemaAsync();

    protected override ValueTask<IStreamStore> OpenStoreAsync(string name) => new(new PostgresStreamStore(new()
    {
        ConnectionString = database.ConnectionString,
        Schema = _schema,
        Store = name,
        FullText = true,
    }));
}
