using System.Text;
using Ledger.Streams;
using Ledger.Streams.Postgres;
using Npgsql;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>What others do to a store on PostgreSQL while it is open: begin with full text, rename.</summary>
public sealed class PostgresOthersTests(PostgresDatabase database) : IAsyncLifetime, IClassFixture<PostgresDatabase>
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

    [Fact]
    public async Task Words_are_found_also_of_those_who_were_there_before_they_were_indexed()
    {
        var words = new SearchOptions { Mode = SearchMode.FullText };
        var before = Open();
        await before.AppendAsync("s", New("red/green"));
        var indexing = Open(fullText: true);
        var atFirst = await indexing.SearchAsync("red", words).CountAsync();
        await EnlistAsync(before, "s", "red in a transaction", "!!!");

        var unknowing = await indexing.SearchAsync("red", words).Select(Text).ToArrayAsync();
        await before.AppendAsync("s", New("red by itself"));
        await EnlistAsync(before, "s", "red later");

        Assert.Equal(1, atFirst);
        Assert.Equal(["red/green", "red in a transaction"], unknowing);
        Assert.Equal(0, await UnindexedAsync());
        Assert.Equal(4, await indexing.SearchAsync("red", words).CountAsync());
        Assert.Equal(1, await indexing.SearchAsync("later", words with { Stream = "s" }).CountAsync());
    }

    [Fact]
    public async Task A_stream_keeps_its_order_when_it_is_renamed_while_an_entry_of_it_waits_for_its_position()
    {
        var store = Open();
        var first = await EnlistAsync(store, "old", "1");
        await using var connection = await database.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var enlisted = store.Enlist(transaction);
        await enlisted.SetTagsAsync("old", first, ["slow"]);

        await store.RenameAsync("old", "new");
        var second = (await store.AppendAsync("new", New("2"))).End;
        await store.AppendAsync("old", New("of another stream"));
        var meanwhile = await store.ReadAllAsync().Select(Text).ToArrayAsync();
        await transaction.CommitAsync();
        await store.AppendAsync("new", New("3"));

        Assert.Equal(["of another stream"], meanwhile);
        Assert.Equal(
            ["1 old of another stream", "2 new 1", "3 new 2", "4 new 3"],
            await store.ReadAllAsync()
                .Select(entry => $"{entry.Position} {entry.Stream} {Text(entry)}").ToArrayAsync());
        Assert.Equal(["1", "2", "3"], await store.ReadAsync("new").Select(Text).ToArrayAsync());
        Assert.True(first.CompareTo(second) < 0);
    }

    private async Task<EntryId> EnlistAsync(PostgresStreamStore store, string stream, params string[] texts)
    {
        await store.EnsureCreatedAsync();
        await using var connection = await database.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var enlisted = store.Enlist(transaction);
        var result = await enlisted.AppendAsync([new(stream, [.. texts.Select(New)])]);
        await transaction.CommitAsync();
        return result[0].End;
    }

    private async Task<long> UnindexedAsync()
    {
        await using var connection = await database.ConnectAsync();
        await using var command = new NpgsqlCommand(
            $"SELECT count(*) FROM {_schema}.orders WHERE words IS NULL", connection);
        return (long)(await command.ExecuteScalarAsync())!;
    }

    private static NewEntry New(string text) => new(Encoding.UTF8.GetBytes(text)) { SearchText = text };

    private static string Text(Entry entry) => Encoding.UTF8.GetString(entry.Payload.Span);

    private PostgresStreamStore Open(bool fullText = false)
    {
        var store = new PostgresStreamStore(new()
        {
            ConnectionString = database.ConnectionString,
            Schema = _schema,
            Store = "orders",
            FullText = fullText,
        });
        _opened.Add(store);
        return store;
    }
}
