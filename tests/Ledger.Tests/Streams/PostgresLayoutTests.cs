using System.Text;
using Ledger.Streams;
using Ledger.Streams.Postgres;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>Databases of older versions.</summary>
public sealed class PostgresLayoutTests(PostgresDatabase database) : IAsyncLifetime, IClassFixture<PostgresDatabase>
{
    private string _schema = "";

    public async Task InitializeAsync() => _schema = await database.NewSchemaAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Shared_tables_of_version_1_become_those_of_version_2(bool createIfMissing)
    {
        await using (var before = Open(true))
        {
            await before.AppendAsync("old", New("1"));
        }

        await database.ExecuteAsync(
            $"DROP TABLE {_schema}.ledger_renames; UPDATE {_schema}.ledger_stores SET version = 1");

        await using var store = Open(createIfMissing);
        var streams = await store.ReadAllAsync().Select(entry => entry.Stream).ToArrayAsync();
        await store.RenameAsync("old", "new");
        await store.AppendAsync("new", New("2"));

        Assert.Equal(["old"], streams);
        Assert.Equal(["new", "new"], await store.ReadAllAsync().Select(entry => entry.Stream).ToArrayAsync());
    }

    private static NewEntry New(string text) => new(Encoding.UTF8.GetBytes(text));

    private PostgresStreamStore Open(bool createIfMissing) => new(new()
    {
        ConnectionString = database.ConnectionString,
        Schema = _schema,
        Store = "orders",
        CreateIfMissing = createIfMissing,
    });
}
