using System.Globalization;
using System.Text.RegularExpressions;

namespace Ledger.Server.Configuration;

/// <summary>Lengths of time as the original writes them: <c>5s</c>, <c>1m30s</c>, <c>250ms</c>, <c>1.5h</c>.</summary>
internal static partial class DurationText
{
    /// <summary>Reads one; <c>0</c> needs no unit.</summary>
    /// <returns>False when it is none, or longer than a century.</returns>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (text == "0")
        {
            return true;
        }

        if (!Form().IsMatch(text))
        {
            return false;
        }

        var seconds = 0m;
        foreach (Match part in Part().Matches(text))
        {
            if (!decimal.TryParse(
                part.Groups[1].ValueSpan, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var count)
                || count > 3_200_000_000_000m)
            {
                return false;
            }

            seconds += count * part.Groups[2].Value switch
            {
                "h" => 3600m,
                "m" => 60m,
                "s" => 1m,
                "ms" => 0.001m,
                _ => 0.000001m,
            };
        }

        if (seconds > 3_200_000_000m)
        {
            return false;
        }

        duration = TimeSpan.FromTicks((long)(seconds * TimeSpan.TicksPerSecond));
        return true;
    }

    [GeneratedRegex(@"\A(?:[0-9]{1,15}(?:\.[0-9]{1,9})?(?:h|ms|us|m|s))+\z", RegexOptions.CultureInvariant)]
    private static partial Regex Form();

    [GeneratedRegex(@"([0-9]+(?:\.[0-9]+)?)(h|ms|us|m|s)", RegexOptions.CultureInvariant)]
    private static partial Regex Part();
}
