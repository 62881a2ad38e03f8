using System.Diagnostics;
using Ledger.Rpc.Protocol;
using Microsoft.AspNetCore.Http;

namespace Ledger.Server.Telemetry;

/// <summary>Spans of HTTP/JSON calls; without their targets, in which streams are named.</summary>
internal static class HttpTelemetry
{
    /// <summary>The name of the source.</summary>
    public const string ScopeName = "Ledger.Server";

    private static readonly ActivitySource Source = new(ScopeName);

    /// <summary>Answers a call within a span that is a child of the caller's.</summary>
    public static async Task TraceAsync(HttpContext context, Func<Task> answer)
    {
        if (!Source.HasListeners())
        {
            await answer();
            return;
        }

        // The platform may have a span of its own here, which nobody gets to see.
        Activity.Current = null;
        var headers = context.Request.Headers;
        using var span = Source.StartActivity(
            "ledger.http " + VerbOf(context.Request.Method), ActivityKind.Server,
            RpcTelemetry.ContextOf(headers["traceparent"], headers["tracestate"]));
        await answer();
        span?.SetTag("http.response.status_code", context.Response.StatusCode);
        if (context.Response.StatusCode >= StatusCodes.Status500InternalServerError)
        {
            span?.SetStatus(ActivityStatusCode.Error);
        }
    }

    // A caller may send any word; what is not known is told as one.
    private static string VerbOf(string method) =>
        method is "GET" or "POST" or "PUT" or "PATCH" or "DELETE" ? method : "other";
}
