using System.Data.Common;
using Ledger.Streams;
using Ledger.Streams.Relational;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>What a store promises it does; the rest it refuses, and that leaves no trace.</summary>
public abstract partial class StreamStoreConformance
{
    /// <summary>What a store in a transaction of an application's own does not promise.</summary>
    private const StreamStoreCapabilities LackingWhenEnlisted = StreamStoreCapabilities.Push |
        StreamStoreCapabilities.Consumers | StreamStoreCapabilities.Enlist | StreamStoreCapabilities.MutationLogSource;

    /// <summary>Operations that need a capability, and need no other; each on streams of its own.</summary>
    private static readonly (StreamStoreCapabilities Needed, Func<IStreamStore, string, CancellationToken, Task> Use)[]
        Uses =
        [
            (StreamStoreCapabilities.AtomicBatch, UseBatchAsync),
            (StreamStoreCapabilities.AtomicAcrossStreams, UseStreamsAsync),
            (StreamStoreCapabilities.Dedup, UseKeyAsync),
            (StreamStoreCapabilities.ExpectedEnd, UseNewAsync),
            (StreamStoreCapabilities.ExpectedEnd, UseEndAsync),
            (StreamStoreCapabilities.Annotations, UseTagsAsync),
            (StreamStoreCapabilities.Annotations, UseAnnotationsAsync),
            (StreamStoreCapabilities.FullText, UseWordsAsync),
            (StreamStoreCapabilities.Push, UseSubscriptionAsync),
            (StreamStoreCapabilities.Push, UseSubscriptionToAllAsync),
            (StreamStoreCapabilities.Consumers, UseResetAsync),
            (StreamStoreCapabilities.Consumers, UseListAsync),
            (StreamStoreCapabilities.Consumers, UseLeaseAsync),
            (StreamStoreCapabilities.Consumers, UseParkedAsync),
            (StreamStoreCapabilities.Consumers, UseDropAsync),
        ];

    [Fact]
    public void Each_capability_has_a_row_and_an_operation_that_needs_it()
    {
        StreamStoreCapabilities[] without =
            [StreamStoreCapabilities.MutationLogSource, StreamStoreCapabilities.LateArrivals];
        var all = Enum.GetValues<StreamStoreCapabilities>().Where(one => one != StreamStoreCapabilities.None);

        Assert.Equal(all.Order(), StreamStoreTable.All.Order());
        Assert.Equal(
            all.Except(without).Order(),
            Uses.Select(use => use.Needed).Append(StreamStoreCapabilities.Enlist).Distinct().Order());
    }

    [Fact]
    public async Task What_a_store_promises_it_does_and_the_rest_it_refuses() =>
        await CheckPromisesAsync(await OpenAsync(), Promised);

    /// <summary>Uses an empty store in every way that needs a capability; also in a transaction, if it can.</summary>
    protected async Task CheckPromisesAsync(IStreamStore store, StreamStoreCapabilities promised)
    {
        ArgumentNullException.ThrowIfNull(store);
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        await store.AppendAsync("s", New("first"), cancellationToken: limit.Token);

        await CheckUsesAsync(store, promised, "own", limit.Token);
        if (!promised.HasFlag(StreamStoreCapabilities.Enlist))
        {
            // Whose operation it is; what is enlisted already has it, and refuses it.
            Assert.False(store is RelationalStreamStore, "A store that enlists promises it.");
            return;
        }

        await CheckEnlistedAsync(Assert.IsAssignableFrom<RelationalStreamStore>(store), promised, limit.Token);
    }

    private async Task CheckEnlistedAsync(
        RelationalStreamStore store, StreamStoreCapabilities promised, CancellationToken cancellationToken)
    {
        var transaction = Assert.IsAssignableFrom<DbTransaction>(await BeginAsync());
        await using var connection = transaction.Connection!;
        await using (transaction)
        await using (var enlisted = store.Enlist(transaction))
        {
            await enlisted.AppendAsync("enlisted", New("1"), cancellationToken: cancellationToken);
            await CheckUsesAsync(enlisted, promised & ~LackingWhenEnlisted, "enlisted", cancellationToken);
            var refused = Assert.Throws<NotSupportedByStoreException>(
                () => ((RelationalStreamStore)enlisted).Enlist(transaction));
            Assert.Equal(StreamStoreCapabilities.Enlist, refused.Capability);
            await transaction.CommitAsync(cancellationToken);
        }

        Assert.Equal(["1"], await TextsAsync(store, "enlisted"));
    }

    private static async Task CheckUsesAsync(
        IStreamStore store, StreamStoreCapabilities promised, string prefix, CancellationToken cancellationToken)
    {
        Assert.Equal(promised, store.Capabilities);
        foreach (var (needed, use) in Uses)
        {
            var name = $"{prefix} {use.Method.Name}";
            if (promised.HasFlag(needed))
            {
                await use(store, name, cancellationToken);
                continue;
            }

            var before = await TraceAsync(store, cancellationToken);
            var refused = await Assert.ThrowsAsync<NotSupportedByStoreException>(
                () => use(store, name, cancellationToken));
            Assert.Equal((name, needed), (name, refused.Capability));
            Assert.Equal(before, await TraceAsync(store, cancellationToken));
        }
    }

    /// <summary>What could have changed: streams, how long they are, and what the first entry is marked by.</summary>
    private static async Task<string[]> TraceAsync(IStreamStore store, CancellationToken cancellationToken)
    {
        var trace = new List<string>();
        await foreach (var stream in store.ListStreamsAsync(cancellationToken: cancellationToken))
        {
            trace.Add($"{stream} {await store.CountAsync(stream, cancellationToken)}");
        }

        var first = await FirstAsync(store, cancellationToken);
        return [.. trace, .. first.Tags, .. first.Annotations.Select(pair => $"{pair.Key}={pair.Value}")];
    }

    private static async Task UseBatchAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        await store.AppendAsync(name, [New("1"), New("2")], cancellationToken: cancellationToken);
        Assert.Equal(["1", "2"], await TextsAsync(store, name));
    }

    private static async Task UseStreamsAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        await store.AppendAsync(
            [new StreamAppend(name, [New("1")]), new StreamAppend(name + "'", [New("2")])], cancellationToken);
        Assert.Equal(["1"], await TextsAsync(store, name));
        Assert.Equal(["2"], await TextsAsync(store, name + "'"));
    }

    private static async Task UseKeyAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        var first = await store.AppendAsync(name, New("1", "k"), cancellationToken: cancellationToken);
        var again = await store.AppendAsync(name, New("1", "k"), cancellationToken: cancellationToken);
        Assert.Equal((0, 1, first.End), (first.DuplicateCount, again.DuplicateCount, again.End));
        Assert.Equal(["1"], await TextsAsync(store, name));
    }

    private static async Task UseNewAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        await store.AppendAsync(name, New("1"), ExpectedEnd.New, cancellationToken);
        await Assert.ThrowsAsync<StreamConflictException>(
            async () => await store.AppendAsync(name, New("2"), ExpectedEnd.New, cancellationToken));
        Assert.Equal(["1"], await TextsAsync(store, name));
    }

    private static async Task UseEndAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        var end = (await store.GetInfoAsync("s", cancellationToken))!.End;
        await store.AppendAsync("s", New("next"), ExpectedEnd.At(end), cancellationToken);
        Assert.Equal("next", (await TextsAsync(store, "s"))[^1]);
    }

    private static async Task UseTagsAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        var first = await FirstAsync(store, cancellationToken);
        await store.SetTagsAsync("s", first.Id, [name], cancellationToken);
        Assert.Equal([name], (await FirstAsync(store, cancellationToken)).Tags);
    }

    private static async Task UseAnnotationsAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        var first = await FirstAsync(store, cancellationToken);
        await store.SetAnnotationsAsync("s", first.Id, Changes((name, "v")), cancellationToken);
        Assert.Equal("v", (await FirstAsync(store, cancellationToken)).Annotations[name]);
    }

    private static async Task UseWordsAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        var options = new SearchOptions { Mode = SearchMode.FullText };
        var found = await store.SearchAsync("FIRST", options, cancellationToken).ToListAsync(cancellationToken);
        Assert.Equal("s", Assert.Single(found).Stream);
    }

    private static async Task UseSubscriptionAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        var item = await store.SubscribeAsync("s", cancellationToken: cancellationToken).FirstAsync(cancellationToken);
        Assert.Equal("first", Text(Assert.IsType<EntryItem<Entry>>(item).Entry));
    }

    private static async Task UseSubscriptionToAllAsync(
        IStreamStore store, string name, CancellationToken cancellationToken)
    {
        var item = await store.SubscribeAllAsync(cancellationToken: cancellationToken).FirstAsync(cancellationToken);
        Assert.Equal("first", Text(Assert.IsType<EntryItem<Entry>>(item).Entry));
    }

    private static async Task UseResetAsync(IStreamStore store, string name, CancellationToken cancellationToken) =>
        Assert.True(await store.ResetConsumerAsync("made", new Position(0), create: true, cancellationToken));

    private static async Task UseListAsync(IStreamStore store, string name, CancellationToken cancellationToken) =>
        Assert.Equal("made", Assert.Single(await store.ListConsumersAsync(cancellationToken)).Name);

    private static async Task UseLeaseAsync(IStreamStore store, string name, CancellationToken cancellationToken)
    {
        await using var consumer = await store.AcquireConsumerAsync("made", null, cancellationToken);
        Assert.Equal("first", Text((await consumer.ReceiveAsync(cancellationToken)).Entry));
    }

    private static async Task UseParkedAsync(IStreamStore store, string name, CancellationToken cancellationToken) =>
        Assert.False(await store.ReleaseParkedAsync("made", new Position(1), retry: true, cancellationToken));

    private static async Task UseDropAsync(IStreamStore store, string name, CancellationToken cancellationToken) =>
        Assert.True(await store.DropConsumerAsync("made", cancellationToken));

    private static async Task<Entry> FirstAsync(IStreamStore store, CancellationToken cancellationToken) =>
        await store.ReadAsync("s", new() { Limit = 1 }, cancellationToken).FirstAsync(cancellationToken);
}
