using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Relational;
using Ledger.Streams.Sqlite;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>Disks that are full, and databases that fail once.</summary>
public sealed class SqliteFaultTests : IDisposable
{
    private readonly SqliteFile _file = new();

    public void Dispose() => _file.Delete();

    [Fact]
    public async Task An_append_for_which_there_is_no_room_is_refused_whole_and_works_when_there_is()
    {
        await using var store = Open();
        await store.AppendAsync("s", New(1));
        await LimitAsync(store, pagesMore: 8);

        var single = await UntilFullAsync(() => store.AppendAsync("s", New(1_000)));
        var count = await store.CountAsync("s");
        var batch = await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await store.AppendAsync("t", [.. Enumerable.Range(0, 100).Select(_ => New(1_000))]));
        var entries = await store.ReadAllAsync().ToListAsync();
        await LimitAsync(store, pagesMore: 10_000);
        await store.AppendAsync("t", [.. Enumerable.Range(0, 100).Select(_ => New(1_000))]);

        Assert.Equal((StoreUnavailableReason.DiskFull, StoreUnavailableReason.DiskFull), (single.Reason, batch.Reason));
        Assert.Equal(count, entries.Count);
        Assert.Equal(100, await store.CountAsync("t"));
        Assert.Equal(
            Enumerable.Range(1, entries.Count + 100).Select(n => (long)n),
            await store.ReadAllAsync().Select(entry => entry.Position!.Value.Value).ToListAsync());
    }

    [Fact]
    public async Task An_append_in_the_callers_transaction_for_which_there_is_no_room_says_so()
    {
        await using var store = Open();
        await store.AppendAsync("s", New(1));
        await using var connection = _file.Connect();
        await using var transaction = connection.BeginTransaction();
        await using var limit = connection.CreateCommand();
        limit.Transaction = transaction;
        limit.CommandText = "PRAGMA max_page_count = 1"; // As many as there are.
        await limit.ExecuteNonQueryAsync();
        await using var enlisted = store.Enlist(transaction);

        var full = await UntilFullAsync(() => enlisted.AppendAsync("s", New(1_000)));

        Assert.Equal(StoreUnavailableReason.DiskFull, full.Reason);
    }

    [Fact]
    public async Task A_watch_goes_on_after_the_database_failed_once()
    {
        var system = LedgerRuntime.CreateSystem();
        var opened = 0;
        var again = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var watch = new SqliteWatch(system, new AsyncSignal(), () =>
        {
            if (++opened == 1)
            {
                throw new SqliteException("The disk does not answer.", SQLitePCL.raw.SQLITE_IOERR);
            }

            again.TrySetResult();
            return new(new RelationalSession(_file.Connect()));
        });

        using (watch.Listen())
        {
            await again.Task.WaitAsync(TimeSpan.FromSeconds(60));
        }

        await watch.DisposeAsync();
        Assert.True(opened > 1);
    }

    private static async Task<StoreUnavailableException> UntilFullAsync(Func<ValueTask<AppendResult>> append)
    {
        for (var n = 0; n < 1_000; n++)
        {
            try
            {
                await append();
            }
            catch (StoreUnavailableException full)
            {
                return full;
            }
        }

        throw new InvalidOperationException("A thousand appends found room.");
    }

    private static ValueTask<int> LimitAsync(SqliteStreamStore store, int pagesMore) => store.WriteCoreAsync(
        async session =>
        {
            var pages = await session.FindAsync("PRAGMA page_count", [], row => row.GetInt64(0), default);
            return await session.ExecuteAsync($"PRAGMA max_page_count = {pages + pagesMore}", default);
        },
        isHeard: false, CancellationToken.None);

    private static NewEntry New(int bytes) => new(new byte[bytes]);

    private SqliteStreamStore Open() => new(new() { DataSource = _file.Path, Store = "orders" });
}
