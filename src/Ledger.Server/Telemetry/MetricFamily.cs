using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Ledger.Server.Telemetry;

/// <summary>How a metric grows.</summary>
internal enum MetricKind
{
    /// <summary>Only up.</summary>
    Counter,

    /// <summary>Up and down.</summary>
    Gauge,

    /// <summary>A distribution.</summary>
    Histogram,
}

/// <summary>One metric: a value for each set of labels.</summary>
internal sealed class MetricFamily
{
    /// <summary>Sets of labels at most; what is beyond goes under one set of its own.</summary>
    public const int SeriesMax = 1_000;

    private const string Overflow = "otel_metric_overflow=\"true\"";

    private readonly ConcurrentDictionary<string, Series> _series = new(StringComparer.Ordinal);
    private readonly string? _help;
    private readonly bool _isObserved;
    private readonly bool _isSum;
    private readonly double[] _bounds;

    /// <summary>Makes the family of an instrument.</summary>
    public MetricFamily(string name, Instrument instrument)
    {
        (Name, Kind, _help, _isObserved) = (name, KindOf(instrument), instrument.Description, instrument.IsObservable);
        _isSum = !_isObserved && !instrument.GetType().Name.StartsWith("Gauge", StringComparison.Ordinal);
        _bounds = instrument.Unit == "s"
            ? [.. TelemetryExport.DurationBounds] : [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];
    }

    /// <summary>The name in the text.</summary>
    public string Name { get; }

    /// <summary>The type in the text.</summary>
    public MetricKind Kind { get; }

    /// <summary>The kind of an instrument.</summary>
    public static MetricKind KindOf(Instrument instrument)
    {
        var type = instrument.GetType().Name;
        return type.StartsWith("Histogram", StringComparison.Ordinal) ? MetricKind.Histogram
            : type.StartsWith("Counter", StringComparison.Ordinal)
                || type.StartsWith("ObservableCounter", StringComparison.Ordinal) ? MetricKind.Counter
            : MetricKind.Gauge;
    }

    /// <summary>Adds a measurement.</summary>
    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = LabelsOf(tags);
        if (!_series.TryGetValue(labels, out var series))
        {
            series = _series.GetOrAdd(
                _series.Count < SeriesMax ? labels : Overflow, static (_, count) => new Series(count), _bounds.Length);
        }

        lock (series)
        {
            series.Count++;
            series.Value = _isSum ? series.Value + value : value;
            if (Kind == MetricKind.Histogram)
            {
                var bucket = Array.FindIndex(_bounds, bound => value <= bound);
                series.Buckets[bucket < 0 ? _bounds.Length : bucket]++;
            }
        }
    }

    /// <summary>Forgets what is asked for anew.</summary>
    public void ForgetObserved()
    {
        if (_isObserved)
        {
            _series.Clear();
        }
    }

    /// <summary>Writes the family; nothing when nothing was measured.</summary>
    public void WriteTo(StringBuilder text)
    {
        if (_series.IsEmpty)
        {
            return;
        }

        if (!string.IsNullOrEmpty(_help))
        {
            text.Append("# HELP ").Append(Name).Append(' ').Append(EscapeHelp(_help)).Append('\n');
        }

        text.Append("# TYPE ").Append(Name).Append(' ').Append(Kind switch
        {
            MetricKind.Counter => "counter",
            MetricKind.Histogram => "histogram",
            _ => "gauge",
        }).Append('\n');
        foreach (var (labels, series) in _series.OrderBy(pair => pair.Key, StringComparer.Ordinal))
        {
            lock (series)
            {
                Write(text, labels, series);
            }
        }
    }

    private void Write(StringBuilder text, string labels, Series series)
    {
        if (Kind != MetricKind.Histogram)
        {
            Line(text, "", labels, Number(series.Value));
            return;
        }

        var sum = 0L;
        for (var i = 0; i <= _bounds.Length; i++)
        {
            sum += series.Buckets[i];
            var bound = i < _bounds.Length ? Number(_bounds[i]) : "+Inf";
            var all = labels.Length == 0 ? $"le=\"{bound}\"" : $"{labels},le=\"{bound}\"";
            Line(text, "_bucket", all, sum.ToString(CultureInfo.InvariantCulture));
        }

        Line(text, "_sum", labels, Number(series.Value));
        Line(text, "_count", labels, series.Count.ToString(CultureInfo.InvariantCulture));
    }

    private void Line(StringBuilder text, string suffix, string labels, string value)
    {
        text.Append(Name).Append(suffix);
        if (labels.Length > 0)
        {
            text.Append('{').Append(labels).Append('}');
        }

        text.Append(' ').Append(value).Append('\n');
    }

    private static string LabelsOf(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.Length == 0)
        {
            return "";
        }

        // A label is given once; of two that are written alike the last counts.
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in tags)
        {
            labels[PrometheusMetrics.Sanitize(name)] =
                Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        }

        return string.Join(',', labels.Select(label => $"{label.Key}=\"{EscapeValue(label.Value)}\""));
    }

    private static string EscapeValue(string value) =>
        EscapeHelp(value).Replace("\"", "\\\"", StringComparison.Ordinal);

    private static string EscapeHelp(string text) => text
        .Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    private static string Number(double value) =>
        double.IsPositiveInfinity(value) ? "+Inf" : double.IsNegativeInfinity(value) ? "-Inf"
        : value.ToString("R", CultureInfo.InvariantCulture);

    private sealed class Series(int bounds)
    {
        public long Count { get; set; }

        public double Value { get; set; }

        public long[] Buckets { get; } = new long[bounds + 1];
    }
}
