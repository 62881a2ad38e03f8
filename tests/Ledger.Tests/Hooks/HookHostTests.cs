using System.Diagnostics;
using Ledger.Conformance.Hooks;
using Ledger.Server.Hooks;
using Xunit;

namespace Ledger.Tests.Hooks;

/// <summary>A set of hooks that is replaced while it runs.</summary>
public sealed class HookHostTests
{
    [Fact]
    public async Task A_hook_that_did_not_change_goes_on_undisturbed_and_the_others_are_replaced()
    {
        var answer = new TaskCompletionSource();
        var begun = 0;
        await using var endpoint = new HookEndpoint(async (_, token) =>
        {
            Interlocked.Increment(ref begun);
            await answer.Task.WaitAsync(token);
            return "200";
        });
        await using var test = new HookTest();
        var kept = test.Hook with { Name = "kept", Url = endpoint.Url };
        await test.Host.ReplaceAsync([kept, test.Hook]);
        await test.AppendAsync("s", "1");
        await test.UntilAsync(() => begun == 1 && test.Host.Status[0].Delivered == 1);

        await test.Host.ReplaceAsync([kept with { }, test.Hook with { Secret = "canary-new" }]);
        await test.AppendAsync("s", "2");
        await test.UntilAsync(() => test.Host.Status[0].Delivered == 1 && test.Requests.Count == 2);
        answer.SetResult();
        await test.UntilAsync(() => test.Host.Status[1].Delivered == 2);

        // The kept one's request was neither cut nor repeated; the other went on where its forerunner was.
        Assert.Equal((2, 1), (begun, endpoint.Connections));
        Assert.Equal(["1", "2"], test.Requests.SelectMany(one => HookTest.Read(one).Payloads));
        Assert.NotEqual(
            test.Requests[0].Headers["X-Ledger-Signature"], test.Requests[1].Headers["X-Ledger-Signature"]);
        await test.Host.ReplaceAsync([]);
        Assert.Empty(test.Host.Status);
        Assert.All(await test.Store.ListConsumersAsync(), consumer => Assert.Null(consumer.LeaseUntil));
    }

    [Fact]
    public async Task A_set_that_cannot_be_used_changes_nothing()
    {
        await using var test = new HookTest();
        await test.Host.ReplaceAsync([test.Hook]);

        await Assert.ThrowsAsync<ArgumentException>(
            () => test.Host.ReplaceAsync([test.Hook with { Name = "a" }, test.Hook with { Name = "a", Stream = "x" }]));
        var unreadable = test.Hook with { Name = "b", Url = new Uri("https://a.test/"), CaFile = "/none/there" };
        await Assert.ThrowsAsync<ArgumentException>(() => test.Host.ReplaceAsync([unreadable]));

        await test.AppendAsync("s", "1");
        await test.UntilAsync(() => test.Status.Delivered == 1);
        Assert.Equal("h", test.Status.Hook.Name);
    }

    [Fact]
    public async Task A_stop_waits_for_what_is_out_and_what_was_taken_does_not_come_again()
    {
        var answer = new TaskCompletionSource();
        await using var endpoint = new HookEndpoint(async (_, token) =>
        {
            await answer.Task.WaitAsync(token);
            return "200";
        });
        await using var test = new HookTest();
        await test.Host.ReplaceAsync([test.Hook with { Url = endpoint.Url }]);
        await test.AppendAsync("s", "1");
        await test.UntilAsync(() => endpoint.Connections == 1);

        var stopping = test.Host.ReplaceAsync([]);
        await test.AppendAsync("s", "2");
        Assert.False(stopping.IsCompleted);
        answer.SetResult();
        await stopping;
        await test.Host.ReplaceAsync([test.Hook]);
        await test.UntilAsync(() => test.Status.Delivered == 1);

        Assert.Equal(["2"], HookTest.Read(Assert.Single(test.Requests)).Payloads);
    }

    [Fact]
    public async Task A_stop_does_not_wait_longer_than_its_bound_for_an_endpoint_that_hangs()
    {
        await using var endpoint = new HookEndpoint(async (_, token) =>
        {
            await new TaskCompletionSource().Task.WaitAsync(token);
            return "200";
        });
        await using var test = new HookTest(plan: HookTest.Quick with { DrainBound = TimeSpan.FromMilliseconds(50) });
        await test.Host.ReplaceAsync([test.Hook with { Url = endpoint.Url }]);
        await test.AppendAsync("s", "1");
        await test.UntilAsync(() => endpoint.Connections == 1);

        await test.Host.ReplaceAsync([test.Hook]);
        await test.UntilAsync(() => test.Status.Delivered == 1);

        Assert.Equal(["1"], HookTest.Read(Assert.Single(test.Requests)).Payloads);
    }

    [Fact]
    public async Task A_store_that_fails_is_asked_again()
    {
        var asked = 0;
        await using var test = new HookTest();
        await using var host = new HookHost(
            (_, _) => ++asked < 3
                ? throw new InvalidOperationException("Not open.") : new(new HookStore(test.Store)),
            test.Runtime, Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, plan: HookTest.Quick);
        await test.AppendAsync("s", "1");

        await host.ReplaceAsync([test.Hook]);
        await test.UntilAsync(() => host.Status.Single().Delivered == 1);

        Assert.Equal((3, "The store failed: Not open."), (asked, host.Status.Single().LastError));
    }

    [Fact]
    public async Task The_trace_goes_with_the_request()
    {
        var spans = new List<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == HookTelemetry.ScopeName,
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = span =>
            {
                lock (spans)
                {
                    spans.Add(span);
                }
            },
        };
        ActivitySource.AddActivityListener(listener);
        await using var test = new HookTest();
        await test.AppendAsync("s", "1");

        using (new Activity("reload").Start())
        {
            await test.Host.ReplaceAsync([test.Hook with { Name = "traced" }]);
        }

        await test.UntilAsync(() => test.Status.Delivered == 1);

        var header = Assert.Single(test.Requests).Headers["traceparent"];
        lock (spans)
        {
            Assert.Contains(
                spans, span => span.Id == header && span.OperationName == "ledger.hooks deliver"
                    && span.ParentId is null);
        }
    }
}
