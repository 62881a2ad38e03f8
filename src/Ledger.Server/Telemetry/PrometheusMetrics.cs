using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace Ledger.Server.Telemetry;

/// <summary>Keeps what the product's instruments measure, and writes it in Prometheus' text format 0.0.4.</summary>
/// <remarks>
/// Names as OpenTelemetry maps them: dots become underscores, the unit and <c>_total</c> are added. Safe from any
/// thread.
/// </remarks>
internal sealed class PrometheusMetrics : IDisposable
{
    /// <summary>The content type of the text.</summary>
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly ConcurrentDictionary<string, MetricFamily> _families = new(StringComparer.Ordinal);
    private readonly MeterListener _listener = new();
    private readonly Lock _gate = new();

    /// <summary>Begins to listen.</summary>
    /// <param name="isWanted">Which meters, by name; those of the product and the platform's own when null.</param>
    public PrometheusMetrics(Func<string, bool>? isWanted = null)
    {
        isWanted ??= IsOurs;
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (isWanted(instrument.Meter.Name) && FamilyOf(instrument) is { } family)
            {
                listener.EnableMeasurementEvents(instrument, family);
            }
        };
        _listener.SetMeasurementEventCallback<byte>(Record);
        _listener.SetMeasurementEventCallback<short>(Record);
        _listener.SetMeasurementEventCallback<int>(Record);
        _listener.SetMeasurementEventCallback<long>(Record);
        _listener.SetMeasurementEventCallback<float>(Record);
        _listener.SetMeasurementEventCallback<double>(Record);
        _listener.SetMeasurementEventCallback<decimal>(Record);
        _listener.Start();
    }

    /// <summary>Everything that was measured, families ascending by name.</summary>
    public string Write()
    {
        // One at a time: what is observed is asked for anew each time.
        lock (_gate)
        {
            foreach (var family in _families.Values)
            {
                family.ForgetObserved();
            }

            _listener.RecordObservableInstruments();
            var text = new StringBuilder();
            foreach (var family in _families.Values.OrderBy(family => family.Name, StringComparer.Ordinal))
            {
                family.WriteTo(text);
            }

            return text.ToString();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _listener.Dispose();

    /// <summary>The name of an instrument in the text.</summary>
    internal static string NameOf(Instrument instrument)
    {
        var name = Sanitize(instrument.Name);
        var suffix = instrument.Unit switch
        {
            "s" => "_seconds",
            "ms" => "_milliseconds",
            "By" => "_bytes",
            "%" => "_percent",
            _ => "",
        };
        name = name.EndsWith(suffix, StringComparison.Ordinal) ? name : name + suffix;
        var isCounter = MetricFamily.KindOf(instrument) == MetricKind.Counter;
        return isCounter && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
    }

    /// <summary>Letters, digits and underscores, beginning with no digit.</summary>
    internal static string Sanitize(string name)
    {
        var text = new StringBuilder(name.Length);
        foreach (var letter in name)
        {
            text.Append(char.IsAsciiLetterOrDigit(letter) ? letter : '_');
        }

        return text.Length > 0 && char.IsAsciiDigit(text[0]) ? "_" + text : text.ToString();
    }

    private static bool IsOurs(string meter) =>
        meter.StartsWith("Ledger", StringComparison.Ordinal) || meter is "System.Runtime" or "Npgsql";

    private static void Record<T>(
        Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
        where T : struct, IConvertible =>
        ((MetricFamily)state!).Record(value.ToDouble(CultureInfo.InvariantCulture), tags);

    // Two instruments of one name are one family, unless they are of different kinds: then the first has the name.
    private MetricFamily? FamilyOf(Instrument instrument)
    {
        var family = _families.GetOrAdd(
            NameOf(instrument), static (name, one) => new MetricFamily(name, one), instrument);
        return family.Kind == MetricFamily.KindOf(instrument) ? family : null;
    }
}
