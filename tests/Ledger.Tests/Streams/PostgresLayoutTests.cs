using System.Text;
using Ledger.Objects;
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

    [Fact]
    public async Task A_store_may_have_the_name_that_the_server_would_give_to_a_part_of_another()
    {
        string[] names = ["a", "a_pkey", "a_id_seq", "_a", "A_position_key", "a_stream_dedup_key_key"];
        foreach (var name in names.Concat(names.Reverse()))
        {
            await using var store = Open(true, name);
            await store.AppendAsync("s", New(name));
        }

        foreach (var name in names)
        {
            await using var store = Open(false, name);
            Assert.Equal([name, name], await store.ReadAllAsync().Select(Text).ToArrayAsync());
        }
    }

    [Fact]
    public async Task The_primary_key_of_an_older_store_gives_its_name_to_a_store_that_is_called_so()
    {
        await using var old = Open(true, "Old");
        await old.AppendAsync("s", New("1"));
        await database.ExecuteAsync(
            $"ALTER TABLE {_schema}.\"Old\" RENAME CONSTRAINT ledger_1_pkey TO \"Old_pkey\"");

        await using (var between = Open(true, "old_PKEY"))
        {
            await between.AppendAsync("s", New("2"));
            await old.AppendAsync("s", New("3"));
            Assert.Equal(["2"], await between.ReadAllAsync().Select(Text).ToArrayAsync());
        }

        await using var again = Open(false, "old");
        Assert.Equal(["1", "3"], await again.ReadAllAsync().Select(Text).ToArrayAsync());
        await database.ExecuteAsync($"CREATE TABLE {_schema}.mine (id integer CONSTRAINT taken PRIMARY KEY)");
        await using var taken = Open(true, "taken");
        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await taken.AppendAsync("s", New("4")));
    }

    private static string Text(Entry entry) => Encoding.UTF8.GetString(entry.Payload.Span);

    private async Task<long> CountAsync(string sql)
    {
        await using var connection = await database.ConnectAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static NewEntry New(string text) => new(Encoding.UTF8.GetBytes(text));

    private PostgresStreamStore Open(bool createIfMissing, string name = "orders") => new(new()
    {
        ConnectionString = database.ConnectionString,
        Schema = _schema,
        Store = name,
        CreateIfMissing = createIfMissing,
    });
}
