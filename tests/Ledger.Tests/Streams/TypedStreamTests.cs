using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Ledger.Codecs;
using Ledger.Streams;
using Ledger.Streams.Memory;
using Ledger.Streams.Typed;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>Typed streams: values in, values out, old versions brought up to date.</summary>
public sealed class TypedStreamTests
{
    private static readonly Schema Second = new(
        2, new Upcaster(1, 2, new FieldMapper().Rename("Customer", "Buyer").Default("Currency", "EUR")));

    [Fact]
    public async Task Entries_of_two_versions_are_read_as_one()
    {
        await using var store = new MemoryStreamStore();
        var first = store.Stream("s", TypedJson.Default.OrderV1);
        var second = store.Stream("s", TypedJson.Default.OrderV2, Second);
        await first.AppendAsync(new NewEntry<OrderV1>(new("ann", 9007199254740993)) { Tags = ["old"] });
        await second.AppendAsync(new NewEntry<OrderV2>(new("bob", 2, "USD")));

        var values = await second.ReadAsync().ToListAsync();
        var again = await second.ReadAsync().ToListAsync();

        Assert.Equal(
            [new OrderV2("ann", 9007199254740993, "EUR"), new OrderV2("bob", 2, "USD")],
            values.Select(entry => entry.Value));
        Assert.Equal(values.Select(entry => entry.Value), again.Select(entry => entry.Value));
        Assert.Equal([1, 2], values.Select(entry => entry.Raw.SchemaVersion));
        Assert.Equal(["old"], values[0].Raw.Tags);
        var found = await store.SearchAsync("ANN").Select(second.Decode).SingleAsync();
        Assert.Equal("ann", found.Value.Buyer);
    }

    [Fact]
    public async Task A_newer_version_and_a_damaged_payload_are_errors_that_name_the_entry()
    {
        await using var store = new MemoryStreamStore();
        var second = store.Stream("s", TypedJson.Default.OrderV2, Second);
        await second.AppendAsync(new NewEntry<OrderV2>(new("bob", 2, "USD")));
        var newer = await Assert.ThrowsAsync<SchemaException>(
            async () => await store.Stream("s", TypedJson.Default.OrderV1).ReadAsync().ToListAsync());

        var damaged = await store.AppendAsync("s", new NewEntry("{"u8.ToArray()) { SchemaVersion = 2 });
        var failed = await Assert.ThrowsAsync<SchemaException>(async () => await second.ReadAsync().ToListAsync());

        Assert.Equal(2, newer.Version);
        Assert.Contains($"Entry {damaged.End} of stream 's'", failed.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_typed_subscription_gives_values()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await using var store = new MemoryStreamStore();
        var stream = store.Stream<JsonObject>("s");
        await stream.AppendAsync(new NewEntry<JsonObject>(new() { ["a"] = 1 }));

        var items = await stream.SubscribeAsync(cancellationToken: limit.Token).Take(2).ToListAsync();

        Assert.Equal(1, (int)Assert.IsType<EntryItem<Entry<JsonObject>>>(items[0]).Entry.Value["a"]!);
        Assert.IsType<CaughtUpItem<Entry<JsonObject>>>(items[1]);
    }
}

internal sealed record OrderV1(string Customer, long Amount);

internal sealed record OrderV2(string Buyer, long Amount, string Currency);

[JsonSerializable(typeof(OrderV1))]
[JsonSerializable(typeof(OrderV2))]
internal sealed partial class TypedJson : JsonSerializerContext;
