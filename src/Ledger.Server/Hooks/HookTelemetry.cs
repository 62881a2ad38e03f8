using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Globalization;

namespace Ledger.Server.Hooks;

/// <summary>Traces and metrics of hooks; the names are in docs/telemetry.md. A hook's name is a label.</summary>
internal static class HookTelemetry
{
    /// <summary>The name of the source and of the meter.</summary>
    public const string ScopeName = "Ledger.Hooks";

    private static readonly ActivitySource Source = new(ScopeName);
    private static readonly Meter Meter = new(ScopeName);

    private static readonly Counter<long> Requests = Meter.CreateCounter<long>(
        "ledger.hooks.requests", "{request}", "Requests to endpoints, by what their answer meant.");

    private static readonly Counter<long> Delivered = Meter.CreateCounter<long>(
        "ledger.hooks.delivered", "{entry}", "Entries that an endpoint took.");

    private static readonly Counter<long> Parked = Meter.CreateCounter<long>(
        "ledger.hooks.parked", "{entry}", "Entries that became dead letters.");

    private static readonly Histogram<double> Duration = Meter.CreateHistogram<double>(
        "ledger.hooks.request.duration", "s", "How long requests to endpoints took.");

    private static readonly Histogram<double> Delay = Meter.CreateHistogram<double>(
        "ledger.hooks.delay", "s", "From the append of an entry, by the store's clock, to when an endpoint took it.");

    /// <summary>Begins a request.</summary>
    public static Activity? Start(HookOptions hook, int count)
    {
        if (!Source.HasListeners())
        {
            return null;
        }

        var activity = Source.StartActivity("ledger.hooks deliver", ActivityKind.Client);
        activity?.SetTag("ledger.hook", hook.Name);
        activity?.SetTag("ledger.store", hook.Store);
        activity?.SetTag("ledger.entries", count);
        activity?.SetTag("server.address", hook.Url.Host);
        return activity;
    }

    /// <summary>Counts an answer.</summary>
    public static void Answered(
        HookOptions hook, HookAnswer answer, int count, TimeSpan duration, Activity? activity)
    {
        var outcome = new KeyValuePair<string, object?>("ledger.outcome", NameOf(answer.Outcome));
        var name = NameTag(hook);
        Requests.Add(1, name, outcome);
        Duration.Record(duration.TotalSeconds, name, outcome);
        if (answer.Outcome == HookOutcome.Delivered)
        {
            Delivered.Add(count, name);
        }

        if (answer.StatusCode is { } status)
        {
            activity?.SetTag("http.response.status_code", status.ToString(CultureInfo.InvariantCulture));
        }

        if (answer.Error is { } error)
        {
            activity?.SetStatus(ActivityStatusCode.Error, error);
        }
    }

    /// <summary>Notes how old an entry was when it was taken.</summary>
    public static void Taken(HookOptions hook, TimeSpan age) =>
        Delay.Record(Math.Max(0, age.TotalSeconds), NameTag(hook));

    /// <summary>Counts a dead letter.</summary>
    public static void Dead(HookOptions hook) => Parked.Add(1, NameTag(hook));

    /// <summary>Lets the hooks of a host be looked at.</summary>
    /// <returns>Disposed when there are no more of them.</returns>
    public static Meter Observe(Func<IReadOnlyList<HookStatus>> hooks)
    {
        var meter = new Meter(ScopeName);
        meter.CreateObservableGauge(
            "ledger.hooks.dead_letters", () => Of(hooks, status => (long)status.Parked), "{entry}",
            "Entries that are parked.");
        meter.CreateObservableGauge(
            "ledger.hooks.pending", () => Of(hooks, status => (long)status.Pending), "{entry}",
            "Entries that were read and are not delivered, at most 1,000.");
        meter.CreateObservableGauge(
            "ledger.hooks.lag", () => Of(hooks, status => status.Lag.TotalSeconds), "s",
            "The age of the oldest entry that is not delivered.");
        return meter;
    }

    private static IEnumerable<Measurement<T>> Of<T>(
        Func<IReadOnlyList<HookStatus>> hooks, Func<HookStatus, T> value)
        where T : struct =>
        hooks().Select(status => new Measurement<T>(value(status), NameTag(status.Hook)));

    private static KeyValuePair<string, object?> NameTag(HookOptions hook) => new("ledger.hook", hook.Name);

    private static string NameOf(HookOutcome outcome) => outcome switch
    {
        HookOutcome.Delivered => "delivered",
        HookOutcome.Away => "away",
        HookOutcome.Failed => "failed",
        _ => "refused",
    };
}
