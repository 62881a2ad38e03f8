using System.Diagnostics.Metrics;
using Ledger.Server.Configuration;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace Ledger.Server.Telemetry;

/// <summary>Sends the product's traces and metrics over OTLP; the names are in docs/telemetry.md.</summary>
/// <remarks>One for a process: while it is there, everything of that name in the process is sent.</remarks>
internal sealed class TelemetryExport : IDisposable
{
    /// <summary>The sources and meters that are sent; the driver's and the platform's beside our own.</summary>
    public static readonly IReadOnlyList<string> ScopeNames = ["Ledger.*", "Npgsql"];

    // Half a millisecond to ten seconds: what a store, a request and an endpoint take.
    private static readonly double[] SecondsBounds =
        [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

    private const int FlushMaxMs = 5_000;

    private readonly TracerProvider _traces;
    private readonly MeterProvider _metrics;

    private TelemetryExport(TracerProvider traces, MeterProvider metrics) => (_traces, _metrics) = (traces, metrics);

    /// <summary>Bounds of the buckets of durations, in seconds, ascending.</summary>
    public static IReadOnlyList<double> DurationBounds => SecondsBounds;

    /// <summary>Begins to send; null when the options name no endpoint.</summary>
    /// <param name="options">Where to and how.</param>
    /// <param name="version">The product's version.</param>
    /// <param name="instance">Tells several daemons of one name apart.</param>
    public static TelemetryExport? Start(TelemetryOptions options, string version, string instance)
    {
        ArgumentNullException.ThrowIfNull(options);
        if (options.Endpoint is null)
        {
            return null;
        }

        var resource = ResourceBuilder.CreateEmpty().AddService(
            options.Service, serviceVersion: version, autoGenerateServiceInstanceId: false,
            serviceInstanceId: instance);
        var traces = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(resource)
            .SetSampler(new ParentBasedSampler(new TraceIdRatioBasedSampler(options.Traces)))
            .AddSource([.. ScopeNames])
            .AddOtlpExporter(exporter => Configure(exporter, options, "v1/traces"))
            .Build();
        var metrics = Sdk.CreateMeterProviderBuilder()
            .SetResourceBuilder(resource)
            .AddMeter([.. ScopeNames])
            .AddView(ViewOf)
            .AddOtlpExporter((exporter, reader) =>
            {
                Configure(exporter, options, "v1/metrics");
                reader.PeriodicExportingMetricReaderOptions.ExportIntervalMilliseconds =
                    (int)options.Interval.TotalMilliseconds;
            })
            .Build();
        return new TelemetryExport(traces, metrics);
    }

    /// <summary>Sends what is there now, within seconds.</summary>
    /// <returns>False when the endpoint did not take all of it.</returns>
    public bool Flush() => _traces.ForceFlush(FlushMaxMs) & _metrics.ForceFlush(FlushMaxMs);

    /// <summary>Sends what is there, within seconds, and ends.</summary>
    public void Dispose()
    {
        // Beside each other: an endpoint that is away is waited for once.
        Parallel.Invoke(() => _traces.Shutdown(FlushMaxMs), () => _metrics.Shutdown(FlushMaxMs));
        _traces.Dispose();
        _metrics.Dispose();
    }

    private static ExplicitBucketHistogramConfiguration? ViewOf(Instrument instrument) => instrument.Unit == "s"
        ? new ExplicitBucketHistogramConfiguration { Boundaries = [.. SecondsBounds] } : null;

    private static void Configure(OtlpExporterOptions exporter, TelemetryOptions options, string path)
    {
        var endpoint = options.Endpoint!.AbsoluteUri;
        exporter.Protocol = options.IsHttp ? OtlpExportProtocol.HttpProtobuf : OtlpExportProtocol.Grpc;
        exporter.Endpoint = options.IsHttp ? new Uri($"{endpoint.TrimEnd('/')}/{path}") : options.Endpoint;

        // The exporter's own setting for headers is one text, in which a value with a comma cannot be written.
        exporter.HttpClientFactory = () =>
        {
            var client = new HttpClient { Timeout = TimeSpan.FromMilliseconds(exporter.TimeoutMilliseconds) };
            foreach (var (name, value) in options.Headers)
            {
                client.DefaultRequestHeaders.TryAddWithoutValidation(name, value);
            }

            return client;
        };
    }
}
