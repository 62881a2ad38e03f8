using Ledger.Conformance;
using Ledger.Rpc.V1;
using Ledger.Runtime;
using Ledger.Server.Services;
using Ledger.Streams;
using Ledger.Tests.Rpc;
using Ledger.Tests.Streams;
using Xunit;

namespace Ledger.Tests.Server;

/// <summary>When stores are opened and closed, and who waits for it.</summary>
public sealed class StoreCatalogTests
{
    private const int Seed = 4_711;

    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(10);

    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    [Fact]
    public void A_store_that_nobody_holds_for_a_while_is_closed_and_opened_again() => Run(async (runtime, catalog) =>
    {
        var first = await catalog.OpenAsync("orders");
        var second = await catalog.FindAsync("ORDERS");
        first.Dispose();
        await runtime.Delay(3 * Idle, default);
        var countHeld = await first.Store.CountAsync("s");
        second!.Dispose();
        await runtime.Delay(Idle / 2, default);
        var countSoon = await first.Store.CountAsync("s");
        await runtime.Delay(2 * Idle, default);

        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await first.Store.CountAsync("s"));
        using var again = await catalog.FindAsync("orders");
        Assert.Same(first.Store, second.Store);
        Assert.NotSame(first.Store, again!.Store);
        Assert.Equal((0, 0, 0), (countHeld, countSoon, await again.Store.CountAsync("s")));
    });

    [Fact]
    public void A_subscription_keeps_its_store_and_lets_go_of_it_at_its_end() => Run(async (runtime, catalog) =>
    {
        var service = new LedgerService(catalog);
        var call = ServiceFixture.Call("orders");
        await service.AppendAsync(WireFixture.Append("s"), call);
        StreamStore store;
        using (var held = await catalog.FindAsync("orders"))
        {
            store = held!.Store;
        }

        await using (var items = service.SubscribeAsync(new SubscribeRequest { Stream = "s" }, call)
            .GetAsyncEnumerator())
        {
            await items.MoveNextAsync();
            await items.MoveNextAsync();
            var next = items.MoveNextAsync();
            await runtime.Delay(5 * Idle, default);
            await service.AppendAsync(WireFixture.Append("s"), call);

            Assert.True(await next);
            Assert.Equal("2", items.Current.Entry.Id);
        }

        await runtime.Delay(2 * Idle, default);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await store.CountAsync("s"));
    });

    [Fact]
    public async Task A_store_that_hangs_is_looked_for_once_and_holds_up_no_other()
    {
        var opening = new TaskCompletionSource();
        var runtime = LedgerRuntime.CreateSystem();
        var database = new MemoryDatabase(runtime, name => name == "slow" ? opening.Task : Task.CompletedTask);
        await using var catalog = new StoreCatalog(database, runtime);
        using var gaveUp = new CancellationTokenSource();

        var abandoned = catalog.FindAsync("slow", gaveUp.Token).AsTask();
        var waiting = Enumerable.Range(0, 100).Select(_ => catalog.FindAsync("slow").AsTask()).ToList();
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => abandoned.WaitAsync(Hang));
        using var other = await catalog.OpenAsync("quick").AsTask().WaitAsync(Hang);
        var looksBefore = database.Looks;
        opening.SetResult();
        var found = await Task.WhenAll(waiting).WaitAsync(Hang);

        Assert.Equal((0, 4), (await other.Store.CountAsync("s"), looksBefore));
        Assert.All(found, Assert.Null);
    }

    [Fact]
    public async Task Calls_meet_no_store_that_is_being_closed()
    {
        const int Callers = 4;
        const int Calls = 100;
        var file = new SqliteFile();
        try
        {
            await using var catalog = StoreCatalog.OfSqlite(file.Path, idleTime: TimeSpan.FromMilliseconds(1));
            var service = new LedgerService(catalog);

            await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(async () =>
            {
                for (var n = 0; n < Calls; n++)
                {
                    await service.AppendAsync(WireFixture.Append($"s{caller}"), ServiceFixture.Call("orders"));
                }
            })));

            for (var caller = 0; caller < Callers; caller++)
            {
                var count = await service.CountAsync(
                    new CountRequest { Stream = $"s{caller}" }, ServiceFixture.Call("orders"));
                Assert.Equal(Calls, count.Count);
            }
        }
        finally
        {
            file.Delete();
        }
    }

    private static void Run(Func<LedgerRuntime, StoreCatalog, Task> body) => TestRuntime.Create(Seed).Run(
        async runtime =>
        {
            await using var catalog = new StoreCatalog(new MemoryDatabase(runtime), runtime, Idle);
            await body(runtime, catalog);
        });
}
