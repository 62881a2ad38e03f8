using Ledger.Streams;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>What once went wrong where two rules meet.</summary>
public abstract partial class StreamStoreConformance
{
    [Fact]
    public async Task A_search_of_all_streams_ends_at_the_last_entry_whatever_ids_were_used_up()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await store.AppendAsync(
            [new StreamAppend("s", [.. Enumerable.Repeat(New("once", "key"), 700)])], limit.Token);
        await store.AppendAsync(
            [new StreamAppend("s", [.. Enumerable.Range(0, 1_000).Select(_ => New("text"))])], limit.Token);

        var found = await store.SearchAsync("text", cancellationToken: limit.Token).CountAsync(limit.Token);

        Assert.Equal(1_000, found);
    }

    [Fact]
    public async Task A_stream_that_is_held_and_nearly_fills_the_window_starves_no_other()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "held", "h1", "h2", "h3");
        await using var consumer = await store.AcquireConsumerAsync("c", Quick with { Window = 4 }, limit.Token);
        var first = await consumer.ReceiveAsync(limit.Token);
        await FillAsync(store, "other", "o1");

        var second = await consumer.ReceiveAsync(limit.Token);
        var third = consumer.ReceiveAsync(limit.Token).AsTask();

        Assert.Equal(("h1", "o1"), (Text(first.Entry), Text(second.Entry)));
        Assert.False(third.IsCompleted);
        await consumer.AcknowledgeAsync(first, limit.Token);
        Assert.Equal("h2", Text((await third).Entry));
    }

    [Fact]
    public async Task Who_had_the_lease_of_a_consumer_that_was_dropped_cannot_write_the_one_that_has_its_name_now()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "1");
        await using var before = await store.AcquireConsumerAsync("c", Quick, limit.Token);
        var delivery = await before.ReceiveAsync(limit.Token);
        await store.DropConsumerAsync("c", limit.Token);
        await using var after = await store.AcquireConsumerAsync(
            "c", Quick with { StartAfter = new Position(1) }, limit.Token);

        await Assert.ThrowsAsync<LeaseLostException>(async () => await before.AcknowledgeAsync(delivery, limit.Token));

        Assert.Equal(new Position(1), Assert.Single(await store.ListConsumersAsync(limit.Token)).Position);
    }

    [Fact]
    public async Task A_parked_entry_that_is_pending_again_after_a_reset_is_handed_out_once()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await FillAsync(store, "s", "1", "2");
        await using (var consumer = await store.AcquireConsumerAsync("c", Quick with { AttemptsMax = 1 }, limit.Token))
        {
            await consumer.FailAsync(await consumer.ReceiveAsync(limit.Token), "No.", limit.Token);
        }

        await store.ResetConsumerAsync("c", default, cancellationToken: limit.Token);
        await using (var consumer = await store.AcquireConsumerAsync("c", Quick, limit.Token))
        {
            await consumer.ReceiveAsync(limit.Token);
        }

        var isReleased = await store.ReleaseParkedAsync("c", new Position(1), retry: true, limit.Token);

        Assert.True(isReleased);
        await using var last = await store.AcquireConsumerAsync("c", Quick, limit.Token);
        foreach (var expected in new[] { "1", "2" })
        {
            var delivery = await last.ReceiveAsync(limit.Token);
            Assert.Equal(expected, Text(delivery.Entry));
            await last.AcknowledgeAsync(delivery, limit.Token);
        }
    }

    [Fact]
    public async Task A_subscriber_is_told_how_far_it_is_when_the_last_full_page_was_filtered_out()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await store.AppendAsync(
            [new StreamAppend("s", [.. Enumerable.Range(0, 500).Select(_ => New("text"))])], limit.Token);

        var filter = new EntryFilter { OrderKey = "another" };
        var items = store.SubscribeAllAsync(filter: filter, cancellationToken: limit.Token);
        var first = await items.FirstAsync(limit.Token);

        Assert.Equal(new Position(500), Assert.IsType<CheckpointItem<Entry>>(first).Position);
    }
}
