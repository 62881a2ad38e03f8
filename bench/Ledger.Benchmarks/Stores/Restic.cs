using System.Diagnostics;
using Ledger.Benchmarks.Measuring;

namespace Ledger.Benchmarks.Stores;

/// <summary>restic as a process, with a repository in a directory.</summary>
internal static class Restic
{
    /// <summary>Whether restic is here; says so when it is not.</summary>
    public static async Task<bool> IsPresentAsync(Context context)
    {
        if (!context.Settings.WithPeers)
        {
            return false;
        }

        try
        {
            using var process = Start(["version"]);
            await process.StandardOutput.ReadToEndAsync();
            await process.WaitForExitAsync();
            return process.ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            Console.WriteLine("restic is left out: it is not here; it is in the Debian package restic.");
            return false;
        }
    }

    /// <summary>Makes a repository.</summary>
    public static async Task<string> CreateAsync(Context context)
    {
        var repository = context.NewDirectory("restic");
        await RunAsync("init", "-q", "-r", repository);
        return repository;
    }

    /// <summary>Backs a file up.</summary>
    public static Task BackUpAsync(string repository, string path) => RunAsync(
        "backup", "-q", "--no-cache", "--compression", "off", "-r", repository, path);

    /// <summary>Backs a file up into a new repository, and measures that.</summary>
    /// <param name="context">Where.</param>
    /// <param name="path">The file; null for an empty one.</param>
    /// <param name="size">Its bytes.</param>
    /// <param name="meter">Measures.</param>
    public static async Task BackUpAsync(Context context, string? path, long size, Meter meter)
    {
        var repository = await CreateAsync(context);
        var empty = context.NewDirectory("empty");
        await File.WriteAllBytesAsync(empty, []);
        var before = DirectorySize.Bytes(repository);
        await meter.MeasureAsync(size, () => BackUpAsync(repository, path ?? empty));
        meter.Record("stored bytes", DirectorySize.Bytes(repository) - before);
        Directory.Delete(repository, recursive: true);
    }

    private static Process Start(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("restic") { RedirectStandardOutput = true };
        start.Environment["RESTIC_PASSWORD"] = "benchmark";
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        return Process.Start(start) ?? throw new InvalidOperationException("restic did not start.");
    }

    private static async Task RunAsync(params IReadOnlyList<string> arguments)
    {
        using var process = Start(arguments);
        await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
        {
            throw new InvalidOperationException($"restic {arguments[0]} ended with {process.ExitCode}.");
        }
    }
}
