using System.Collections.Concurrent;
using System.Globalization;
using Ledger.Streams;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>Following: backlog, caught up, push; and a cursor that neither skips nor repeats.</summary>
public abstract partial class StreamStoreConformance
{
    [Fact]
    public async Task A_subscription_gives_the_backlog_then_says_so_then_what_is_committed()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        var ids = await FillAsync(store, "s", "1", "2");
        await FillAsync(store, "other", "x");

        var seen = new List<string>();
        await foreach (var item in store.SubscribeAsync("s", ids[0], cancellationToken: limit.Token))
        {
            seen.Add(item is EntryItem<Entry> entry ? Text(entry.Entry) : item.GetType().Name.Split('`')[0]);
            if (item is CaughtUpItem<Entry>)
            {
                await FillAsync(store, "other", "y");
                await FillAsync(store, "s", "3", "4");
            }

            if (seen.Count == 4)
            {
                break;
            }
        }

        Assert.Equal(["2", "CaughtUpItem", "3", "4"], seen);
    }

    [Fact]
    public async Task A_subscription_hears_of_another_opening()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        var other = IsShared ? await OpenAsync() : store;
        await FillAsync(other, "s", "1");

        var seen = new List<string>();
        await foreach (var item in store.SubscribeAllAsync(cancellationToken: limit.Token))
        {
            if (item is CaughtUpItem<Entry>)
            {
                await FillAsync(other, "t", "2");
            }

            if (item is EntryItem<Entry> { Entry: { } entry })
            {
                seen.Add($"{entry.Stream}{entry.Position}:{Text(entry)}");
            }

            if (seen.Count == 2)
            {
                break;
            }
        }

        Assert.Equal(["s1:1", "t2:2"], seen);
    }

    [Fact]
    public async Task A_filtered_subscription_says_how_far_it_has_come()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        await store.AppendAsync("s", [.. Enumerable.Range(0, 2_500).Select(n => New($"{n}"))]);
        await store.AppendAsync("s", New("wanted") with { Tags = ["wanted"] });

        var checkpoints = new List<Position>();
        await foreach (var item in store.SubscribeAllAsync(
            filter: new() { Tags = ["wanted"] }, cancellationToken: limit.Token))
        {
            if (item is CheckpointItem<Entry> checkpoint)
            {
                checkpoints.Add(checkpoint.Position!.Value);
            }

            if (item is EntryItem<Entry> entry)
            {
                Assert.Equal("wanted", Text(entry.Entry));
                break;
            }
        }

        Assert.True(checkpoints.Count >= 2, $"{checkpoints.Count} checkpoints");
        Assert.True(checkpoints[0].Value <= 1_000);
        Assert.Equal(checkpoints.Order(), checkpoints);
    }

    [Fact]
    public async Task Readers_with_a_cursor_neither_skip_nor_repeat_while_writers_write()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        const int writers = 6;
        const int each = 60;

        var reading = Enumerable.Range(0, 3).Select(_ => Task.Run(async () =>
        {
            var seen = new List<Entry>();
            var after = Position.Start;
            while (seen.Count < writers * each)
            {
                limit.Token.ThrowIfCancellationRequested();
                await foreach (var entry in store.ReadAllAsync(after, limit: 50, cancellationToken: limit.Token))
                {
                    seen.Add(entry);
                    after = entry.Position!.Value;
                }
            }

            return seen;
        })).ToArray();
        await Task.WhenAll(Enumerable.Range(0, writers).Select(writer => Task.Run(async () =>
        {
            for (var n = 0; n < each; n += 3)
            {
                await store.AppendAsync(
                    $"s{writer % 3}", [New($"{writer}:{n}"), New($"{writer}:{n + 1}"), New($"{writer}:{n + 2}")]);
            }
        })));

        foreach (var seen in await Task.WhenAll(reading))
        {
            Assert.Equal(Enumerable.Range(1, writers * each), seen.Select(entry => (int)entry.Position!.Value.Value));
            foreach (var stream in seen.GroupBy(entry => entry.Stream))
            {
                Assert.Equal(stream.Select(entry => entry.Id).Order(), stream.Select(entry => entry.Id));
            }

            foreach (var writer in seen.GroupBy(entry => Text(entry).Split(':')[0]))
            {
                Assert.Equal(Enumerable.Range(0, each), writer.Select(
                    entry => int.Parse(Text(entry).Split(':')[1], CultureInfo.InvariantCulture)));
            }
        }
    }

    [Fact]
    public async Task Many_subscriptions_see_the_same()
    {
        using var limit = Limit();
        var store = await OpenAsync();
        var seen = new ConcurrentDictionary<int, int>();

        var following = Enumerable.Range(0, 8).Select(n => Task.Run(async () =>
        {
            await foreach (var item in store.SubscribeAllAsync(cancellationToken: limit.Token))
            {
                if (item is EntryItem<Entry> && seen.AddOrUpdate(n, 1, (_, count) => count + 1) == 100)
                {
                    break;
                }
            }
        })).ToArray();
        for (var n = 0; n < 100; n++)
        {
            await FillAsync(store, $"s{n % 4}", $"{n}");
        }

        await Task.WhenAll(following);
        Assert.All(seen.Values, count => Assert.Equal(100, count));
    }
}
