using System.Text;
using Ledger.Objects;
using Ledger.Streams;
using Ledger.Streams.Postgres;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>What an append on PostgreSQL says when the batch fails that ends with its commit.</summary>
public sealed class PostgresCommitTests(PostgresDatabase database) : IAsyncLifetime, IClassFixture<PostgresDatabase>
{
    private readonly List<PostgresStreamStore> _opened = [];
    private string _schema = "";

    public async Task InitializeAsync() => _schema = await database.NewSchemaAsync();

    public async Task DisposeAsync()
    {
        foreach (var store in _opened)
        {
            await store.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("57P01", null)]
    [InlineData("40P01", null)]
    [InlineData("57P01", "key")]
    public async Task What_fails_before_its_commit_is_done_again(string sqlState, string? dedupKey)
    {
        var store = Open();
        await store.EnsureCreatedAsync();
        await FailOnceAsync(sqlState, isAtCommit: false);

        var result = await store.AppendAsync("s", New("1", dedupKey));

        Assert.Equal(0, result.DuplicateCount);
        Assert.Equal(["1"], await store.ReadAllAsync().Select(Text).ToArrayAsync());
    }

    [Fact]
    public async Task A_commit_that_the_server_does_not_answer_leaves_the_outcome_open()
    {
        var store = Open();
        await store.EnsureCreatedAsync();
        await FailOnceAsync("57P01", isAtCommit: true);

        await Assert.ThrowsAsync<OutcomeUnknownException>(async () => await store.AppendAsync("s", New("1")));
        await store.AppendAsync("s", New("2"));

        Assert.Equal(["2"], await store.ReadAllAsync().Select(Text).ToArrayAsync());
    }

    [Fact]
    public async Task An_open_outcome_of_what_has_dedup_keys_is_settled_by_doing_it_again()
    {
        var store = Open();
        await store.EnsureCreatedAsync();
        await FailOnceAsync("57P01", isAtCommit: true);

        await store.AppendAsync("s", New("1", "key"));

        Assert.Equal(["1"], await store.ReadAllAsync().Select(Text).ToArrayAsync());
    }

    [Fact]
    public async Task A_commit_that_the_server_refuses_has_written_nothing_and_is_done_again()
    {
        var store = Open();
        await store.EnsureCreatedAsync();
        await FailOnceAsync("53100", isAtCommit: true);

        // The group that it is in fails, and then it is done again by itself.
        await store.AppendAsync("s", New("1"));

        Assert.Equal(["1"], await store.ReadAllAsync().Select(Text).ToArrayAsync());
    }

    [Fact]
    public async Task A_stream_that_only_a_refused_append_would_have_made_is_not_there()
    {
        var store = Open();
        await store.AppendAsync("other", New("1"));

        var refused = Task.WhenAll(Enumerable.Range(0, 8).Select(n => Task.Run(async () =>
            await Assert.ThrowsAsync<StreamConflictException>(async () =>
                await store.AppendAsync($"none{n}", New("x"), ExpectedEnd.At(EntryId.Of(77)))))));
        await Task.WhenAll(Enumerable.Range(0, 8).Select(n => Task.Run(async () =>
            await store.AppendAsync($"made{n}", New("y")))));
        await refused;
        await Assert.ThrowsAsync<StreamConflictException>(async () => await store.AppendAsync(
            [new("none", [New("x")]), new("other", [New("x")]) { ExpectedEnd = ExpectedEnd.New }]));

        var names = await store.ListStreamsAsync(new() { IncludeEmpty = true }).ToArrayAsync();
        Assert.Equal([.. Enumerable.Range(0, 8).Select(n => $"made{n}"), "other"], names);
    }

    /// <summary>Makes the next transaction that writes an entry fail, and no other.</summary>
    private Task FailOnceAsync(string sqlState, bool isAtCommit) => database.ExecuteAsync(
        $"""
        CREATE SEQUENCE {_schema}.failures;
        CREATE FUNCTION {_schema}.fail() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          IF nextval('{_schema}.failures') = 1 THEN
            RAISE EXCEPTION 'planted' USING ERRCODE = '{sqlState}';
          END IF;
          RETURN NULL;
        END $$;
        CREATE CONSTRAINT TRIGGER failing AFTER INSERT ON {_schema}.orders
          DEFERRABLE INITIALLY {(isAtCommit ? "DEFERRED" : "IMMEDIATE")}
          FOR EACH ROW EXECUTE FUNCTION {_schema}.fail();
        """);

    private static NewEntry New(string text, string? dedupKey = null) =>
        new(Encoding.UTF8.GetBytes(text)) { DedupKey = dedupKey };

    private static string Text(Entry entry) => Encoding.UTF8.GetString(entry.Payload.Span);

    private PostgresStreamStore Open()
    {
        var store = new PostgresStreamStore(new()
        {
            ConnectionString = database.ConnectionString,
            Schema = _schema,
            Store = "orders",
            WriteTimeout = TimeSpan.FromMinutes(1),
        });
        _opened.Add(store);
        return store;
    }
}
