using System.Transactions;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Postgres;
using Npgsql;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>What only a PostgreSQL database has: callers' transactions, other tables, versions, locks.</summary>
public sealed class PostgresDatabaseTests(PostgresDatabase database)
    : IAsyncLifetime, IClassFixture<PostgresDatabase>
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
    public async Task What_is_enlisted_is_there_when_the_caller_commits_and_not_before()
    {
        var store = Open();
        await store.AppendAsync("s", New("before"));
        await using var connection = await database.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var enlisted = store.Enlist(transaction);

        var result = await enlisted.AppendAsync("s", New("inside"), ExpectedEnd.At(EntryId.Of(1)));
        await enlisted.SetTagsAsync("s", result.End, ["tagged"]);
        var inside = await enlisted.CountAsync("s");
        var outside = await store.CountAsync("s");
        await transaction.CommitAsync();

        Assert.Equal((2L, 1L), (inside, outside));
        Assert.Null((await store.FindAsync(result.End))!.Position);
        var entries = await store.ReadAllAsync().ToListAsync();
        Assert.Equal([1L, 2L], entries.Select(entry => entry.Position!.Value.Value));
        Assert.Equal(["tagged"], entries[1].Tags);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await enlisted.AppendAsync("s", New("late")));
    }

    [Fact]
    public async Task A_refused_append_leaves_the_callers_transaction_usable_and_what_is_rolled_back_leaves_no_hole()
    {
        var store = Open();
        await store.AppendAsync("s", New("1", "k"));
        await using (var connection = await database.ConnectAsync())
        {
            await using var transaction = await connection.BeginTransactionAsync();
            await using var enlisted = store.Enlist(transaction);
            await Assert.ThrowsAsync<StreamConflictException>(
                async () => await enlisted.AppendAsync("s", New("2"), ExpectedEnd.New));
            Assert.Equal(1, (await enlisted.AppendAsync("s", New("1", "k"))).DuplicateCount);
            await enlisted.AppendAsync([new("s", [New("gone")]), new("new", [New("gone")])]);
            await transaction.RollbackAsync();
        }

        await store.AppendAsync("s", New("kept"));

        Assert.Null(await store.GetInfoAsync("new"));
        Assert.Equal(
            ["1:1", "2:kept"],
            await store.ReadAllAsync().Select(entry => $"{entry.Position}:{Text(entry)}").ToArrayAsync());
    }

    [Fact]
    public async Task An_open_transaction_holds_up_only_those_who_append_to_its_streams()
    {
        var store = Open();
        await store.AppendAsync("held", New("1"));
        await using var connection = await database.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var enlisted = store.Enlist(transaction);
        await enlisted.AppendAsync([new("held", [New("2")]), new("making", [New("3")])]);

        var same = Task.Run(async () => await store.AppendAsync("held", New("6")));
        var making = Task.Run(async () => await store.AppendAsync("making", New("7")));
        await Task.WhenAll(Enumerable.Range(0, 50).Select(
            n => Task.Run(async () => await store.AppendAsync($"free{n % 5}", New("free")))));
        var meanwhile = await store.ReadAllAsync().CountAsync();
        var isHeld = !same.IsCompleted && !making.IsCompleted;
        await transaction.CommitAsync();
        await Task.WhenAll(same, making);

        Assert.Equal((51, true), (meanwhile, isHeld));
        var all = await store.ReadAllAsync().ToListAsync();
        Assert.Equal(Enumerable.Range(1, 55), all.Select(entry => (int)entry.Position!.Value.Value));
        Assert.Equal(["1", "2", "6"], all.Where(entry => entry.Stream == "held").Select(Text));
        Assert.Equal(["3", "7"], all.Where(entry => entry.Stream == "making").Select(Text));
    }

    [Fact]
    public async Task Who_waits_longer_than_it_may_hears_of_it()
    {
        var store = Open(timeout: TimeSpan.FromMilliseconds(50));
        await store.AppendAsync("s", New("1"));
        await using var connection = await database.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        await using var enlisted = store.Enlist(transaction);
        await enlisted.AppendAsync("s", New("2"));

        var locked = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await store.AppendAsync("s", New("3")));
        await transaction.RollbackAsync();

        Assert.Equal((StoreUnavailableReason.Locked, true), (locked.Reason, locked.IsTransient));
        await store.AppendAsync("s", New("3"));
        Assert.Equal(["1", "3"], await store.ReadAsync("s").Select(Text).ToArrayAsync());
    }

    [Fact]
    public async Task An_entry_that_is_being_changed_gets_its_position_later_and_so_does_what_follows_it()
    {
        var store = Open();
        await store.EnsureCreatedAsync();
        var ids = new List<EntryId>();
        await using var connection = await database.ConnectAsync();
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using var enlisted = store.Enlist(transaction);
            ids.Add((await enlisted.AppendAsync("s", New("1"))).End);
            await enlisted.AppendAsync("t", New("t1"));
            await transaction.CommitAsync();
        }

        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await using var enlisted = store.Enlist(transaction);
            await enlisted.SetTagsAsync("s", ids[0], ["slow"]);
            ids.Add((await store.AppendAsync("s", New("2"))).End);
            await store.AppendAsync("t", New("t2"));
            Assert.Equal(["t1", "t2"], await store.ReadAllAsync().Select(Text).ToArrayAsync());
            Assert.Null((await store.FindAsync(ids[1]))!.Position);
            await transaction.CommitAsync();
        }

        var all = await store.ReadAllAsync().ToListAsync();
        Assert.Equal(["1:t1", "2:t2", "3:1", "4:2"], all.Select(entry => $"{entry.Position}:{Text(entry)}"));
        Assert.Equal(["slow"], all[2].Tags);
    }

    [Fact]
    public async Task A_repeatable_read_may_append_and_fails_only_when_its_stream_moved()
    {
        var store = Open();
        await store.AppendAsync([new("s", [New("1")]), new("t", [New("1")])]);
        await using var connection = await database.ConnectAsync();
        await using var transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead);
        await using var enlisted = store.Enlist(transaction);
        await enlisted.CountAsync("s");
        await store.AppendAsync("t", New("2"));

        await enlisted.AppendAsync("s", New("2"));
        var moved = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await enlisted.AppendAsync("t", New("3")));

        Assert.Equal((StoreUnavailableReason.Locked, true), (moved.Reason, moved.IsTransient));
    }

    [Fact]
    public async Task A_subscription_hears_of_what_was_enlisted()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var store = Open();
        await foreach (var item in store.SubscribeAllAsync(cancellationToken: limit.Token))
        {
            if (item is EntryItem<Entry> { Entry.Position: { } position })
            {
                Assert.Equal(new Position(1), position);
                return;
            }

            await using var connection = await database.ConnectAsync();
            await using var transaction = await connection.BeginTransactionAsync();
            await using var enlisted = store.Enlist(transaction);
            await enlisted.AppendAsync("s", New("heard"));
            await transaction.CommitAsync();
        }
    }

    [Fact]
    public async Task Only_a_transaction_on_the_same_database_can_be_enlisted_in()
    {
        var store = Open();
        await store.EnsureCreatedAsync();
        await using var connection = new NpgsqlConnection(
            new NpgsqlConnectionStringBuilder(database.ConnectionString) { Database = "postgres" }.ToString());
        await connection.OpenAsync();
        await using var transaction = await connection.BeginTransactionAsync();

        await using var enlisted = store.Enlist(transaction);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await enlisted.AppendAsync("s", New("x")));
        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
        {
            Assert.Throws<InvalidOperationException>(() => store.Enlist(transaction));
            await store.AppendAsync("s", New("not part of the scope"));
        }

        Assert.Equal(1, await store.CountAsync("s"));
        Assert.Throws<NotSupportedByStoreException>(() => enlisted.SubscribeAllAsync());
        await Assert.ThrowsAsync<NotSupportedByStoreException>(async () => await enlisted.ListConsumersAsync());
    }

    [Fact]
    public async Task A_table_that_Ledger_did_not_make_is_refused_and_left_alone()
    {
        await database.ExecuteAsync(
            $"CREATE TABLE {_schema}.\"Orders\" (x int); CREATE TABLE {_schema}.old (id bigint, stream text, " +
            "payload bytea, order_key text, dedup_key text, schema_version int)");

        var foreign = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await Open().EnsureCreatedAsync());
        var original = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await Open("OLD").EnsureCreatedAsync());

        Assert.Contains("'orders'", foreign.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Go library", foreign.Message, StringComparison.Ordinal);
        Assert.Contains("Go library", original.Message, StringComparison.Ordinal);
        await Open("fine").EnsureCreatedAsync();
    }

    [Theory]
    [InlineData(0, 3)]
    [InlineData(1, 1)]
    public async Task A_newer_layout_is_refused(int number, int known)
    {
        await Open().EnsureCreatedAsync();
        await database.ExecuteAsync($"UPDATE {_schema}.ledger_stores SET version = 9 WHERE number = {number}");

        var refused = await Assert.ThrowsAsync<FormatTooNewException>(async () => await Open().EnsureCreatedAsync());

        Assert.Equal((9, known), (refused.Version, refused.VersionMax));
    }

    [Fact]
    public async Task Many_who_open_at_once_make_one_store()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(
            n => Task.Run(async () => await Open(n % 2 == 0 ? "Orders" : "orders").AppendAsync("s", New($"{n}")))));

        Assert.Equal(8, await Open().CountAsync("s"));
    }

    [Fact]
    public async Task A_server_a_database_and_a_schema_that_are_not_there_are_said()
    {
        var parts = new NpgsqlConnectionStringBuilder(database.ConnectionString);
        await Refused("Host=/nonexistent;Username=x;Database=y", StoreUnavailableReason.Unreachable);
        await Refused($"Host={parts.Host};Username=ledger;Database=missing", StoreUnavailableReason.Missing);
        await Refused($"Host={parts.Host};Username=nobody_here;Database=postgres", StoreUnavailableReason.Denied);
        _schema = "missing";
        await Refused(database.ConnectionString, StoreUnavailableReason.Missing);
        Assert.Throws<ArgumentException>(() => new PostgresStreamStore(new()));
        Assert.Throws<ArgumentException>(() => new PostgresStreamStoreOptions { Schema = "a.b" });

        async Task Refused(string connectionString, StoreUnavailableReason reason)
        {
            await using var store = new PostgresStreamStore(new()
            {
                ConnectionString = connectionString,
                Schema = _schema,
                WriteTimeout = TimeSpan.Zero,
            });
            var refused = await Assert.ThrowsAsync<StoreUnavailableException>(
                async () => await store.EnsureCreatedAsync());
            Assert.Equal(reason, refused.Reason);
        }
    }

    [Fact]
    public async Task A_store_that_may_not_be_made_is_missing()
    {
        await using var store = new PostgresStreamStore(new()
        {
            ConnectionString = database.ConnectionString,
            Schema = _schema,
            Store = "orders",
            CreateIfMissing = false,
        });

        var missing = await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.CountAsync("s"));
        await Open().AppendAsync("s", New("1"));

        Assert.Equal(StoreUnavailableReason.Missing, missing.Reason);
        Assert.Equal(1, await store.CountAsync("s"));
    }

    [Fact]
    public async Task A_data_source_of_the_callers_stays_the_callers_and_a_URI_is_understood()
    {
        var parts = new NpgsqlConnectionStringBuilder(database.ConnectionString);
        await using var source = NpgsqlDataSource.Create(database.ConnectionString);
        await using (var store = new PostgresStreamStore(new() { DataSource = source, Schema = _schema }))
        {
            await store.AppendAsync("s", New("1"));
        }

        await using var uri = new PostgresStreamStore(new()
        {
            ConnectionString = $"postgresql://ledger@/{parts.Database}?host={Uri.EscapeDataString(parts.Host ?? "")}",
            Schema = _schema,
        });
        var count = await uri.CountAsync("s");

        await using var connection = await source.OpenConnectionAsync();
        Assert.Equal((1L, System.Data.ConnectionState.Open), (count, connection.State));
    }

    [Fact]
    public async Task Words_can_be_indexed_later_and_stay_indexed()
    {
        var words = new SearchOptions { Mode = SearchMode.FullText };
        await Open().AppendAsync("s", New("red/green"));
        var indexing = Open(fullText: true);

        var found = await indexing.SearchAsync("Green", words).CountAsync();
        await Open().AppendAsync("s", New("red again"));

        Assert.Equal(1, found);
        Assert.Equal(2, await indexing.SearchAsync("red", words).CountAsync());
    }

    [Fact]
    public async Task Text_that_the_server_does_not_take_is_found_by_the_rest_of_it()
    {
        var store = Open(fullText: true);
        var text = "be\0fore " + (char)0xD800 + " " + new string('x', 5_000) + " after " + string.Join(
            ' ', Enumerable.Range(0, 100_000).Select(n => $"word{n}"));

        await store.AppendAsync("s", New(text));

        Assert.Equal(1, await store.SearchAsync("fore").CountAsync());
        Assert.Equal(1, await store.SearchAsync("after", new() { Mode = SearchMode.FullText }).CountAsync());
        Assert.Equal(0, await store.SearchAsync("word99999", new() { Mode = SearchMode.FullText }).CountAsync());
    }

    [Fact]
    public async Task Idle_subscribers_cost_no_queries()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await using var store = new PostgresStreamStore(new()
        {
            ConnectionString = database.ConnectionString + ";Application Name=idle",
            Schema = _schema,
        });
        await store.AppendAsync("s", New("1"));
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        var caughtUp = new SemaphoreSlim(0);
        var following = Enumerable.Range(0, 5).Select(n => Task.Run(async () =>
        {
            var items = n == 0
                ? store.SubscribeAsync("s", cancellationToken: enough.Token)
                : store.SubscribeAllAsync(cancellationToken: enough.Token);
            await foreach (var item in items)
            {
                if (item is CaughtUpItem<Entry>)
                {
                    caughtUp.Release();
                }
            }
        })).ToArray();
        for (var n = 0; n < 5; n++)
        {
            await caughtUp.WaitAsync(limit.Token);
        }

        // What the beginning wakes is over when nothing was asked for a while.
        string before;
        do
        {
            before = await QueriesAsync();
            await LedgerRuntime.CreateSystem().Delay(TimeSpan.FromSeconds(0.5), limit.Token);
        }
        while (before != await QueriesAsync());
        await LedgerRuntime.CreateSystem().Delay(TimeSpan.FromSeconds(2.5), limit.Token);
        var after = await QueriesAsync();
        enough.Cancel();
        foreach (var task in following)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task);
        }

        Assert.Contains("LISTEN", before, StringComparison.Ordinal);
        Assert.Equal(before, after);
    }

    private async Task<string> QueriesAsync()
    {
        await using var connection = await database.ConnectAsync();
        await using var command = new NpgsqlCommand(
            "SELECT string_agg(pid || ' ' || query_start || ' ' || state_change || ' ' || query, ', ' ORDER BY pid) " +
            "FROM pg_stat_activity WHERE application_name = 'idle' AND datname = current_database()", connection);
        return (string?)await command.ExecuteScalarAsync() ?? "";
    }

    private static NewEntry New(string text, string? dedupKey = null) =>
        new(System.Text.Encoding.UTF8.GetBytes(text)) { SearchText = text, DedupKey = dedupKey };

    private static string Text(Entry entry) => System.Text.Encoding.UTF8.GetString(entry.Payload.Span);

    private PostgresStreamStore Open(string name = "orders", TimeSpan? timeout = null, bool fullText = false)
    {
        var store = new PostgresStreamStore(new()
        {
            ConnectionString = database.ConnectionString,
            Schema = _schema,
            Store = name,
            WriteTimeout = timeout ?? TimeSpan.FromSeconds(5),
            FullText = fullText,
        });
        lock (_opened)
        {
            _opened.Add(store);
        }

        return store;
    }
}
