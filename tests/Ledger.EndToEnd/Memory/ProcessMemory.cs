using System.Globalization;

namespace Ledger.EndToEnd.Memory;

/// <summary>What Linux says of this process's resident memory.</summary>
internal static class ProcessMemory
{
    /// <summary>Resident bytes now.</summary>
    public static long ResidentBytes() => Read("VmRSS:");

    /// <summary>Most resident bytes since the process began, or since the peak was reset.</summary>
    public static long PeakBytes() => Read("VmHWM:");

    /// <summary>Lets the peak of this process begin at what is resident now.</summary>
    public static void ResetPeak() => File.WriteAllText("/proc/self/clear_refs", "5");

    private static long Read(string name)
    {
        // "VmRSS:     12345 kB"
        var line = File.ReadLines("/proc/self/status")
            .First(line => line.StartsWith(name, StringComparison.Ordinal));
        return 1024 * long.Parse(line[name.Length..^2].Trim(), CultureInfo.InvariantCulture);
    }
}
