using System.Diagnostics.Metrics;
using Ledger.Server.Telemetry;
using Xunit;

namespace Ledger.Tests.Telemetry;

public sealed class PrometheusMetricsTests
{
    [Fact]
    public void Instruments_are_written_with_their_types_units_and_labels()
    {
        using var meter = new Meter("Test.Prometheus.Types");
        using var metrics = new PrometheusMetrics(name => name == meter.Name);
        var counter = meter.CreateCounter<long>("a.count", "{thing}", "Counts \\ things\nwell.");
        var gauge = meter.CreateUpDownCounter<int>("b-level", "By");
        var seen = 7.5;
        var label = new KeyValuePair<string, object?>("x", "1");
        meter.CreateObservableGauge("c.seen", () => new Measurement<double>(seen, label), "s");
        var time = meter.CreateHistogram<double>("d.time", "s");

        counter.Add(2, new("b.b", "q\"\\\nz"), new("a", 1));
        counter.Add(3, new("a", 1), new("b.b", "q\"\\\nz"));
        counter.Add(1);
        gauge.Add(5);
        gauge.Add(-2);
        time.Record(0.004);
        time.Record(100);
        metrics.Write();
        seen = 8;

        Assert.Equal(
            """
            # HELP a_count_total Counts \\ things\nwell.
            # TYPE a_count_total counter
            a_count_total 1
            a_count_total{a="1",b_b="q\"\\\nz"} 5
            # TYPE b_level_bytes gauge
            b_level_bytes 3
            # TYPE c_seen_seconds gauge
            c_seen_seconds{x="1"} 8
            # TYPE d_time_seconds histogram
            d_time_seconds_bucket{le="0.0005"} 0
            d_time_seconds_bucket{le="0.001"} 0
            d_time_seconds_bucket{le="0.0025"} 0
            d_time_seconds_bucket{le="0.005"} 1
            d_time_seconds_bucket{le="0.01"} 1
            d_time_seconds_bucket{le="0.025"} 1
            d_time_seconds_bucket{le="0.05"} 1
            d_time_seconds_bucket{le="0.1"} 1
            d_time_seconds_bucket{le="0.25"} 1
            d_time_seconds_bucket{le="0.5"} 1
            d_time_seconds_bucket{le="1"} 1
            d_time_seconds_bucket{le="2.5"} 1
            d_time_seconds_bucket{le="5"} 1
            d_time_seconds_bucket{le="10"} 1
            d_time_seconds_bucket{le="+Inf"} 2
            d_time_seconds_sum 100.004
            d_time_seconds_count 2

            """,
            metrics.Write());
    }

    [Fact]
    public void What_is_no_longer_observed_is_no_longer_written()
    {
        using var meter = new Meter("Test.Prometheus.Observed");
        using var metrics = new PrometheusMetrics(name => name == meter.Name);
        var names = new List<string> { "one", "two" };
        meter.CreateObservableCounter(
            "e", () => names.Select(name => new Measurement<long>(4, new KeyValuePair<string, object?>("n", name))));

        Assert.Contains("e_total{n=\"two\"} 4\n", metrics.Write(), StringComparison.Ordinal);
        names.Remove("two");

        Assert.DoesNotContain("two", metrics.Write(), StringComparison.Ordinal);
        Assert.Contains("e_total{n=\"one\"} 4\n", metrics.Write(), StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_without_bound_take_no_memory_without_bound()
    {
        using var meter = new Meter("Test.Prometheus.Bound");
        using var metrics = new PrometheusMetrics(name => name == meter.Name);
        var counter = meter.CreateCounter<long>("f");

        for (var n = 0; n < MetricFamily.SeriesMax + 500; n++)
        {
            counter.Add(1, new KeyValuePair<string, object?>("n", n));
        }

        var lines = metrics.Write().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(MetricFamily.SeriesMax + 2, lines.Length);
        Assert.Contains("f_total{otel_metric_overflow=\"true\"} 500", lines);
    }
}
