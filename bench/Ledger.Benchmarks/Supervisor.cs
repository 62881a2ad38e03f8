using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using Ledger.Benchmarks.Experiments;

namespace Ledger.Benchmarks;

/// <summary>Runs experiments as child processes in a directory that is removed at the end, also at Ctrl-C.</summary>
internal static class Supervisor
{
    private const int Interrupted = 130;

    /// <summary>Runs the experiments one after the other.</summary>
    /// <returns>0 when all ran to their end.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<Experiment> experiments, Settings settings)
    {
        var root = Path.Combine(
            Path.GetFullPath(settings.Directory),
            string.Create(CultureInfo.InvariantCulture, $"ledger-benchmarks-{Environment.ProcessId}"));
        Directory.CreateDirectory(root);
        Process? running = null;
        var isInterrupted = false;
        void Interrupt(PosixSignalContext context)
        {
            // The loop below ends, and removes the directory as ever.
            context.Cancel = true;
            isInterrupted = true;
            Kill(running);
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        var failed = new List<string>();
        try
        {
            // A process for each costs a start and a compilation, which only a smoke test wants to save.
            IReadOnlyList<string> modes = settings.Scale == Scale.Smoke
                ? [settings.Mode]
                : [.. experiments.Select(experiment => experiment.Name)];
            foreach (var mode in modes)
            {
                var scratch = Path.Combine(root, mode);
                string[] own = ["experiment", scratch];
                using (running = Start([.. own, .. (settings with { Mode = mode }).ToArguments()]))
                {
                    await running.WaitForExitAsync();
                    if (running.ExitCode != 0)
                    {
                        failed.Add($"{mode} (exit code {running.ExitCode})");
                    }
                }

                running = null;
                Remove(scratch);
                if (isInterrupted)
                {
                    return Interrupted;
                }
            }
        }
        finally
        {
            Remove(root);
        }

        if (failed.Count > 0)
        {
            await Console.Error.WriteLineAsync($"Not run to their end: {string.Join(", ", failed)}.");
        }

        return failed.Count == 0 ? 0 : 1;
    }

    /// <summary>Runs experiments in this process and writes their results.</summary>
    public static async Task<int> RunExperimentAsync(Settings settings, string scratch)
    {
        foreach (var experiment in Experiment.Named(settings.Mode))
        {
            var started = Stopwatch.GetTimestamp();
            Console.WriteLine($"== {experiment.Name}: {experiment.Title}");
            var directory = Path.Combine(scratch, experiment.Name);
            Directory.CreateDirectory(directory);
            var context = new Context(settings, directory);
            await experiment.RunAsync(context);
            context.Report.Say($"It took {Stopwatch.GetElapsedTime(started).TotalSeconds:N0} s.");
            var path = await context.Report.WriteAsync(
                settings.Out, experiment.Name, experiment.Title, experiment.Meaning,
                (settings with { Mode = experiment.Name }).Command);
            Console.WriteLine($"  {Path.GetFileName(path)} is written.");
            Console.WriteLine($"== {experiment.Name}: {Stopwatch.GetElapsedTime(started).TotalSeconds:N0} s");
        }

        return 0;
    }

    /// <summary>Starts this program again.</summary>
    public static Process Start(
        IReadOnlyList<string> arguments, bool redirect = false, params (string Name, string Value)[] variables)
    {
        var host = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
            ? Environment.ProcessPath!
            : "dotnet";
        var start = new ProcessStartInfo(host) { RedirectStandardOutput = redirect };
        start.ArgumentList.Add(typeof(Supervisor).Assembly.Location);
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        foreach (var (name, value) in variables)
        {
            start.Environment[name] = value;
        }

        return Process.Start(start) ?? throw new InvalidOperationException("The child process did not start.");
    }

    private static void Kill(Process? process)
    {
        try
        {
            process?.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It ended by itself meanwhile.
        }
    }

    private static void Remove(string directory)
    {
        if (Directory.Exists(directory))
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
