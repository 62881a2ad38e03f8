using Ledger.Conformance.Streams.History;
using Ledger.Streams;
using Ledger.Streams.Relational;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>
/// R24: who reads with a cursor misses nothing, sees nothing twice and each stream in its order, however long its
/// writers take and whatever they roll back.
/// </summary>
public abstract partial class StreamStoreConformance
{
    private const int CursorSeed = 2_400;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_cursor_that_others_moved_on_misses_nothing_of_a_slow_writer_and_sees_nothing_rolled_back(
        bool isCommitted)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        var store = await OpenAsync();
        await FillAsync(store, "slow", "first");
        if (await BehindAsync(store) is not { } behind)
        {
            return;
        }

        var count = isCommitted ? 6 : 3;
        var pushed = store.SubscribeAllAsync(cancellationToken: limit.Token).OfType<EntryItem<Entry>>()
            .Take(count).Select(item => item.Entry).ToListAsync(limit.Token);
        var transaction = await BeginAsync();
        await using var connection = transaction!.Connection!;
        await using var slow = transaction;
        await using var enlisted = behind.Enlist(transaction);
        await FillAsync(enlisted, "slow", "slow 1", "slow 2");
        await FillAsync(enlisted, "new", "new");
        var others = Task.Run(async () => await FillAsync(store, "other", "other"));
        if (!IsHeldByTransactions)
        {
            await others;
        }

        var seen = await store.ReadAllAsync(cancellationToken: limit.Token).ToListAsync(limit.Token);
        await (isCommitted ? transaction.CommitAsync(limit.Token) : transaction.RollbackAsync(limit.Token));
        await others;
        await FillAsync(store, "slow", "last");
        var cursor = seen[^1].Position!.Value;
        seen.AddRange(await store.ReadAllAsync(cursor, cancellationToken: limit.Token).ToListAsync(limit.Token));

        string[] written = ["first", "other", "last", .. isCommitted ? (string[])["slow 1", "slow 2", "new"] : []];
        Assert.Equal(written.Order(), seen.Select(Text).Order());
        Assert.Equal(Enumerable.Range(1, count), seen.Select(entry => (int)entry.Position!.Value.Value));
        Assert.Equal(
            isCommitted ? ["first", "slow 1", "slow 2", "last"] : ["first", "last"],
            seen.Where(entry => entry.Stream == "slow").Select(Text));
        Assert.Equal(seen.Select(entry => entry.Id), (await pushed).Select(entry => entry.Id));
        Assert.Equal(isCommitted, (await store.GetInfoAsync("new", limit.Token)) is not null);
    }

    [Fact]
    public async Task Cursors_see_each_entry_once_and_in_order_while_writers_are_slow_and_roll_back()
    {
        var store = await OpenAsync();
        await store.EnsureCreatedAsync();
        var behind = await BehindAsync(store);
        var run = new HistoryRun(
            new StreamStoreHistory(store, behind, async () => (await BeginAsync())!),
            new() { Own = 4, Foreign = behind is null ? 0 : 4, Readers = 2, TransactionMs = 30, Turns = 5 },
            CursorSeed);

        var faults = await run.RunAsync();

        Assert.True(faults.Count == 0, $"Seed {CursorSeed}: {string.Join('\n', faults.Take(20))}");
        var positions = await store.ReadAllAsync().Select(entry => (int)entry.Position!.Value.Value).ToListAsync();
        Assert.Equal(Enumerable.Range(1, run.Committed), positions);
    }

    /// <summary>What transactions of others take part in; null where there are none, as it must say.</summary>
    private async ValueTask<RelationalStreamStore?> BehindAsync(IStreamStore store)
    {
        var behind = await OpenBehindAsync(store);
        if (behind is null)
        {
            Assert.False(Promised.HasFlag(StreamStoreCapabilities.Enlist));
            Assert.Null(await BeginAsync());
            return null;
        }

        if (!ReferenceEquals(behind, store))
        {
            _opened.Add(behind);
        }

        await behind.EnsureCreatedAsync();
        return behind;
    }
}
