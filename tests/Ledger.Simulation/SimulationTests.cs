using System.Diagnostics;
using Xunit;
using Xunit.Abstractions;

namespace Ledger.Simulation;

/// <summary>The simulator runs as a process of its own, so that its thread pool is its own too.</summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    private static readonly bool IsNightly = Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1";

    [Fact]
    public void Every_seed_keeps_every_promise()
    {
        var (seeds, operations) = IsNightly ? ("20000", "2000") : ("500", "2000");

        var (exitCode, text) = Simulate("--seeds", seeds, "--ops", operations);

        output.WriteLine(text);
        Assert.True(exitCode == 0, text);
    }

    /// <summary>
    /// A simulator that finds nothing proves nothing. In one process: most of a short one is compiling.
    /// </summary>
    [Fact]
    public void Planted_faults_are_found()
    {
        var (exitCode, text) = Simulate(
            "--bugs", "--seeds", "12", "--ops", "600", "--bug", "SkipFlush,SyncReuseNonce,SyncEntryBeforeBlobs");

        Assert.True(exitCode == 0 && text.Contains("3 of 3 found", StringComparison.Ordinal), text);
    }

    private static (int ExitCode, string Text) Simulate(params string[] arguments)
    {
        var start = new ProcessStartInfo("dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = AppContext.BaseDirectory,
        };
        // Most of what a run allocates lives for a step or two: it is to be collected seldom.
        start.Environment["DOTNET_GCgen0size"] = "0x4000000";
        start.ArgumentList.Add("exec");
        start.ArgumentList.Add(typeof(SimulationTests).Assembly.Location);
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using var process = Process.Start(start)!;
        var errors = process.StandardError.ReadToEndAsync();
        var text = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, text + errors.GetAwaiter().GetResult());
    }
}
