using System.Globalization;

namespace Ledger.EndToEnd.Memory;

/// <summary>What Linux says of a process's resident memory.</summary>
internal static class ProcessMemory
{
    /// <summary>Resident bytes now.</summary>
    public static long ResidentBytes(string process = "self") => Read(process, "VmRSS:");

    /// <summary>Most resident bytes since the process began, or since the peak was reset.</summary>
    public static long PeakBytes(string process = "self") => Read(process, "VmHWM:");

    /// <summary>Lets the peak of this process begin at what is resident now.</summary>
    public static void ResetPeak() => File.WriteAllText("/proc/self/clear_refs", "5");

    private static long Read(string process, string name)
    {
        var line = File.ReadLines($"/proc/{process}/status").First(line => line.StartsWith(name, StringComparison.Ordinal));
        return 1024 * long.Parse(line[name.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
    }
}
