using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json.Serialization;
using Ledger.Codecs;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Ledger.Streams.Typed;

namespace Ledger.Cli.Demo;

/// <summary>The steps of the demo that are about streams.</summary>
/// <param name="steps">Runs them.</param>
/// <param name="open">Opens the store, which is empty.</param>
internal sealed class StreamDemo(DemoSteps steps, Func<CancellationToken, Task<IStreamStore>> open)
{
    private const string Stream = "customer-7";

    // Version 2 has the buyer where version 1 had the customer, and says the currency.
    private static readonly Schema Second = new(
        2, new Upcaster(1, 2, new FieldMapper().Rename("Customer", "Buyer").Default("Currency", "EUR")));

    /// <summary>Runs every step.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await using var store = await open(cancellationToken);
        await steps.RunAsync(
            "append orders of two schema versions", token => AppendAsync(store, token), cancellationToken);
        await steps.RunAsync("read them as one", token => ReadAsync(store, token), cancellationToken);
        await steps.RunAsync("tag one, and find it by its tag", token => TagAsync(store, token), cancellationToken);
        await steps.RunAsync("subscribe, and hear of an append", token => FollowAsync(store, token), cancellationToken);
        await steps.RunAsync("consume them; one fails once", token => ConsumeAsync(store, token), cancellationToken);
    }

    private static async Task<string> AppendAsync(IStreamStore store, CancellationToken cancellationToken)
    {
        var first = store.Stream(Stream, DemoJson.Default.OrderV1);
        var second = store.Stream(Stream, DemoJson.Default.OrderV2, Second);
        await first.AppendAsync(
            [new(new("Ann", 9.5m)) { DedupKey = "o-1" }, new(new("Bob", 20m)) { DedupKey = "o-2" }],
            cancellationToken: cancellationToken);
        var end = await second.AppendAsync(
            new NewEntry<OrderV2>(new("Cem", 3m, "TRY")) { DedupKey = "o-3" }, cancellationToken: cancellationToken);
        var again = await second.AppendAsync(
            new NewEntry<OrderV2>(new("Cem", 3m, "TRY")) { DedupKey = "o-3" }, cancellationToken: cancellationToken);
        DemoSteps.Check(again.DuplicateCount == 1 && again.End == end.End, "a repeated append writes nothing");
        return "2 of version 1, 1 of version 2; sent again, the last was known";
    }

    private static async Task<string> ReadAsync(IStreamStore store, CancellationToken cancellationToken)
    {
        var orders = await store.Stream(Stream, DemoJson.Default.OrderV2, Second)
            .ReadAsync(cancellationToken: cancellationToken)
            .Select(entry => string.Create(
                CultureInfo.InvariantCulture, $"{entry.Value.Buyer} {entry.Value.Total} {entry.Value.Currency}"))
            .ToListAsync(cancellationToken);
        DemoSteps.Check(orders is ["Ann 9.5 EUR", "Bob 20 EUR", "Cem 3 TRY"], "both versions are read as the second");
        return string.Join(", ", orders);
    }

    private static async Task<string> TagAsync(IStreamStore store, CancellationToken cancellationToken)
    {
        var second = await store.ReadAsync(Stream, cancellationToken: cancellationToken)
            .ElementAtAsync(1, cancellationToken);
        await store.SetTagsAsync(Stream, second.Id, ["paid"], cancellationToken);
        var paid = await store.ReadAsync(
                Stream, new() { Filter = new() { Tags = ["paid"] } }, cancellationToken)
            .SingleAsync(cancellationToken);
        DemoSteps.Check(paid.Id == second.Id && paid.UpdatedAt is not null, "the tag finds the entry");
        return $"entry {paid.Id} of {await store.CountAsync(Stream, cancellationToken)} is tagged 'paid'";
    }

    private async Task<string> FollowAsync(IStreamStore store, CancellationToken cancellationToken)
    {
        await using var other = await open(cancellationToken);
        var seen = new List<string>();
        await foreach (var item in store.SubscribeAllAsync(cancellationToken: cancellationToken))
        {
            if (item is CaughtUpItem<Entry>)
            {
                seen.Add("caught up");
                await other.Stream("customer-8", DemoJson.Default.OrderV2, Second).AppendAsync(
                    new NewEntry<OrderV2>(new("Dee", 1m, "EUR")), cancellationToken: cancellationToken);
            }
            else if (item is EntryItem<Entry> { Entry: var entry })
            {
                seen.Add($"{entry.Position}");
                if (entry.Stream == "customer-8")
                {
                    break;
                }
            }
        }

        DemoSteps.Check(seen is ["1", "2", "3", "caught up", "4"], "the backlog comes first, then what is appended");
        return $"saw {string.Join(", ", seen)}: of another stream, by another connection";
    }

    private static async Task<string> ConsumeAsync(IStreamStore store, CancellationToken cancellationToken)
    {
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var handled = new ConcurrentQueue<string>();
        var left = 4;
        try
        {
            await store.ConsumeAsync(
                "mailer",
                (delivery, _) =>
                {
                    var position = delivery.Entry.Position.ToString();
                    if (position == "2" && delivery.Attempt == 1)
                    {
                        handled.Enqueue("2 failed");
                        throw new InvalidDataException("The mail server hung up.");
                    }

                    handled.Enqueue(delivery.Attempt == 1 ? $"{position}" : $"{position} again");
                    if (Interlocked.Decrement(ref left) == 0)
                    {
                        done.Cancel();
                    }

                    return ValueTask.CompletedTask;
                },
                new() { RetryDelayMin = TimeSpan.FromMilliseconds(20) }, done.Token);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            // All of them are handled.
        }

        var order = handled.ToList();
        DemoSteps.Check(
            order.Where(item => item != "4").SequenceEqual(["1", "2 failed", "2 again", "3"]),
            "a failure holds its own stream until it is repaired");
        DemoSteps.Check(order.Count(item => item == "4") == 1, "the other stream goes on");
        var consumer = (await store.ListConsumersAsync(cancellationToken)).Single(known => known.Name == "mailer");
        DemoSteps.Check(consumer is { Position.Value: 4, Pending: 0, Parked: [] }, "everything is done");
        return $"{string.Join(", ", order)}; '{consumer.Name}' has done all up to {consumer.Position}";
    }
}

/// <summary>An order, as it was at first.</summary>
/// <param name="Customer">Who bought.</param>
/// <param name="Total">For how much.</param>
internal sealed record OrderV1(string Customer, decimal Total);

/// <summary>An order, as it is now.</summary>
/// <param name="Buyer">Who bought.</param>
/// <param name="Total">For how much.</param>
/// <param name="Currency">In which currency.</param>
internal sealed record OrderV2(string Buyer, decimal Total, string Currency);

/// <summary>How the demo's values are written.</summary>
[JsonSerializable(typeof(OrderV1))]
[JsonSerializable(typeof(OrderV2))]
internal sealed partial class DemoJson : JsonSerializerContext;
