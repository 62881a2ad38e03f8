using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net.Http.Json;
using Ledger.Server.Telemetry;
using Ledger.Tests.Server;
using Xunit;

namespace Ledger.Tests.Telemetry;

public sealed class HttpTelemetryTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    [Fact]
    public async Task An_HTTP_call_goes_on_with_its_callers_trace_into_the_store_and_names_no_stream()
    {
        var spans = new ConcurrentQueue<Activity>();
        using var listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name is HttpTelemetry.ScopeName or "Ledger.Streams",
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(listener);
        using var request = new HttpRequestMessage(HttpMethod.Post, "/v1/streams/secret-name/entries")
        {
            Content = JsonContent.Create(new { entries = new[] { new { payload = "aGk=" } } }),
        };
        request.Headers.Add("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        request.Headers.Add("x-api-key", DaemonFixture.SharedKey);
        request.Headers.Add("x-ledger-store", "traced");

        using var answer = await daemon.Http.SendAsync(request);

        answer.EnsureSuccessStatusCode();
        var call = spans.Single(span => span.ParentSpanId.ToHexString() == "b7ad6b7169203331");
        Assert.Equal(("ledger.http POST", 200), (call.OperationName, call.GetTagItem("http.response.status_code")));
        Assert.Contains(
            spans, span => span.OperationName == "ledger.streams append" && span.ParentSpanId == call.SpanId);
        Assert.DoesNotContain(spans, span => span.TagObjects.Any(
            tag => tag.Value?.ToString()?.Contains("secret-name", StringComparison.Ordinal) == true));
    }
}
