using System.Collections.Concurrent;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>Consumers: one lease, at least once, in stream order, and nobody is held up by another's failure.</summary>
public abstract partial class StreamStoreConformance
{
    private static ConsumerOptions Quick => new()
    {
        RetryDelayMin = TimeSpan.FromMilliseconds(1),
        RetryDelayMax = TimeSpan.FromMilliseconds(5),
        LeaseDuration = TimeSpan.FromSeconds(20),
    };

    [Fact]
    public async Task A_consumer_goes_on_where_it_stopped()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "1", "2", "3");

        await using (var consumer = await store.AcquireConsumerAsync("c", Quick, limit.Token))
        {
            var first = await consumer.ReceiveAsync(limit.Token);
            Assert.Equal(("1", 1, consumer.Epoch), (Text(first.Entry), first.Attempt, first.Epoch));
            await consumer.AcknowledgeAsync(first, limit.Token);
            Assert.Equal("2", Text((await consumer.ReceiveAsync(limit.Token)).Entry));
        }

        await using var next = await store.AcquireConsumerAsync("c", Quick, limit.Token);
        var again = await next.ReceiveAsync(limit.Token);
        Assert.Equal(("2", 1), (Text(again.Entry), again.Attempt));
        await next.AcknowledgeAsync(again, limit.Token);
        var info = Assert.Single(await store.ListConsumersAsync());
        Assert.Equal(("c", 2L, new Position(2)), (info.Name, info.Epoch, info.Position));
        Assert.NotNull(info.LeaseUntil);
    }

    [Fact]
    public async Task A_failing_entry_holds_its_stream_and_no_other_until_it_is_parked()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "bad", "poison", "b2");
        await FillAsync(store, "good", "g1", "g2");
        var handled = new ConcurrentQueue<string>();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);

        var consuming = store.ConsumeAsync(
            "c",
            (delivery, _) =>
            {
                handled.Enqueue(Text(delivery.Entry));
                return Text(delivery.Entry) == "poison" ? throw new InvalidOperationException("No.") : default;
            },
            Quick with { AttemptsMax = 3 },
            over.Token);
        await UntilAsync(() => handled.Contains("b2") && handled.Contains("g2"), limit.Token);
        over.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => consuming);

        var order = handled.ToArray();
        Assert.Equal(3, order.Count(text => text == "poison"));
        Assert.True(Array.LastIndexOf(order, "poison") < Array.IndexOf(order, "b2"));
        Assert.True(Array.IndexOf(order, "g1") < Array.IndexOf(order, "g2"));
        var info = Assert.Single(await store.ListConsumersAsync());
        var parked = Assert.Single(info.Parked);
        Assert.Equal(("bad", 3, new Position(1)), (parked.Stream, parked.Attempts, parked.Position));
        Assert.Contains("No.", parked.Error, StringComparison.Ordinal);
        Assert.Equal((new Position(4), 0), (info.Position, info.Pending));
    }

    [Fact]
    public async Task A_parked_entry_can_be_retried_or_dropped()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "1", "2", "3");
        await using (var consumer = await store.AcquireConsumerAsync("c", Quick with { AttemptsMax = 1 }, limit.Token))
        {
            await consumer.FailAsync(await consumer.ReceiveAsync(limit.Token), "first", limit.Token);
            await consumer.FailAsync(await consumer.ReceiveAsync(limit.Token), "second", limit.Token);
            Assert.Equal("3", Text((await consumer.ReceiveAsync(limit.Token)).Entry));
        }

        Assert.True(await store.ReleaseParkedAsync("c", new Position(1), retry: true));
        Assert.True(await store.ReleaseParkedAsync("c", new Position(2), retry: false));
        Assert.False(await store.ReleaseParkedAsync("c", new Position(2), retry: false));
        Assert.False(await store.ReleaseParkedAsync("none", new Position(1), retry: true));

        await using var next = await store.AcquireConsumerAsync("c", Quick, limit.Token);
        Assert.Equal("1", Text((await next.ReceiveAsync(limit.Token)).Entry));
        Assert.Empty(Assert.Single(await store.ListConsumersAsync()).Parked);
    }

    [Fact]
    public async Task What_is_parked_is_each_entry_once_and_goes_with_its_consumer()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "1", "2");
        var halfPair = new string('x', 999) + "\U0001F600 \0";
        foreach (var (name, error) in new[] { ("c", "first"), ("d", halfPair), ("c", "again"), ("c", "third") })
        {
            await store.ResetConsumerAsync(name, Position.Start, create: true);
            var options = Quick with { AttemptsMax = 1 };
            await using var consumer = await store.AcquireConsumerAsync(name, options, limit.Token);
            await consumer.FailAsync(await consumer.ReceiveAsync(limit.Token), error, limit.Token);
            await consumer.AcknowledgeAsync(await consumer.ReceiveAsync(limit.Token), limit.Token);
        }

        var before = (await store.ListConsumersAsync()).ToDictionary(
            info => info.Name, info => Assert.Single(info.Parked));
        await store.DropConsumerAsync("c");
        await store.ResetConsumerAsync("c", Position.Start, create: true);
        var after = (await store.ListConsumersAsync()).ToDictionary(info => info.Name, info => info.Parked.Count);

        Assert.Equal(("third", new Position(1)), (before["c"].Error, before["c"].Position));
        Assert.Equal(new string('x', 999) + "\uFFFD", before["d"].Error);
        Assert.Equal((0, 1), (after["c"], after["d"]));
    }

    [Fact]
    public async Task Who_overslept_its_lease_is_told_so_and_counts_as_an_attempt()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "1", "2");
        var sleeper = await store.AcquireConsumerAsync("c", Quick, limit.Token);
        var slept = await sleeper.ReceiveAsync(limit.Token);

        // What an administrator does has the same effect on the holder as a lease that ran out.
        Assert.True(await store.ResetConsumerAsync("c", Position.Start));
        await using var other = await store.AcquireConsumerAsync("c", Quick, limit.Token);
        var taken = await other.ReceiveAsync(limit.Token);

        var lost = await Assert.ThrowsAsync<LeaseLostException>(
            async () => await sleeper.AcknowledgeAsync(slept, limit.Token));
        Assert.Equal(("c", 1L, other.Epoch), (lost.Consumer, lost.Epoch, lost.CurrentEpoch));
        Assert.True(sleeper.Lost.IsCancellationRequested);
        await Assert.ThrowsAsync<LeaseLostException>(async () => await sleeper.ReceiveAsync(limit.Token));
        await sleeper.DisposeAsync();
        Assert.Equal("1", Text(taken.Entry));
        await other.AcknowledgeAsync(taken, limit.Token);
    }

    [Fact]
    public async Task A_lease_that_ran_out_is_taken_and_what_was_out_is_tried_alone()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "a", "a1");
        await FillAsync(store, "b", "b1");
        await FillAsync(store, "c", "c1");
        var patient = Quick with { LeaseDuration = TimeSpan.FromSeconds(5) };
        await LeaveBehindAsync(store, "c", limit.Token);

        await using var next = await store.AcquireConsumerAsync("c", patient, limit.Token);
        var first = await next.ReceiveAsync(limit.Token);

        Assert.Equal(("a1", 2), (Text(first.Entry), first.Attempt));
        var second = next.ReceiveAsync(limit.Token).AsTask();
        Assert.False(second.IsCompleted);
        await next.AcknowledgeAsync(first, limit.Token);
        var delivery = await second;
        Assert.Equal(("b1", 2), (Text(delivery.Entry), delivery.Attempt));
        await next.AcknowledgeAsync(delivery, limit.Token);
        Assert.Equal(1, (await next.ReceiveAsync(limit.Token)).Attempt);
    }

    [Fact]
    public async Task What_hangs_after_a_death_holds_the_others_up_for_a_lease_at_most()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "a", "a1", "a2");
        await FillAsync(store, "b", "b1");
        await FillAsync(store, "c", "c1");
        await LeaveBehindAsync(store, "c", limit.Token);
        var brief = Quick with { LeaseDuration = TimeSpan.FromMilliseconds(300) };
        await using var next = await store.AcquireConsumerAsync("c", brief, limit.Token);

        var received = new List<Delivery>();
        while (received.Count < 3)
        {
            received.Add(await next.ReceiveAsync(limit.Token));
        }

        Assert.Equal(["a1 2", "b1 2", "c1 1"], received.Select(one => $"{Text(one.Entry)} {one.Attempt}"));
        foreach (var delivery in received)
        {
            await next.AcknowledgeAsync(delivery, limit.Token);
        }

        Assert.Equal("a2", Text((await next.ReceiveAsync(limit.Token)).Entry));
    }

    [Fact]
    public async Task The_window_bounds_how_far_others_go_on()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "slow", "s");
        await FillAsync(store, "fast", [.. Enumerable.Range(0, 9).Select(n => $"{n}")]);
        await using var consumer = await store.AcquireConsumerAsync("c", Quick with { Window = 4 }, limit.Token);
        var slow = await consumer.ReceiveAsync(limit.Token);

        for (var n = 0; n < 9; n++)
        {
            var fast = await consumer.ReceiveAsync(limit.Token);
            Assert.Equal($"{n}", Text(fast.Entry));
            await consumer.AcknowledgeAsync(fast, limit.Token);
        }

        Assert.Equal(new Position(0), Assert.Single(await store.ListConsumersAsync()).Position);
        await consumer.AcknowledgeAsync(slow, limit.Token);
        Assert.Equal(new Position(10), Assert.Single(await store.ListConsumersAsync()).Position);
    }

    [Fact]
    public async Task Three_instances_handle_every_entry_in_stream_order()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        var handled = new ConcurrentQueue<string>();
        using var over = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);

        var instances = Enumerable.Range(0, 3).Select(_ => Task.Run(() => store.ConsumeAsync(
            "c",
            (delivery, _) =>
            {
                handled.Enqueue($"{delivery.Entry.Stream}:{Text(delivery.Entry)}");
                return default;
            },
            Quick,
            over.Token))).ToArray();
        for (var n = 0; n < 40; n++)
        {
            await FillAsync(store, $"s{n % 4}", $"{n:00}");
        }

        await UntilAsync(() => handled.Count >= 40, limit.Token);
        over.Cancel();
        foreach (var instance in instances)
        {
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => instance);
        }

        foreach (var stream in handled.GroupBy(text => text.Split(':')[0]))
        {
            Assert.Equal(stream.Distinct().Order(StringComparer.Ordinal), stream);
        }

        Assert.Equal(40, handled.Distinct().Count());
    }

    [Fact]
    public async Task Consumers_are_reset_and_dropped()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "1", "2", "3");

        Assert.False(await store.ResetConsumerAsync("c", new Position(1)));
        Assert.True(await store.ResetConsumerAsync("c", new Position(1), create: true));
        await using (var consumer = await store.AcquireConsumerAsync("c", Quick, limit.Token))
        {
            Assert.Equal("2", Text((await consumer.ReceiveAsync(limit.Token)).Entry));
        }

        Assert.True(await store.DropConsumerAsync("c"));
        Assert.False(await store.DropConsumerAsync("c"));
        Assert.Empty(await store.ListConsumersAsync());
        await using var again = await store.AcquireConsumerAsync(
            "c", Quick with { StartAfter = new Position(2) }, limit.Token);
        Assert.Equal("3", Text((await again.ReceiveAsync(limit.Token)).Entry));
    }

    /// <summary>Leaves a consumer as a process does that was killed with two entries out.</summary>
    private static async Task LeaveBehindAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        var consumer = await store.AcquireConsumerAsync(
            name, Quick with { LeaseDuration = TimeSpan.FromMilliseconds(300) }, cancellationToken);
        await consumer.ReceiveAsync(cancellationToken);
        await consumer.ReceiveAsync(cancellationToken);
        await consumer.AbandonAsync();
    }

    private static async Task UntilAsync(Func<bool> condition, CancellationToken cancellationToken)
    {
        while (!condition())
        {
            cancellationToken.ThrowIfCancellationRequested();
            await Task.Yield();
        }
    }
}
