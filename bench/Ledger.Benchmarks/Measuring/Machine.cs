using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Ledger.Benchmarks.Measuring;

/// <summary>What a result must say of where it was measured; no names of hosts or paths.</summary>
internal static class Machine
{
    /// <summary>Processor, cores, memory, kernel, runtime.</summary>
    public static string Describe()
    {
        var memoryGiB = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (double)(1L << 30);
        return $"{ProcessorModel()}, {Environment.ProcessorCount} cores, {memoryGiB:N0} GiB of memory, " +
            $"{Kernel()}, {RuntimeInformation.FrameworkDescription}";
    }

    /// <summary>The commit of the working tree that the program runs in, and whether files differ from it.</summary>
    public static async Task<string> CommitAsync()
    {
        var commit = await GitAsync("rev-parse", "--short=12", "HEAD");
        if (commit is null)
        {
            return "not known (git or the repository is not here)";
        }

        var isChanged = await GitAsync("status", "--porcelain", "--untracked-files=no", "--", "src", "bench/*.cs");
        return string.IsNullOrEmpty(isChanged) ? commit : $"{commit} with changes that are not committed";
    }

    /// <summary>Runs git in the program's directory.</summary>
    /// <returns>What it said, or null when it failed or is not here.</returns>
    public static async Task<string?> GitAsync(params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("git")
        {
            WorkingDirectory = await RootOrNullAsync() ?? AppContext.BaseDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        return await RunAsync(start, arguments);
    }

    private static Task<string?> RootOrNullAsync() => RunAsync(
        new ProcessStartInfo("git")
        {
            WorkingDirectory = AppContext.BaseDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        },
        ["rev-parse", "--show-toplevel"]);

    private static async Task<string?> RunAsync(ProcessStartInfo start, IEnumerable<string> arguments)
    {
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using var process = Process.Start(start)!;
            var error = process.StandardError.ReadToEndAsync();
            var output = await process.StandardOutput.ReadToEndAsync();
            await error;
            await process.WaitForExitAsync();
            return process.ExitCode == 0 ? output.Trim() : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }

    private static string ProcessorModel()
    {
        const string CpuInfo = "/proc/cpuinfo";
        var line = File.Exists(CpuInfo)
            ? File.ReadLines(CpuInfo).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))
            : null;
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
            ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    private static string Kernel()
    {
        const string Release = "/proc/sys/kernel/osrelease";
        return File.Exists(Release)
            ? $"Linux {File.ReadAllText(Release).Trim()}"
            : RuntimeInformation.OSDescription;
    }
}
