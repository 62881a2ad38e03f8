namespace Ledger.Benchmarks.Measuring;

/// <summary>A median and the interval that bootstrap gives it.</summary>
/// <param name="Median">The median.</param>
/// <param name="Low">2.5 % of the resampled medians are below.</param>
/// <param name="High">2.5 % are above.</param>
internal readonly record struct Interval(double Median, double Low, double High);

/// <summary>The little statistics that the measuring rules ask for.</summary>
internal static class Statistics
{
    private const int Resamples = 2000;

    /// <summary>The middle value, or the mean of the two middle ones.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0 ? double.NaN
            : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>The smallest value that a share of all values does not exceed.</summary>
    public static double Percentile(IReadOnlyCollection<double> values, double share)
    {
        double[] sorted = [.. values.Order()];
        return sorted.Length == 0
            ? double.NaN
            : sorted[Math.Clamp((int)Math.Ceiling(share * sorted.Length) - 1, 0, sorted.Length - 1)];
    }

    /// <summary>
    /// The median with a 95 % interval from seeded resampling; of up to five values that is lowest to highest.
    /// </summary>
    public static Interval Bootstrap(IReadOnlyList<double> values)
    {
        var random = new Random(1);
        double[] medians =
        [
            .. Enumerable.Range(0, Resamples)
                .Select(_ => Median(Enumerable.Range(0, values.Count).Select(_ => values[random.Next(values.Count)]))),
        ];
        return new Interval(Median(values), Percentile(medians, 0.025), Percentile(medians, 0.975));
    }

    /// <summary>The slope of a straight line through log y over log x: the exponent of growth.</summary>
    public static double LogLogSlope(IReadOnlyList<(double X, double Y)> points)
    {
        var meanX = points.Average(point => Math.Log(point.X));
        var meanY = points.Average(point => Math.Log(point.Y));
        return points.Sum(point => (Math.Log(point.X) - meanX) * (Math.Log(point.Y) - meanY)) /
            points.Sum(point => Math.Pow(Math.Log(point.X) - meanX, 2));
    }
}
