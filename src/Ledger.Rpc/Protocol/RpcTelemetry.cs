using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Ledger.Rpc.Protocol;

/// <summary>Traces and metrics of calls, on both sides; the names are in docs/telemetry.md.</summary>
internal static class RpcTelemetry
{
    /// <summary>The name of the source and of the meter.</summary>
    public const string ScopeName = "Ledger.Rpc";

    private static readonly ActivitySource Source = new(ScopeName);
    private static readonly Meter Meter = new(ScopeName);

    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>(
        "ledger.rpc.call.duration", "s", "How long calls took, from their first byte to their status.");

    /// <summary>The headers that carry a trace, none when nobody traces.</summary>
    /// <param name="activity">The span whose child the other side's is; null for the caller's own.</param>
    public static IEnumerable<KeyValuePair<string, string>> HeadersOf(Activity? activity)
    {
        activity ??= Activity.Current;
        if (activity is not { IdFormat: ActivityIdFormat.W3C, Id: { } id })
        {
            yield break;
        }

        yield return new("traceparent", id);
        if (activity.TraceStateString is { Length: > 0 } state)
        {
            yield return new("tracestate", state);
        }
    }

    /// <summary>Where a caller's trace is; the default when it sent none, or one that cannot be read.</summary>
    public static ActivityContext ContextOf(string? traceparent, string? tracestate) =>
        ActivityContext.TryParse(traceparent, tracestate, isRemote: true, out var context) ? context : default;

    /// <summary>Begins a call, on the side that makes it; what the caller does next is not part of it.</summary>
    public static Activity? StartClient(string path)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        var current = Activity.Current;
        var activity = Describe(Source.StartActivity(NameOf(path), ActivityKind.Client), path);
        Activity.Current = current;
        return activity;
    }

    /// <summary>Begins a call, on the side that answers it; what is done from here on is part of it.</summary>
    /// <param name="path">The method's; null when there is no such method, of which nothing is told.</param>
    /// <param name="parent">The caller's span.</param>
    public static Activity? StartServer(string? path, ActivityContext parent)
    {
        if (path is null || !Source.HasListeners())
        {
            return null;
        }

        // The platform may have a span of its own here, which nobody gets to see.
        Activity.Current = null;
        return Describe(Source.StartActivity(NameOf(path), ActivityKind.Server, parent), path);
    }

    /// <summary>A clock reading for <see cref="End"/>.</summary>
    public static long Now() => TimeProvider.System.GetTimestamp();

    /// <summary>Ends a call.</summary>
    /// <param name="path">The method's; null for none that there is.</param>
    /// <param name="side"><c>client</c> or <c>server</c>.</param>
    /// <param name="code">How it ended; null for well.</param>
    /// <param name="startedAt">When it began.</param>
    /// <param name="activity">Its span, which ends.</param>
    public static void End(string? path, string side, RpcCode? code, long startedAt, Activity? activity)
    {
        if (Duration.Enabled)
        {
            Duration.Record(
                TimeProvider.System.GetElapsedTime(startedAt).TotalSeconds,
                new("ledger.side", side),
                new("rpc.method", path is null ? "unknown" : NameOf(path)),
                new("rpc.grpc.status_code", (int?)code ?? 0));
        }

        if (activity is not null)
        {
            activity.SetTag("rpc.grpc.status_code", (int?)code ?? 0);
            if (code is { } failed)
            {
                activity.SetStatus(ActivityStatusCode.Error, failed.ToString());
            }

            activity.Dispose();
        }
    }

    private static string NameOf(string path) => path.TrimStart('/');

    private static Activity? Describe(Activity? activity, string path)
    {
        var slash = path.LastIndexOf('/');
        activity?.SetTag("rpc.system", "grpc");
        activity?.SetTag("rpc.service", path[..Math.Max(slash, 0)].TrimStart('/'));
        activity?.SetTag("rpc.method", path[(slash + 1)..]);
        return activity;
    }
}
