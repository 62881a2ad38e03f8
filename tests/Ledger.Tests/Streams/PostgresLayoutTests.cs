using System.Text;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Ledger.Streams.Postgres;
using Npgsql;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>Databases of older versions.</summary>
public sealed class PostgresLayoutTests(PostgresDatabase database) : IAsyncLifetime, IClassFixture<PostgresDatabase>
{
    private string _schema = "";

    public async Task InitializeAsync() => _schema = await database.NewSchemaAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Theory]
    [InlineData(1, true)]
    [InlineData(2, false)]
    public async Task Shared_tables_of_older_versions_become_those_of_this_one(int version, bool createIfMissing)
    {
        await using (var before = Open(true))
        {
            await before.AppendAsync("old", New("1"));
            await before.ResetConsumerAsync("c", Position.Start, create: true);
        }

        await database.ExecuteAsync(
            $"UPDATE {_schema}.ledger_consumers SET state = jsonb_set(state::jsonb, '{{parked}}', '[{{\"position\":1," +
            "\"id\":\"1\",\"stream\":\"old\",\"attempts\":7,\"error\":\"Old.\",\"at\":5}]')::text; " +
            (version == 1 ? $"DROP TABLE {_schema}.ledger_renames; " : "") +
            $"DROP TABLE {_schema}.ledger_parked; " +
            $"UPDATE {_schema}.ledger_stores SET version = {version} WHERE number = 0");

        await using var store = Open(createIfMissing);
        var streams = await store.ReadAllAsync().Select(entry => entry.Stream).ToArrayAsync();
        await store.RenameAsync("old", "new");
        await store.AppendAsync("new", New("2"));
        await using (var consumer = await store.AcquireConsumerAsync("c"))
        {
            await consumer.AcknowledgeAsync(await consumer.ReceiveAsync());
        }

        var info = Assert.Single(await store.ListConsumersAsync());
        Assert.Equal(["old"], streams);
        Assert.Equal(["new", "new"], await store.ReadAllAsync().Select(entry => entry.Stream).ToArrayAsync());
        Assert.Equal(
            new ParkedEntry(
                new Position(1), EntryId.Of(1), "old", 7, "Old.", DateTimeOffset.FromUnixTimeMilliseconds(5)),
            Assert.Single(info.Parked));
        Assert.Equal(
            0, await CountAsync($"SELECT count(*) FROM {_schema}.ledger_consumers WHERE state LIKE '%parked%'"));
    }

    [Fact]
    public async Task An_acknowledgement_leaves_what_is_parked_alone()
    {
        await using var store = Open(true);
        await store.AppendAsync("s", [New("1"), New("2")]);
        var options = new ConsumerOptions { AttemptsMax = 1 };
        await using var consumer = await store.AcquireConsumerAsync("c", options);
        await consumer.FailAsync(await consumer.ReceiveAsync(), "No.");
        var written = $"SELECT xmin::text::bigint FROM {_schema}.ledger_parked WHERE error = 'No.'";
        var before = await CountAsync(written);

        await consumer.AcknowledgeAsync(await consumer.ReceiveAsync());

        Assert.Equal(before, await CountAsync(written));
    }

    private async Task<long> CountAsync(string sql)
    {
        await using var connection = await database.ConnectAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync())!;
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
