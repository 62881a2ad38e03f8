using Ledger.Streams;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>What leases, windows and groups promise where broken code had stayed unnoticed.</summary>
public abstract partial class StreamStoreConformance
{
    [Fact]
    public async Task A_second_entry_of_a_stream_waits_while_the_first_is_out_or_waits_to_be_tried_again()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "a", "a1", "a2");
        await FillAsync(store, "b", "b1");
        var slowly = Quick with { RetryDelayMin = TimeSpan.FromHours(1), RetryDelayMax = TimeSpan.FromHours(1) };
        await using var consumer = await store.AcquireConsumerAsync("c", slowly, limit.Token);

        var first = await consumer.ReceiveAsync(limit.Token);
        var other = await consumer.ReceiveAsync(limit.Token);
        await consumer.FailAsync(first, "Not now.", limit.Token);
        await consumer.AcknowledgeAsync(other, limit.Token);
        await FillAsync(store, "d", "d1");
        var third = await consumer.ReceiveAsync(limit.Token);

        Assert.Equal(["a1", "b1", "d1"], new[] { first, other, third }.Select(delivery => Text(delivery.Entry)));
    }

    [Fact]
    public async Task A_lease_that_is_given_back_is_free_at_once()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        var consumer = await store.AcquireConsumerAsync("c", Quick, limit.Token);
        var held = Assert.Single(await store.ListConsumersAsync());

        await consumer.DisposeAsync();

        Assert.NotNull(held.LeaseUntil);
        Assert.Null(Assert.Single(await store.ListConsumersAsync()).LeaseUntil);
    }

    [Fact]
    public async Task What_an_administrator_decides_stands_against_whoever_has_the_lease()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "1", "2", "3");
        var consumer = await store.AcquireConsumerAsync("c", Quick, limit.Token);
        var delivery = await consumer.ReceiveAsync(limit.Token);

        Assert.True(await store.ResetConsumerAsync("c", new Position(2)));

        await Assert.ThrowsAsync<LeaseLostException>(
            async () => await consumer.AcknowledgeAsync(delivery, limit.Token));
        await consumer.DisposeAsync();
        Assert.Equal(new Position(2), Assert.Single(await store.ListConsumersAsync()).Position);
    }

    [Fact]
    public async Task What_was_trimmed_while_it_was_pending_is_done()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        var ids = await FillAsync(store, "a", "a1");
        await FillAsync(store, "b", "b1");
        await FillAsync(store, "c", "c1");
        await LeaveBehindAsync(store, "c", limit.Token);
        await store.TrimAsync("a", ids[0]);

        await using var next = await store.AcquireConsumerAsync("c", Quick, limit.Token);
        foreach (var text in new[] { "b1", "c1" })
        {
            var delivery = await next.ReceiveAsync(limit.Token);
            Assert.Equal(text, Text(delivery.Entry));
            await next.AcknowledgeAsync(delivery, limit.Token);
        }

        var info = Assert.Single(await store.ListConsumersAsync());
        Assert.Equal((new Position(3), 0), (info.Position, info.Pending));
    }

    [Fact]
    public async Task What_a_consumers_filter_leaves_out_counts_as_done()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "plain");
        await store.AppendAsync("s", New("tagged") with { Tags = ["x"] });
        await FillAsync(store, "s", "plain again");
        var filtered = Quick with { Filter = new() { Tags = ["x"] } };
        await using var consumer = await store.AcquireConsumerAsync("c", filtered, limit.Token);

        var delivery = await consumer.ReceiveAsync(limit.Token);
        await consumer.AcknowledgeAsync(delivery, limit.Token);

        Assert.Equal("tagged", Text(delivery.Entry));
        Assert.Equal(new Position(3), Assert.Single(await store.ListConsumersAsync()).Position);
    }

    [Fact]
    public async Task No_more_than_the_window_is_looked_at()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        foreach (var number in Enumerable.Range(0, 9))
        {
            await FillAsync(store, $"s{number}", $"{number}");
        }

        await using var consumer = await store.AcquireConsumerAsync("c", Quick with { Window = 4 }, limit.Token);
        for (var number = 0; number < 4; number++)
        {
            await consumer.ReceiveAsync(limit.Token);
        }

        var info = Assert.Single(await store.ListConsumersAsync());
        Assert.Equal((new Position(4), 4), (info.Read, info.Pending));
    }

    [Fact]
    public async Task Of_appends_that_are_made_together_those_that_are_refused_fail_alone()
    {
        var store = await OpenAsync();
        await FillAsync(store, "s", "first");

        // Each on a thread of its own: a store whose driver is synchronous would do one after the other.
        var appends = Enumerable.Range(0, 60).Select(number => Task.Run(async () =>
        {
            try
            {
                await store.AppendAsync(
                    number % 3 == 0 ? "s" : $"s{number}", New($"{number}"),
                    number % 3 == 0 ? ExpectedEnd.New : ExpectedEnd.Any);
                return true;
            }
            catch (StreamConflictException)
            {
                return false;
            }
        }));
        var written = await Task.WhenAll(appends);

        Assert.Equal(Enumerable.Range(0, 60).Select(number => number % 3 != 0), written);
        Assert.Equal(41, await store.ReadAllAsync().CountAsync());
    }
}
