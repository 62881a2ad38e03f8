using System.Collections.Concurrent;
using System.Text;
using Ledger.Conformance.Hooks;
using Ledger.Server.Configuration;
using Ledger.Server.Telemetry;
using Ledger.Streams;
using Ledger.Streams.Memory;
using Ledger.Tests.Hooks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Ledger.Tests.Telemetry;

/// <summary>Traces and metrics reach an OTLP receiver, which reads them by field numbers.</summary>
public sealed class TelemetryExportTests
{
    [Fact]
    public void Without_an_endpoint_nothing_is_sent()
    {
        Assert.Null(TelemetryExport.Start(new TelemetryOptions(), "1", "i"));
    }

    [Fact]
    public async Task Traces_and_metrics_of_stores_and_hooks_arrive_over_http()
    {
        var received = new ConcurrentQueue<(string Path, byte[] Body, string? Header)>();
        await using var collector = new HookEndpoint((request, _) =>
        {
            received.Enqueue((request.Path, request.Body, request.Headers.GetValueOrDefault("x-token")));
            return new ValueTask<string?>("200");
        });
        var options = new TelemetryOptions
        {
            Endpoint = new Uri($"http://127.0.0.1:{collector.Port}"),
            IsHttp = true,
            Service = "ledger-test",
            Headers = new Dictionary<string, string> { ["x-token"] = "a=b, c" },
        };

        string trace;
        using (var export = TelemetryExport.Start(options, "9.9", "one")!)
        {
            await using var test = new HookTest();
            await test.AppendAsync("secret-stream", "1");
            await test.Host.ReplaceAsync([test.Hook with { Name = "otlp" }]);
            await test.UntilAsync(() => test.Status.Delivered == 1);
            trace = Assert.Single(test.Requests).Headers["traceparent"];
            Assert.True(export.Flush());
        }

        Assert.All(received, one => Assert.Equal("a=b, c", one.Header));
        var spans = received.Where(one => one.Path == "/v1/traces")
            .SelectMany(one => new OtlpMessage(one.Body).At(1, 2, 2)).ToList();
        Assert.Contains(spans, span => span.Text(5) == "ledger.streams append");
        var posted = Assert.Single(spans, span => $"00-{span.Hex(1)}-{span.Hex(2)}-01" == trace);
        Assert.Equal("ledger.hooks deliver", posted.Text(5));
        var metrics = received.Where(one => one.Path == "/v1/metrics").ToList();
        Assert.Equal(["9.9", "ledger-test", "one"], metrics
            .SelectMany(one => new OtlpMessage(one.Body).At(1, 1, 1))
            .Where(pair => pair.Text(1) is "service.name" or "service.version" or "service.instance.id")
            .Select(pair => pair.At(2).Single().Text(1)).Distinct().Order());
        AssertNames(metrics.SelectMany(one => new OtlpMessage(one.Body).At(1, 2, 2)).Select(one => one.Text(1)));
        Assert.DoesNotContain(
            received, one => Encoding.Latin1.GetString(one.Body).Contains("secret-", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Traces_and_metrics_arrive_over_grpc()
    {
        var received = new ConcurrentQueue<(string Path, byte[] Body)>();
        await using var collector = await StartGrpcAsync(received);
        var options = new TelemetryOptions
        {
            Endpoint = new Uri(collector.Urls.Single()),
            Headers = new Dictionary<string, string> { ["x-token"] = "a=b, c" },
        };

        using (var export = TelemetryExport.Start(options, "9.9", "two")!)
        {
            await using var store = new MemoryStreamStore("orders");
            await store.AppendAsync("s", new NewEntry("1"u8.ToArray()));
            Assert.True(export.Flush());
        }

        Assert.Contains(received, one =>
            one.Path == "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
            && new OtlpMessage(one.Body[5..]).At(1, 2, 2).Any(span => span.Text(5) == "ledger.streams append"));
        Assert.Contains(received, one =>
            one.Path == "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export"
            && new OtlpMessage(one.Body[5..]).At(1, 2, 2).Any(one => one.Text(1) == "ledger.streams.operations"));
    }

    // The names of docs/telemetry.md.
    private static void AssertNames(IEnumerable<string?> names) => Assert.Subset(
        names.ToHashSet(),
        new HashSet<string?>
        {
            "ledger.streams.operations", "ledger.streams.operation.duration", "ledger.streams.entries.appended",
            "ledger.hooks.requests", "ledger.hooks.delivered", "ledger.hooks.request.duration", "ledger.hooks.delay",
            "ledger.hooks.pending", "ledger.hooks.dead_letters", "ledger.hooks.lag",
        });

    private static async Task<WebApplication> StartGrpcAsync(ConcurrentQueue<(string Path, byte[] Body)> received)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseSetting("urls", "http://127.0.0.1:0");
        builder.Services.Configure<KestrelServerOptions>(kestrel =>
            kestrel.ConfigureEndpointDefaults(endpoint => endpoint.Protocols = HttpProtocols.Http2));
        var collector = builder.Build();
        collector.Run(async context =>
        {
            using var body = new MemoryStream();
            await context.Request.Body.CopyToAsync(body);
            Assert.Equal("a=b, c", context.Request.Headers["x-token"]);
            received.Enqueue((context.Request.Path, body.ToArray()));
            context.Response.ContentType = "application/grpc";
            await context.Response.Body.WriteAsync(new byte[5]);
            context.Response.AppendTrailer("grpc-status", "0");
        });
        await collector.StartAsync();
        return collector;
    }
}
