using System.Threading.Channels;
using System.Transactions;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Sqlite;
using Ledger.Tests.Objects.Segments;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>What only a SQLite file has: the caller's transactions, other tables, other versions, locks.</summary>
public sealed class SqliteFileTests : IAsyncLifetime
{
    private readonly SqliteFile _file = new();
    private readonly List<SqliteStreamStore> _opened = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var store in _opened)
        {
            await store.DisposeAsync();
        }

        _file.Delete();
    }

    [Fact]
    public async Task What_is_enlisted_is_there_when_the_caller_commits_and_not_before()
    {
        var store = await OpenAsync();
        await store.AppendAsync("s", New("before"));
        await using var connection = _file.Connect();
        await using var transaction = connection.BeginTransaction();
        await using var enlisted = store.Enlist(transaction);

        var result = await enlisted.AppendAsync("s", New("inside"), ExpectedEnd.At(EntryId.Of(1)));
        await enlisted.SetTagsAsync("s", result.End, ["tagged"]);
        var inside = await enlisted.CountAsync("s");
        var outside = await store.CountAsync("s");
        await transaction.CommitAsync();

        Assert.Equal((2L, 1L), (inside, outside));
        var entries = await store.ReadAllAsync().ToListAsync();
        Assert.Equal([1L, 2L], entries.Select(entry => entry.Position!.Value.Value).ToArray());
        Assert.Equal(["tagged"], entries[1].Tags);
    }

    [Fact]
    public async Task What_is_missing_and_not_to_be_made_is_missing_and_is_not_made()
    {
        var file = await Assert.ThrowsAsync<StoreUnavailableException>(() => FindAsync("orders"));
        var isMade = File.Exists(_file.Path);
        _file.Execute("CREATE TABLE others (id INTEGER)");
        var tables = await Assert.ThrowsAsync<StoreUnavailableException>(() => FindAsync("orders"));
        var before = await File.ReadAllBytesAsync(_file.Path);
        await (await OpenAsync("other")).AppendAsync("s", New("one"));
        var store = await Assert.ThrowsAsync<StoreUnavailableException>(() => FindAsync("orders"));
        await (await OpenAsync("orders")).AppendAsync("s", New("two"));

        await FindAsync("Orders");

        Assert.False(isMade);
        Assert.Equal((byte)1, before[18]); // Not turned to the write-ahead log either.
        Assert.All(new[] { file, tables, store }, error => Assert.Equal(StoreUnavailableReason.Missing, error.Reason));

        async Task FindAsync(string name)
        {
            await using var found = new SqliteStreamStore(
                new() { DataSource = _file.Path, Store = name, CreateIfMissing = false });
            await found.EnsureCreatedAsync();
        }
    }

    [Fact]
    public async Task Words_go_with_the_entries_that_are_trimmed()
    {
        await using var store = new SqliteStreamStore(
            new() { DataSource = _file.Path, Store = "orders", FullText = true });
        var result = await store.AppendAsync("s", [New("red green"), New("blue")]);

        await store.TrimAsync("s", result.Entries[0].Id);

        // Fails when the index has a word of an entry that is not there.
        _file.Execute("INSERT INTO ledger_1_text (ledger_1_text, rank) VALUES ('integrity-check', 1)");
        Assert.Equal(1, await store.CountAsync("s"));
    }

    [Fact]
    public async Task What_is_rolled_back_leaves_no_hole()
    {
        var store = await OpenAsync();
        await store.EnsureCreatedAsync();
        await using (var connection = _file.Connect())
        {
            await using var transaction = connection.BeginTransaction();
            await using var enlisted = store.Enlist(transaction);
            await enlisted.AppendAsync("s", New("gone"));
            await transaction.RollbackAsync();
        }

        var result = await store.AppendAsync("s", New("kept"));

        Assert.Equal(EntryId.Of(1), result.End);
        Assert.Equal(new Position(1), (await store.ReadAllAsync().SingleAsync()).Position);
    }

    [Fact]
    public async Task A_subscription_hears_of_what_was_enlisted()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var store = await OpenAsync();
        await foreach (var item in store.SubscribeAsync("s", cancellationToken: limit.Token))
        {
            if (item is EntryItem<Entry>)
            {
                return;
            }

            await using var connection = _file.Connect();
            await using var transaction = connection.BeginTransaction();
            await using var enlisted = store.Enlist(transaction);
            await enlisted.AppendAsync("s", New("heard"));
            await transaction.CommitAsync();
        }
    }

    [Fact]
    public async Task Only_a_transaction_on_the_same_database_can_be_enlisted_in()
    {
        var store = await OpenAsync();
        await store.EnsureCreatedAsync();
        await using var connection = new SqliteConnection("Data Source=:memory:");
        await connection.OpenAsync();
        await using var transaction = connection.BeginTransaction();

        await using var enlisted = store.Enlist(transaction);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await enlisted.AppendAsync("s", New("x")));
        using (new TransactionScope(TransactionScopeAsyncFlowOption.Enabled))
        {
            Assert.Throws<InvalidOperationException>(() => store.Enlist(transaction));
        }

        Assert.Throws<NotSupportedByStoreException>(() => enlisted.SubscribeAllAsync());
        await Assert.ThrowsAsync<NotSupportedByStoreException>(async () => await enlisted.ListConsumersAsync());
    }

    [Fact]
    public async Task A_table_that_Ledger_did_not_make_is_refused_and_left_alone()
    {
        _file.Execute(
            "CREATE TABLE Orders (x); CREATE TABLE old (id INTEGER, stream TEXT, payload BLOB, order_key TEXT, " +
            "dedup_key TEXT, schema_version INTEGER)");

        var foreign = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await (await OpenAsync()).EnsureCreatedAsync());
        var original = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await (await OpenAsync("OLD")).EnsureCreatedAsync());

        Assert.Contains("'orders'", foreign.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("Go library", foreign.Message, StringComparison.Ordinal);
        Assert.Contains("Go library", original.Message, StringComparison.Ordinal);
        await (await OpenAsync("fine")).EnsureCreatedAsync();
    }

    [Theory]
    [InlineData("UPDATE ledger_stores SET version = 9 WHERE number = 0", SqliteLayout.SharedVersionNow)]
    [InlineData("UPDATE ledger_stores SET version = 9 WHERE number = 1", SqliteLayout.VersionNow)]
    public async Task A_newer_layout_is_refused(string sql, int versionMax)
    {
        await (await OpenAsync()).EnsureCreatedAsync();
        _file.Execute(sql);

        var refused = await Assert.ThrowsAsync<FormatTooNewException>(
            async () => await (await OpenAsync()).EnsureCreatedAsync());

        Assert.Equal((9, versionMax), (refused.Version, refused.VersionMax));
    }

    [Fact]
    public async Task A_locked_file_is_a_transient_error_and_works_when_it_is_free()
    {
        var store = await OpenAsync(timeout: TimeSpan.FromMilliseconds(50));
        await store.EnsureCreatedAsync();
        await using (var connection = _file.Connect())
        {
            await using var transaction = connection.BeginTransaction(deferred: false);

            var locked = await Assert.ThrowsAsync<StoreUnavailableException>(
                async () => await store.AppendAsync("s", New("x")));
            Assert.True(locked.IsTransient);
            Assert.Equal(0, await store.CountAsync("s"));
        }

        Assert.Equal(EntryId.Of(1), (await store.AppendAsync("s", New("x"))).End);
    }

    [Fact]
    public async Task A_file_that_is_no_database_and_a_path_that_is_none_are_said()
    {
        await File.WriteAllTextAsync(_file.Path, new string('x', 4_096));

        var damaged = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await (await OpenAsync()).EnsureCreatedAsync());
        await using var nowhere = new SqliteStreamStore(new() { DataSource = _file.Path + "/none/app.db" });
        var missing = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await nowhere.EnsureCreatedAsync());

        Assert.Equal(StoreUnavailableReason.NotARepository, damaged.Reason);
        Assert.Equal(StoreUnavailableReason.InputOutput, missing.Reason);
        Assert.EndsWith($"there is no directory '{_file.Path}/none'.", missing.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new SqliteStreamStore(new() { DataSource = ":memory:" }));
    }

    [Fact]
    public async Task A_directory_is_said_to_be_none()
    {
        Directory.CreateDirectory(_file.Path);
        try
        {
            var refused = await Assert.ThrowsAsync<StoreUnavailableException>(
                async () => await (await OpenAsync()).EnsureCreatedAsync());

            Assert.Equal(StoreUnavailableReason.NotARepository, refused.Reason);
            Assert.Equal($"The database '{_file.Path}' is a directory, not a file.", refused.Message);
        }
        finally
        {
            Directory.Delete(_file.Path);
        }
    }

    [Theory]
    [InlineData("/app.db", "/app.db")]
    [InlineData("/new.db", "/new.db-access")]
    public void A_file_that_one_may_not_open_or_make_is_said(string path, string tried)
    {
        var disk = new MemoryFileSystem();
        disk.Open("/app.db", FileOpening.CreateNew).Dispose();
        var files = new InterceptedFileSystem(disk)
        {
            Before = (_, at) =>
            {
                if (at == tried)
                {
                    throw new UnauthorizedAccessException($"Access to the path '{at}' is denied.");
                }
            },
        };

        var denied = SqlitePlace.Refusal(files, path, new IOException("No."));
        files.Before = static (_, _) => { };
        var other = SqlitePlace.Refusal(files, path, new IOException("No."));

        Assert.Equal(
            (StoreUnavailableReason.Denied, StoreUnavailableReason.InputOutput), (denied.Reason, other.Reason));
        Assert.Equal(["app.db"], disk.List("/"));
    }

    [Fact]
    public void The_native_library_is_the_one_that_was_asked_for()
    {
        using var connection = _file.Connect();

        var isSystem = Environment.GetEnvironmentVariable("LEDGER_SQLITE_LIBRARY") == "system";
        Assert.Equal(isSystem, connection.ServerVersion != "3.35.5");
    }

    [Fact]
    public async Task Idle_subscribers_cost_one_check_per_second_between_them()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var store = await OpenAsync();
        await store.AppendAsync("s", New("1"));
        var caughtUp = new SemaphoreSlim(0);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        var following = Enumerable.Range(0, 5).Select(_ => Task.Run(async () =>
        {
            await foreach (var item in store.SubscribeAllAsync(cancellationToken: enough.Token))
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

        // The signs of the files' own beginnings may come late: what counts is the pace once they are over.
        long checks;
        do
        {
            var before = store.WatchChecks;
            await LedgerRuntime.CreateSystem().Delay(TimeSpan.FromSeconds(2.5), limit.Token);
            checks = store.WatchChecks - before;
        }
        while (checks is 0 or > 4);

        enough.Cancel();
        foreach (var task in following)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => task);
        }

        Assert.InRange(checks, 1, 4);
    }

    [Fact]
    public async Task What_another_connection_commits_is_heard_by_its_sign_and_not_by_the_check_of_each_second()
    {
        // Enough for the log to begin anew a few times: a checkpoint comes about every hundred appends.
        const int Appends = 250;
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var writing = await OpenAsync();
        await writing.EnsureCreatedAsync(limit.Token);
        var system = LedgerRuntime.CreateSystem();
        var following = new SqliteStreamStore(
            new() { DataSource = _file.Path, Store = "orders" },
            new LedgerRuntime(
                new SchedulerWithoutSeconds(system.Scheduler), system.Time, system.Random, system.Files,
                system.Network));
        _opened.Add(following);
        await using var items = following.SubscribeAllAsync(cancellationToken: limit.Token).GetAsyncEnumerator();
        await items.MoveNextAsync();

        for (var n = 1; n <= Appends; n++)
        {
            await writing.AppendAsync("s", New("more"), cancellationToken: limit.Token);
            await items.MoveNextAsync();
            Assert.Equal(n, Assert.IsType<EntryItem<Entry>>(items.Current).Entry.Position!.Value.Value);
        }
    }

    [Fact]
    public async Task An_append_that_is_cancelled_in_the_callers_transaction_is_done_whole_or_not_at_all()
    {
        var store = await OpenAsync();
        await store.AppendAsync("s", New("before"));
        await using var connection = _file.Connect();
        await using var transaction = connection.BeginTransaction();
        await using var enlisted = store.Enlist(transaction);
        using var cancelled = new CancellationTokenSource();
        var tags = new TagsThatCancel(cancelled);
        NewEntry[] entries = [.. Enumerable.Range(0, 20).Select(n => New($"{n}") with { Tags = n == 5 ? tags : [] })];

        var appending = await Record.ExceptionAsync(
            async () => await enlisted.AppendAsync([new StreamAppend("s", entries)], cancelled.Token));
        await transaction.CommitAsync();
        await store.AppendAsync("s", New("after"));

        Assert.True(cancelled.IsCancellationRequested);
        Assert.Equal(appending is null ? 22 : 2, await store.CountAsync("s"));
        Assert.Equal(await store.CountAsync("s"), await store.ReadAsync("s").CountAsync());
    }

    [Fact]
    public async Task A_store_that_was_open_before_words_were_indexed_keeps_the_index_too()
    {
        var words = new SearchOptions { Mode = SearchMode.FullText };
        var before = await OpenAsync();
        await before.AppendAsync("s", New("blue"));
        var indexing = new SqliteStreamStore(new() { DataSource = _file.Path, Store = "orders", FullText = true });
        _opened.Add(indexing);
        await indexing.EnsureCreatedAsync();

        await before.AppendAsync("s", New("red"));
        var found = await indexing.SearchAsync("red", words).CountAsync();
        var trimmed = await before.TrimAsync("s", EntryId.Of(1));
        trimmed += await indexing.TrimAsync("s", EntryId.Of(2));

        Assert.Equal((1, 2), (found, trimmed));
        Assert.Equal(0, await indexing.SearchAsync("blue", words).CountAsync());
    }

    [Fact]
    public async Task A_lease_is_renewed_again_after_the_database_was_away()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var system = LedgerRuntime.CreateSystem();
        var scheduler = new SteppedScheduler(system.Scheduler);
        var store = new SqliteStreamStore(
            new() { DataSource = _file.Path, Store = "orders", WriteTimeout = TimeSpan.FromMilliseconds(50) },
            new LedgerRuntime(scheduler, system.Time, system.Random, system.Files, system.Network));
        _opened.Add(store);
        await using var consumer = await store.AcquireConsumerAsync(
            "c", new() { LeaseDuration = TimeSpan.FromMinutes(3) }, limit.Token);
        var (first, firstOver) = await scheduler.Delays.ReadAsync(limit.Token);
        TimeSpan second;
        TaskCompletionSource secondOver;
        await using (var connection = _file.Connect())
        {
            await using var locked = connection.BeginTransaction();
            firstOver.SetResult();
            (second, secondOver) = await scheduler.Delays.ReadAsync(limit.Token);
        }

        secondOver.SetResult();
        var (third, _) = await scheduler.Delays.ReadAsync(limit.Token);

        // A third of the lease; soon again while the database is away; and as before.
        Assert.Equal(
            (TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(0.3), TimeSpan.FromMinutes(1)), (first, second, third));
        Assert.False(consumer.Lost.IsCancellationRequested);
    }

    [Fact]
    public async Task Words_can_be_indexed_later_and_stay_indexed()
    {
        var words = new SearchOptions { Mode = SearchMode.FullText };
        var before = await OpenAsync();
        await before.AppendAsync("s", New("red"));
        var indexing = new SqliteStreamStore(new() { DataSource = _file.Path, Store = "orders", FullText = true });
        _opened.Add(indexing);

        var found = await indexing.SearchAsync("red", words).CountAsync();
        var after = await OpenAsync();
        await after.AppendAsync("s", New("red again"));

        Assert.Equal(1, found);
        Assert.Equal(2, await indexing.SearchAsync("red", words).CountAsync());
    }

    private static NewEntry New(string text) =>
        new(System.Text.Encoding.UTF8.GetBytes(text)) { SearchText = text };

    private ValueTask<SqliteStreamStore> OpenAsync(string name = "orders", TimeSpan? timeout = null)
    {
        var store = new SqliteStreamStore(new()
        {
            DataSource = _file.Path,
            Store = name,
            WriteTimeout = timeout ?? TimeSpan.FromSeconds(5),
        });
        _opened.Add(store);
        return new(store);
    }

    /// <summary>Cancels when it is looked at a second time: by then it is being written.</summary>
    private sealed class TagsThatCancel(CancellationTokenSource cancelled) : IReadOnlyList<string>
    {
        private int _looks;

        public int Count => 1;

        public string this[int index] => "tag";

        public IEnumerator<string> GetEnumerator()
        {
            if (++_looks > 1)
            {
                cancelled.Cancel();
            }

            return Enumerable.Repeat("tag", 1).GetEnumerator();
        }

        System.Collections.IEnumerator System.Collections.IEnumerable.GetEnumerator() => GetEnumerator();
    }

    /// <summary>Longer delays end when the test says so.</summary>
    private sealed class SteppedScheduler(IScheduler inner) : IScheduler
    {
        private readonly Channel<(TimeSpan Delay, TaskCompletionSource Over)> _delays =
            Channel.CreateUnbounded<(TimeSpan, TaskCompletionSource)>();

        public ChannelReader<(TimeSpan Delay, TaskCompletionSource Over)> Delays => _delays.Reader;

        public bool IsEntered => inner.IsEntered;

        public void Post(Action continuation) => inner.Post(continuation);

        public ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state) =>
            inner.Offload(work, state);

        public ValueTask Linger(TimeSpan bound, Func<bool> condition) => inner.Linger(bound, condition);

        public async Task Delay(TimeSpan delay, CancellationToken cancellationToken)
        {
            if (delay < TimeSpan.FromSeconds(2))
            {
                await inner.Delay(delay, cancellationToken);
                return;
            }

            var over = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            await using var registration = cancellationToken.Register(() => over.TrySetCanceled(cancellationToken));
            _delays.Writer.TryWrite((delay, over));
            await over.Task;
        }
    }

    /// <summary>Delays of a second and more never end.</summary>
    private sealed class SchedulerWithoutSeconds(IScheduler inner) : IScheduler
    {
        public bool IsEntered => inner.IsEntered;

        public void Post(Action continuation) => inner.Post(continuation);

        public ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state) =>
            inner.Offload(work, state);

        public ValueTask Linger(TimeSpan bound, Func<bool> condition) => inner.Linger(bound, condition);

        public Task Delay(TimeSpan delay, CancellationToken cancellationToken) => inner.Delay(
            delay < TimeSpan.FromSeconds(1) ? delay : Timeout.InfiniteTimeSpan, cancellationToken);
    }
}
