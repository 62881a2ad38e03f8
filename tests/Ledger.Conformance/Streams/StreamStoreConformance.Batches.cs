using Ledger.Streams;
using Ledger.Streams.Consumers;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>Consumers whose entries are handled together, and whose failures differ.</summary>
public abstract partial class StreamStoreConformance
{
    private static ConsumerOptions Light => Quick with
    {
        DeathCounts = false,
        LeaseDuration = TimeSpan.FromMilliseconds(300),
    };

    [Fact]
    public async Task Entries_of_one_stream_are_handed_out_together_and_in_order()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "a", "a1", "a2");
        await FillAsync(store, "b", "b1");
        await FillAsync(store, "a", "a3");
        await using var consumer = await store.AcquireConsumerAsync("c", Quick, limit.Token);

        var first = await consumer.ReceiveBatchAsync((batch, _) => batch.Count < 2, limit.Token);
        var other = await consumer.ReceiveBatchAsync((_, _) => true, limit.Token);
        await consumer.AcknowledgeAsync(first, limit.Token);
        var last = await consumer.ReceiveBatchAsync((_, _) => true, limit.Token);

        Assert.Equal(["a1", "a2"], first.Select(delivery => Text(delivery.Entry)));
        Assert.Equal(["b1"], other.Select(delivery => Text(delivery.Entry)));
        Assert.Equal(["a3"], last.Select(delivery => Text(delivery.Entry)));
        await consumer.AcknowledgeAsync(last, limit.Token);
        Assert.Equal(new Position(2), Assert.Single(await store.ListConsumersAsync()).Position);
    }

    [Fact]
    public async Task A_failed_batch_comes_again_and_nothing_of_its_stream_overtakes_it()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "a", "a1", "a2");
        await using var consumer = await store.AcquireConsumerAsync("c", Quick, limit.Token);

        var first = await consumer.ReceiveBatchAsync((_, _) => true, limit.Token);
        await FillAsync(store, "a", "a3");
        await consumer.FailAsync(first, "Not now.", DeliveryFailure.Counted with { IsCounted = false }, limit.Token);
        var again = await consumer.ReceiveBatchAsync((_, _) => true, limit.Token);

        Assert.Equal(["a1 1", "a2 1", "a3 1"], again.Select(one => $"{Text(one.Entry)} {one.Attempt}"));
    }

    [Fact]
    public async Task A_failure_that_does_not_count_never_parks_and_a_final_one_parks_at_once()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "1", "2");
        await using var consumer = await store.AcquireConsumerAsync(
            "c", Quick with { AttemptsMax = 1 }, limit.Token);
        var away = new DeliveryFailure { IsCounted = false, RetryAfter = TimeSpan.Zero };

        for (var n = 0; n < 5; n++)
        {
            var delivery = await consumer.ReceiveAsync(limit.Token);
            Assert.Equal(("1", 1), (Text(delivery.Entry), delivery.Attempt));
            await consumer.FailAsync([delivery], "It is away.", away, limit.Token);
        }

        var refused = new DeliveryFailure { IsCounted = false, IsFinal = true };
        await consumer.FailAsync([await consumer.ReceiveAsync(limit.Token)], "Never.", refused, limit.Token);

        var parked = Assert.Single(Assert.Single(await store.ListConsumersAsync()).Parked);
        Assert.Equal((new Position(1), "Never."), (parked.Position, parked.Error));
        Assert.Equal("2", Text((await consumer.ReceiveAsync(limit.Token)).Entry));
    }

    [Fact]
    public async Task A_failure_says_when_the_next_attempt_may_be()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "a", "a1");
        await FillAsync(store, "b", "b1");
        await using var consumer = await store.AcquireConsumerAsync("c", Quick, limit.Token);

        var late = new DeliveryFailure { RetryAfter = TimeSpan.FromHours(1) };
        await consumer.FailAsync([await consumer.ReceiveAsync(limit.Token)], "Later.", late, limit.Token);
        var other = await consumer.ReceiveAsync(limit.Token);
        await consumer.AcknowledgeAsync(other, limit.Token);

        Assert.Equal("b1", Text(other.Entry));
        await AssertNothingElseAsync(store, consumer, limit.Token);
    }

    [Fact]
    public async Task A_consumer_of_one_stream_gets_no_other()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "a", "a1");
        await FillAsync(store, "b", "b1", "b2");
        await using var consumer = await store.AcquireConsumerAsync(
            "c", Quick with { Stream = "b" }, limit.Token);

        var batch = await consumer.ReceiveBatchAsync((_, _) => true, limit.Token);
        await consumer.AcknowledgeAsync(batch, limit.Token);

        Assert.Equal(["b1", "b2"], batch.Select(delivery => Text(delivery.Entry)));
        Assert.Equal(new Position(3), Assert.Single(await store.ListConsumersAsync()).Position);
    }

    [Fact]
    public async Task Where_deaths_do_not_count_what_was_out_comes_again_as_if_for_the_first_time()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "a", "a1", "a2");
        await FillAsync(store, "b", "b1");
        await FillAsync(store, "c", "c1");
        var dead = await store.AcquireConsumerAsync("c", Light, limit.Token);
        await dead.ReceiveAsync(limit.Token);
        await dead.ReceiveAsync(limit.Token);
        await dead.AcknowledgeAsync(await dead.ReceiveAsync(limit.Token), limit.Token);
        await dead.AbandonAsync();

        await using var next = await store.AcquireConsumerAsync("c", Light, limit.Token);
        var first = await next.ReceiveAsync(limit.Token);
        var second = await next.ReceiveAsync(limit.Token);

        // Both out at once, and neither what was done nor what its stream holds.
        Assert.Equal(("a1", 1), (Text(first.Entry), first.Attempt));
        Assert.Equal(("b1", 1), (Text(second.Entry), second.Attempt));
        await next.AcknowledgeAsync(first, limit.Token);
        Assert.Equal("a2", Text((await next.ReceiveAsync(limit.Token)).Entry));
        await AssertNothingElseAsync(store, next, limit.Token);
    }

    [Fact]
    public async Task Who_overslept_its_lease_gets_nothing_more_also_where_deaths_do_not_count()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "a", "a1");
        await FillAsync(store, "b", "b1");
        await using var sleeper = await store.AcquireConsumerAsync(
            "c", Quick with { DeathCounts = false }, limit.Token);
        var slept = await sleeper.ReceiveAsync(limit.Token);
        Assert.True(await store.ResetConsumerAsync("c", Position.Start));
        await using var other = await store.AcquireConsumerAsync("c", Quick, limit.Token);

        await Assert.ThrowsAsync<LeaseLostException>(
            async () => await sleeper.AcknowledgeAsync(slept, limit.Token));

        await Assert.ThrowsAsync<LeaseLostException>(async () => await sleeper.ReceiveAsync(limit.Token));
        Assert.Equal("a1", Text((await other.ReceiveAsync(limit.Token)).Entry));
    }

    [Fact]
    public async Task What_many_acknowledged_at_once_is_done_after_a_death()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        for (var n = 0; n < 30; n++)
        {
            await FillAsync(store, $"s{n}", $"{n}");
        }

        var dead = await store.AcquireConsumerAsync("c", Light, limit.Token);
        var out30 = new List<Delivery>();
        while (out30.Count < 30)
        {
            out30.Add(await dead.ReceiveAsync(limit.Token));
        }

        // Some come while the state is being written: that writing has not got them in it.
        var acknowledging = new List<Task>();
        foreach (var delivery in out30.Skip(1))
        {
            acknowledging.Add(Task.Run(
                async () => await dead.AcknowledgeAsync(delivery, limit.Token), limit.Token));
            Thread.SpinWait(2_000);
        }

        await Task.WhenAll(acknowledging);
        await dead.AbandonAsync();

        await using var next = await store.AcquireConsumerAsync("c", Light, limit.Token);
        Assert.Equal("0", Text((await next.ReceiveAsync(limit.Token)).Entry));
        await AssertNothingElseAsync(store, next, limit.Token);
    }

    /// <summary>What is appended now is the next that is handed out.</summary>
    private static async Task AssertNothingElseAsync(
        IStreamStore store, StreamConsumer consumer, CancellationToken cancellationToken)
    {
        await FillAsync(store, "the end", "end");
        Assert.Equal("end", Text((await consumer.ReceiveAsync(cancellationToken)).Entry));
    }
}
