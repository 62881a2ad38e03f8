using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Ledger.Conformance.Hooks;
using Ledger.Runtime;
using Ledger.Server.Hooks;
using Ledger.Streams;
using Ledger.Streams.Memory;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ledger.Tests.Hooks;

/// <summary>A store, a host of hooks and what its endpoint took, for one test.</summary>
internal sealed class HookTest : IAsyncDisposable
{
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromSeconds(60));
    private readonly ConcurrentQueue<HookRequest> _requests = new();

    public HookTest(
        Func<HookRequest, int, string?>? answer = null, HookNetwork? network = null, HookPlan? plan = null)
    {
        Endpoint = new HookEndpoint((request, _) =>
        {
            _requests.Enqueue(request);
            return new ValueTask<string?>(answer is null ? "200" : answer(request, _requests.Count));
        });
        Host = new HookHost((_, _) => new(new HookStore(Store)), Runtime, NullLogger.Instance, network, plan ?? Quick);
    }

    /// <summary>Waits that a test can afford.</summary>
    public static HookPlan Quick { get; } = new()
    {
        BackoffMin = TimeSpan.FromMilliseconds(4),
        BackoffMax = TimeSpan.FromMilliseconds(20),
        DrainBound = TimeSpan.FromSeconds(5),

        // Renewed each second, which is when somebody's decision about a parked entry is heard of.
        Lease = TimeSpan.FromSeconds(3),
    };

    public LedgerRuntime Runtime { get; } = LedgerRuntime.CreateSystem();

    public MemoryStreamStore Store { get; } = new("orders");

    public HookEndpoint Endpoint { get; }

    public HookHost Host { get; }

    public CancellationToken Limit => _limit.Token;

    public IReadOnlyList<HookRequest> Requests => [.. _requests];

    public HookOptions Hook => new()
    {
        Name = "h",
        Store = "orders",
        Url = Endpoint.Url,
        AllowPrivate = true,
        Secret = "canary-secret",
    };

    public HookStatus Status => Host.Status.Single();

    public async Task AppendAsync(string stream, params string[] payloads) => await Store.AppendAsync(
        stream, [.. payloads.Select(payload => new NewEntry(Encoding.UTF8.GetBytes(payload)))]);

    public async Task UntilAsync(Func<bool> condition)
    {
        while (!condition())
        {
            await Runtime.Delay(TimeSpan.FromMilliseconds(1), Limit);
        }
    }

    /// <summary>Stream and payloads of a request.</summary>
    public static (string Stream, string[] Payloads) Read(HookRequest request)
    {
        using var json = JsonDocument.Parse(request.Body);
        return (json.RootElement.GetProperty("stream").GetString()!,
            [.. json.RootElement.GetProperty("entries").EnumerateArray()
                .Select(entry => entry.GetProperty("payload").GetRawText())]);
    }

    public async ValueTask DisposeAsync()
    {
        await Host.DisposeAsync();
        await Store.DisposeAsync();
        await Endpoint.DisposeAsync();
        _limit.Dispose();
    }
}
