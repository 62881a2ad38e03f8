using System.Globalization;

namespace Ledger.Rpc.Protocol;

/// <summary>The text of a <c>grpc-timeout</c> header: at most eight digits and a unit.</summary>
internal static class GrpcTimeout
{
    private const int DigitsMax = 8;
    private const long ValueMax = 99_999_999;

    /// <summary>The shortest text that is not less than the time.</summary>
    public static string Format(TimeSpan timeout)
    {
        (long Ticks, char Unit)[] units =
        [
            (TimeSpan.TicksPerMicrosecond, 'u'), (TimeSpan.TicksPerMillisecond, 'm'), (TimeSpan.TicksPerSecond, 'S'),
            (TimeSpan.TicksPerMinute, 'M'), (TimeSpan.TicksPerHour, 'H'),
        ];
        var ticks = Math.Max(1, timeout.Ticks);
        foreach (var (each, unit) in units)
        {
            var value = (ticks - 1) / each + 1;
            if (value <= ValueMax)
            {
                return string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
            }
        }

        return string.Create(CultureInfo.InvariantCulture, $"{ValueMax}H");
    }

    /// <summary>Reads such a text; false for anything else.</summary>
    public static bool TryParse(string text, out TimeSpan timeout)
    {
        timeout = default;
        if (text.Length is < 2 or > DigitsMax + 1
            || !long.TryParse(text.AsSpan()[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out var value))
        {
            return false;
        }

        var ticks = text[^1] switch
        {
            'H' => TimeSpan.TicksPerHour,
            'M' => TimeSpan.TicksPerMinute,
            'S' => TimeSpan.TicksPerSecond,
            'm' => TimeSpan.TicksPerMillisecond,
            'u' => TimeSpan.TicksPerMicrosecond,
            'n' => -100,
            _ => 0,
        };
        timeout = ticks switch
        {
            < 0 => TimeSpan.FromTicks((value + 99) / 100),
            _ => TimeSpan.FromTicks((long)Math.Min((decimal)value * ticks, TimeSpan.MaxValue.Ticks)),
        };
        return ticks != 0;
    }
}
