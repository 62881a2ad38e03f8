using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Ledger.Benchmarks.Measuring;
using Ledger.Benchmarks.Stores;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;
using Ledger.Server.Hooks;
using Microsoft.Extensions.Logging.Abstractions;

namespace Ledger.Benchmarks;

/// <summary>What a child process measured of an opening; times count from its first line of code.</summary>
/// <param name="OpenMs">Until the store was open.</param>
/// <param name="FirstGetMs">Until the first get had its answer.</param>
/// <param name="SecondOpenMs">The same opening once more in the same process: without compiling.</param>
/// <param name="BytesRead">Through Ledger's disk seam; for the others all that the process read.</param>
/// <param name="ResidentBytes">Peak resident bytes when the first get had its answer.</param>
/// <param name="IsFound">Whether the key was there.</param>
internal sealed record Opening(
    double OpenMs, double FirstGetMs, double SecondOpenMs, long BytesRead, long ResidentBytes, bool IsFound);

/// <summary>What this program does as a child process of an experiment.</summary>
internal static class ChildTasks
{
    private const long CacheSizeBytes = 64L << 20;

    /// <summary>Runs the task that the arguments name.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var started = Stopwatch.GetTimestamp();
        switch (arguments)
        {
            case ["open", var contender, var directory, var page, var key]:
                var opening = await OpenAsync(
                    Enum.Parse<Contender>(contender), directory, page, Convert.FromHexString(key), started);
                Console.WriteLine(JsonSerializer.Serialize(opening));
                return 0;
            case ["put", var contender, var directory, var puts]:
                await PutAsync(Enum.Parse<Contender>(contender), directory, Number(puts));
                return 0;
            case ["put-one", var directory, var seed]:
                await PutOneAsync(directory, Number(seed));
                return 0;
            case ["fill-and-die", var contender, var directory, var entries]:
                await FillAndDieAsync(Enum.Parse<Contender>(contender), directory, Number(entries));
                return 1;
            case ["hooks", var path, var url]:
                await DeliverAsync(path, new Uri(url));
                return 1;
            default:
                await Console.Error.WriteLineAsync($"There is no task '{string.Join(' ', arguments)}'.");
                return 2;
        }
    }

    /// <summary>Opens a store in a child process and gets one key.</summary>
    public static async Task<Opening> OpenInChildAsync(
        Contender contender, string directory, PageId page, ReadOnlyMemory<byte> key,
        params (string, string)[] variables)
    {
        using var process = Supervisor.Start(
            ["child", "open", contender.ToString(), directory, page.ToString(), Convert.ToHexString(key.Span)],
            redirect: true, variables);
        var line = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0
            ? JsonSerializer.Deserialize<Opening>(line)!
            : throw new InvalidOperationException($"The child that opens a store ended with {process.ExitCode}.");
    }

    /// <summary>Lets a child process write and then end itself with SIGKILL.</summary>
    public static async Task FillAndDieInChildAsync(Contender contender, string directory, int entries)
    {
        using var process = Supervisor.Start(
            ["child", "fill-and-die", contender.ToString(), directory, entries.ToString(CultureInfo.InvariantCulture)]);
        await process.WaitForExitAsync();
        if (process.ExitCode == 0 || process.ExitCode == 1)
        {
            throw new InvalidOperationException("The child that was to be killed ended by itself.");
        }
    }

    /// <summary>Opens a repository, puts one key, and closes it: what a short command does.</summary>
    public static async Task PutOneAsync(string directory, int seed)
    {
        var entries = new EntryStream(1, seed);
        await using var ledger = await LedgerContender.OpenAsync(directory, CacheSizeBytes);
        await ledger.PutAsync(entries.Key(0), entries.Value(seed));
    }

    /// <summary>Delivers a hook of a SQLite file until it is killed.</summary>
    private static async Task DeliverAsync(string path, Uri url)
    {
        await using var store = HookBackend.Open(path);
        await using var host = new HookHost(
            (_, _) => new(new HookStore(store)), LedgerRuntime.CreateSystem(), NullLogger.Instance,
            plan: new HookPlan { Lease = TimeSpan.FromSeconds(1) });
        await host.ReplaceAsync([HookBackend.Hook("killed", url)]);
        await new TaskCompletionSource().Task;
    }

    private static int Number(string text) => int.Parse(text, CultureInfo.InvariantCulture);

    private static async Task<Opening> OpenAsync(
        Contender contender, string directory, string page, byte[] key, long started)
    {
        double openMs, firstGetMs;
        bool isFound;
        long bytesRead, residentBytes;
        var before = ProcessFigures.ReadCharacters;
        if (contender == Contender.Ledger)
        {
            (openMs, firstGetMs, isFound, bytesRead, residentBytes) =
                await OpenLedgerAsync(directory, page, key, started);
            var again = Stopwatch.GetTimestamp();
            var second = await OpenLedgerAsync(directory, page, key, again);
            return new Opening(openMs, firstGetMs, second.FirstGetMs, bytesRead, residentBytes, isFound);
        }

        await using (var store = await Contenders.OpenAsync(contender, directory, CacheSizeBytes))
        {
            openMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            isFound = await store.GetAsync(key) >= 0;
            firstGetMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            residentBytes = ProcessFigures.PeakResidentBytes;
            bytesRead = ProcessFigures.ReadCharacters - before;
        }

        var secondStarted = Stopwatch.GetTimestamp();
        await using var reopened = await Contenders.OpenAsync(contender, directory, CacheSizeBytes);
        await reopened.GetAsync(key);
        var secondMs = Stopwatch.GetElapsedTime(secondStarted).TotalMilliseconds;
        return new Opening(openMs, firstGetMs, secondMs, bytesRead, residentBytes, isFound);
    }

    private static async Task<(double OpenMs, double FirstGetMs, bool IsFound, long BytesRead, long ResidentBytes)>
        OpenLedgerAsync(string directory, string page, byte[] key, long started)
    {
        var system = LedgerRuntime.CreateSystem();
        var files = new CountingFileSystem(system.Files);
        await using var repository = await Repository.OpenAsync(directory, new RepositoryOptions
        {
            Runtime = new LedgerRuntime(system.Scheduler, system.Time, system.Random, files, system.Network),
        });
        var ledger = await repository.GetLedgerAsync("benchmark");
        var openMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        _ = PageId.TryParse(page, out var id);
        await using var opened = await ledger.GetPageAsync(id);
        var isFound = await opened.GetAsync(key) is not null;
        var firstGetMs = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
        return (openMs, firstGetMs, isFound, files.BytesRead, ProcessFigures.PeakResidentBytes);
    }

    private static async Task PutAsync(Contender contender, string directory, int puts)
    {
        var entries = new EntryStream(Math.Max(1, puts), seed: 5);
        await using var store = await Contenders.OpenAsync(contender, directory, CacheSizeBytes);
        for (var i = 0; i < puts; i++)
        {
            await store.PutAsync(entries.Key(i), entries.Value(i));
        }
    }

    private static async Task FillAndDieAsync(Contender contender, string directory, int count)
    {
        var entries = new EntryStream(count, seed: 77);
        if (contender == Contender.Ledger)
        {
            // Single puts: all of it is journal when the process dies.
            var ledger = await LedgerContender.OpenAsync(directory, CacheSizeBytes, Durability.Buffered);
            for (var i = 0; i < count; i++)
            {
                await ledger.PutAsync(entries.Key(i), entries.Value(i));
            }
        }
        else
        {
            var store = await Contenders.OpenAsync(contender, directory, CacheSizeBytes);
            await store.LoadAsync(entries);
        }

        Process.GetCurrentProcess().Kill();
    }
}
