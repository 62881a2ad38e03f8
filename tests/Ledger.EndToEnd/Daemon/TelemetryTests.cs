using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text;
using Ledger.Conformance.Hooks;
using Ledger.Conformance.Streams;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Runtime;
using Ledger.Server.Configuration;
using Ledger.Server.Telemetry;
using Ledger.Streams;
using Ledger.Tests.Telemetry;
using Npgsql;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

/// <summary>What the real daemon on PostgreSQL sends to a receiver of OTLP, and what nobody is told.</summary>
public sealed class TelemetryTests : IAsyncDisposable
{
    /// <summary>Is part of each secret.</summary>
    private const string Canary = "canary-93b1";

    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private readonly DaemonShell _shell = new();
    private readonly LedgerRuntime _runtime = LedgerRuntime.CreateSystem();
    private readonly ConcurrentQueue<HookRequest> _exports = new();
    private readonly ConcurrentQueue<HookRequest> _posts = new();
    private readonly HookEndpoint _collector;
    private readonly HookEndpoint _receiver;

    public TelemetryTests()
    {
        _collector = new HookEndpoint((request, _) =>
        {
            _exports.Enqueue(request);
            return new ValueTask<string?>("200");
        });
        _receiver = new HookEndpoint((request, _) =>
        {
            _posts.Enqueue(request);
            return new ValueTask<string?>(request.Path.StartsWith("/refuse", StringComparison.Ordinal) ? "400" : "200");
        });
    }

    public async ValueTask DisposeAsync()
    {
        await _collector.DisposeAsync();
        await _receiver.DisposeAsync();
        _shell.Dispose();
    }

    [Fact]
    public async Task The_trace_of_an_append_spans_client_server_and_store_and_no_secret_is_told()
    {
        var store = "telemetry_" + Guid.NewGuid().ToString("N")[..12];
        Configure(store);

        // What is finished is sent at once, and for as long as it takes.
        var (child, http) = await _shell.ForegroundAsync(
            "export OTEL_BSP_SCHEDULE_DELAY=50 OTEL_EXPORTER_OTLP_TIMEOUT=60000");
        using (child)
        using (http)
        {
            var trace = await AppendAsync(store);
            http.DefaultRequestHeaders.Remove("x-api-key");
            http.DefaultRequestHeaders.Add("x-api-key", Canary + "-wrong");
            var refused = await DaemonShell.AppendAsync(http);
            await UntilAsync(() => IsWhole(trace) && Metrics().IsSupersetOf(
                ["ledger.rpc.call.duration", "ledger.streams.operations", "ledger.hooks.requests"]));
            await child.SignalAsync("TERM");
            var result = await child.EndAsync();

            Assert.Equal((0, null), (result.ExitCode, refused));
            Assert.Equal(
                [
                    "daemon: ledger.streams append", "daemon: ledger.v1.LedgerService/Append",
                    "caller: ledger.v1.LedgerService/Append", "caller: ledger.streams append", "caller: root",
                ],
                ChainOf(trace));
            Assert.Contains(Spans(), span => span.Trace == trace && span.Scope == "Npgsql");
            var told = _exports.Select(one => one.Path + Encoding.Latin1.GetString(one.Body))
                .Concat(_posts.Select(one => string.Join('\n', one.Headers.Values) + Encoding.UTF8.GetString(one.Body)))
                .Append(await File.ReadAllTextAsync(_shell.Directory["daemon.log"]))
                .Append(result.Text).Append(result.Error);
            Assert.DoesNotContain(told, text => text.Contains(Canary, StringComparison.Ordinal));
        }
    }

    private void Configure(string store)
    {
        var dsn = new NpgsqlConnectionStringBuilder(PostgresServer.Shared) { Password = Canary + "-dsn" };
        var query = $"{Canary}-path?token={Canary}-query";
        var secrets = $"secret: {Canary}-secret, second_secret: {Canary}-second, allow_private: true";
        var end = $"http://127.0.0.1:{_receiver.Port}";
        _shell.Configure(
            $$"""
            log_file: daemon.log
            log_level: debug
            db:
              type: postgres
              postgres: { dsn: "{{dsn.ConnectionString}}" }
            telemetry:
              endpoint: "http://127.0.0.1:{{_collector.Port}}"
              protocol: http
              service: daemon
              interval: 200ms
              headers: [ "x-token={{Canary}}-header" ]
            hooks:
              - { name: taken, store: {{store}}, url: "{{end}}/take/{{query}}", {{secrets}} }
              - { name: refused, store: {{store}}, url: "{{end}}/refuse/{{query}}", {{secrets}} }
            """,
            key: Canary + "-key", listen: "localhost:0");
    }

    /// <summary>Appends an entry over gRPC, and calls with a key that is none.</summary>
    /// <returns>The trace of the append.</returns>
    private async Task<string> AppendAsync(string store)
    {
        using var export = TelemetryExport.Start(
            new TelemetryOptions
            {
                Endpoint = new Uri($"http://127.0.0.1:{_collector.Port}"),
                IsHttp = true,
                Service = "caller",
            },
            "1", "caller")!;
        using var source = new ActivitySource("Ledger.EndToEnd");
        var address = _shell.Started.GetProperty("listen")[0].GetString()!;
        using var channel = new RpcChannel(address, new RpcChannelOptions { ApiKey = Canary + "-key" });
        using var stranger = new RpcChannel(address, new RpcChannelOptions { ApiKey = Canary + "-wrong" });
        await using var remote = await RemoteStreamStore.OpenAsync(channel, store);
        string trace;
        using (var root = source.StartActivity("root")!)
        {
            trace = root.TraceId.ToHexString();
            await remote.AppendAsync("s", new NewEntry("1"u8.ToArray()));
        }

        Assert.Null(await DaemonShell.AppendAsync(stranger, "1"));

        // The spans of this process: the receiver has them, or is asked again.
        await UntilAsync(() => export.Flush() && Spans().Count(
            span => span.Trace == trace && span.Service == "caller") >= 3);
        return trace;
    }

    /// <summary>Whether both sides have told of the trace, and both hooks of their posts.</summary>
    private bool IsWhole(string trace)
    {
        var spans = Spans();
        return ChainOf(trace).Count == 5
            && spans.Any(span => span.Trace == trace && span.Scope == "Npgsql")
            && spans.Count(span => span.Name == "ledger.hooks deliver") >= 2
            && _posts.Any(post => post.Path.StartsWith("/take/", StringComparison.Ordinal))
            && _posts.Any(post => post.Path.StartsWith("/refuse/", StringComparison.Ordinal));
    }

    /// <summary>From the store's own span to the first.</summary>
    private List<string> ChainOf(string trace)
    {
        var spans = Spans().Where(span => span.Trace == trace).ToList();
        var chain = new List<string>();
        var span = spans.Find(one => one is { Service: "daemon", Name: "ledger.streams append" });
        for (; span is not null; span = spans.Find(one => one.Id == span.Parent))
        {
            chain.Add($"{span.Service}: {span.Name}");
        }

        return chain;
    }

    private List<Span> Spans() =>
    [
        .. from export in _exports
           where export.Path == "/v1/traces"
           from resource in new OtlpMessage(export.Body).At(1)
           let service = resource.At(1, 1).Single(pair => pair.Text(1) == "service.name").At(2).Single().Text(1)
           from scope in resource.At(2)
           from span in scope.At(2)
           select new Span(
               service, scope.At(1).Single().Text(1)!, span.Hex(1)!, span.Hex(2)!, span.Hex(4), span.Text(5)!),
    ];

    private HashSet<string> Metrics() => _exports.Where(one => one.Path == "/v1/metrics")
        .SelectMany(one => new OtlpMessage(one.Body).At(1, 2, 2)).Select(metric => metric.Text(1)!).ToHashSet();

    private async Task UntilAsync(Func<bool> condition)
    {
        using var late = new CancellationTokenSource(Hang);
        while (!condition())
        {
            await _runtime.Delay(TimeSpan.FromMilliseconds(10), late.Token);
        }
    }

    /// <summary>A span as it came.</summary>
    private sealed record Span(string Service, string Scope, string Trace, string Id, string? Parent, string Name);
}
