using System.Collections.Concurrent;
using System.Diagnostics;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Streams;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>The trace of a call spans its client, its server and the store.</summary>
public sealed class RpcTraceTests(WireFixture wire) : IClassFixture<WireFixture>
{
    [Fact]
    public async Task The_trace_of_an_append_spans_client_server_and_store()
    {
        using var source = new ActivitySource("Test.Application");
        var spans = new ConcurrentQueue<Activity>();
        using var listener = Listen(spans, source.Name);
        await using var store = await RemoteStreamStore.OpenAsync(wire.Channel, "traced");

        ActivityTraceId trace;
        using (var root = source.StartActivity("root")!)
        {
            root.TraceStateString = "vendor=1";
            trace = root.TraceId;
            await store.AppendAsync("s", new NewEntry("1"u8.ToArray()));
            Assert.Same(root, Activity.Current);
        }

        var chain = new List<string>();
        var span = spans.Single(one => one.TraceId == trace && one.OperationName == "ledger.streams append"
            && (string?)one.GetTagItem("ledger.backend") == "sqlite");
        for (var one = span; one is not null; one = spans.FirstOrDefault(other => other.SpanId == one.ParentSpanId))
        {
            chain.Add($"{one.OperationName} {one.Kind}");
            Assert.Equal((trace, "vendor=1"), (one.TraceId, one.TraceStateString));
        }

        Assert.Equal(
            [
                "ledger.streams append Internal", "ledger.v1.LedgerService/Append Server",
                "ledger.v1.LedgerService/Append Client", "ledger.streams append Internal", "root Internal",
            ],
            chain);
    }

    [Fact]
    public async Task What_goes_on_for_all_who_follow_is_no_part_of_the_trace_of_the_first()
    {
        using var source = new ActivitySource("Test.Follower");
        var begun = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = one => one.Name == source.Name || one.Name.StartsWith("Ledger.", StringComparison.Ordinal),
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStarted = begun.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        await using var store = await RemoteStreamStore.OpenAsync(wire.Channel, "watched");
        await using var writer = await RemoteStreamStore.OpenAsync(wire.Channel, "watched");
        await writer.AppendAsync("s", new NewEntry("1"u8.ToArray()));

        using var root = source.StartActivity("root")!;
        await using var items = store.SubscribeAsync("s").GetAsyncEnumerator();
        for (var entries = 0; entries < 2;)
        {
            Assert.True(await items.MoveNextAsync());
            if (items.Current is EntryItem<Entry> && ++entries == 1)
            {
                // Of this one it hears by the watch only.
                await writer.AppendAsync("s", new NewEntry("2"u8.ToArray()));
            }
        }

        var watches = begun.Where(span => span.OperationName == "ledger.v1.LedgerService/WatchStore").ToList();
        Assert.Contains(watches, span => span is { Kind: ActivityKind.Client, Parent: null, ParentId: null });
        Assert.DoesNotContain(watches, span => span.TraceId == root.TraceId);
    }

    [Fact]
    public async Task How_a_call_ended_is_told_on_both_sides()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = Listen(spans, "none");
        using var nobody = wire.Server.Connect(new() { ApiKey = "wrong" });

        await Assert.ThrowsAsync<RpcException>(() => nobody.UnaryAsync(
            LedgerMethods.Count, new() { Stream = "s" }, RpcCallOptions.OfStore("traced"), default));

        var client = spans.First(span => span.Kind == ActivityKind.Client && span.Status == ActivityStatusCode.Error
            && span.OperationName == "ledger.v1.LedgerService/Count");
        var server = spans.Single(span => span.ParentSpanId == client.SpanId);
        Assert.Equal((16, 16), (client.GetTagItem("rpc.grpc.status_code"), server.GetTagItem("rpc.grpc.status_code")));
    }

    private static ActivityListener Listen(ConcurrentQueue<Activity> spans, string name)
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = source =>
                source.Name == name || source.Name.StartsWith("Ledger.", StringComparison.Ordinal),
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }
}
