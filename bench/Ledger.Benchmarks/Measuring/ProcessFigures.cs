using System.Globalization;

namespace Ledger.Benchmarks.Measuring;

/// <summary>What Linux says of this process; zeros where there is no /proc.</summary>
internal static class ProcessFigures
{
    /// <summary>Bytes that this process had written to storage (write_bytes).</summary>
    public static long WriteBytes => Field("/proc/self/io", "write_bytes:");

    /// <summary>Bytes that this process read by system calls (rchar).</summary>
    public static long ReadCharacters => Field("/proc/self/io", "rchar:");

    /// <summary>Resident bytes.</summary>
    public static long ResidentBytes => Field("/proc/self/status", "VmRSS:") * 1024;

    /// <summary>Most resident bytes since the start, or since <see cref="ResetPeak"/>.</summary>
    public static long PeakResidentBytes => Field("/proc/self/status", "VmHWM:") * 1024;

    /// <summary>Lets the peak begin anew.</summary>
    public static void ResetPeak()
    {
        if (File.Exists("/proc/self/clear_refs"))
        {
            try
            {
                File.WriteAllText("/proc/self/clear_refs", "5");
            }
            catch (UnauthorizedAccessException)
            {
                // The peak then includes what came before, which only makes it larger.
            }
        }
    }

    private static long Field(string path, string name)
    {
        if (!File.Exists(path))
        {
            return 0;
        }

        var line = File.ReadLines(path).FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal));
        return line is null
            ? 0
            : long.Parse(
                line.Split([' ', '\t'], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
    }
}
