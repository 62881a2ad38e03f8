using System.Diagnostics;
using System.Globalization;
using Ledger.Objects.Segments;
using Ledger.Simulation.Workload;

namespace Ledger.Simulation;

/// <summary>The command: runs seeds, replays one, or shows that planted bugs are found (docs/simulation.md).</summary>
internal static class Program
{
    private const string Usage = """
        usage: Ledger.Simulation [--seeds N] [--from S] [--ops M] [--threads T]
               Ledger.Simulation --replay SEED [--ops M] [--bug NAME] [--without A,B] [--trace]
               Ledger.Simulation --shrink SEED [--ops M] [--bug NAME]
               Ledger.Simulation --bugs [--seeds N] [--ops M] [--bug NAME]
        """;

    public static int Main(string[] arguments)
    {
        if (!Arguments.TryParse(arguments, out var parsed))
        {
            Console.Error.WriteLine(Usage);
            return 2;
        }

        return parsed.Replay is { } seed ? Replay(seed, parsed)
            : parsed.Shrink is { } failing ? Shrink(failing, parsed)
            : parsed.IsForBugs ? FindBugs(parsed)
            : RunAll(parsed);
    }

    /// <summary>Runs every planted fault until it is found, and prints the table of docs/simulation.md.</summary>
    private static int FindBugs(Arguments arguments)
    {
        Console.WriteLine("| fault | found after | by |\n|---|---|---|");
        var found = 0;
        var bugs = Enum.GetValues<PlantedBugs>()
            .Where(bug => bug != PlantedBugs.None && (arguments.Bug == 0 || arguments.Bug.HasFlag(bug))).ToArray();
        foreach (var bug in bugs)
        {
            var (operations, problem) = Find(bug, arguments);
            found += problem is null ? 0 : 1;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"| `{bug}` | {(problem is null ? "-" : operations)} | {problem} |"));
        }

        Console.WriteLine($"{found} of {bugs.Length} found");
        return 0;
    }

    private static (long Operations, string? Problem) Find(PlantedBugs bug, Arguments arguments)
    {
        var operations = 0L;
        for (var seed = arguments.From; seed < arguments.From + (ulong)arguments.Seeds; seed++)
        {
            var result = Sweep.Execute(RunOptions.Draw(seed, arguments.Operations) with { Bugs = bug });
            operations += result.Operations;
            if (result.Problem is { } problem)
            {
                return (operations, result.Rule == "error" ? problem.Split(':')[1].Trim() : result.Rule);
            }
        }

        return (operations, null);
    }

    private static int Shrink(ulong seed, Arguments arguments)
    {
        var failing = Sweep.Execute(RunOptions.Draw(seed, arguments.Operations) with { Bugs = arguments.Bug });
        if (failing.Problem is null)
        {
            Console.WriteLine($"{failing.Options}\n{Describe(failing)}");
            return 0;
        }

        var shrinker = new Shrinker(failing, Console.WriteLine);
        shrinker.Run();
        var smallest = shrinker.Smallest;
        Console.WriteLine($"FAILED {smallest.Options}\n{Describe(smallest)}\n{CommandOf(smallest, shrinker.Without)}");
        return 1;
    }

    /// <summary>The command that runs it again.</summary>
    private static string CommandOf(RunResult result, IReadOnlyCollection<string> without) => string.Create(
        CultureInfo.InvariantCulture,
        $"replay: dotnet run --project tests/Ledger.Simulation -- --replay {result.Options.Seed} --ops " +
        $"{result.Options.Operations}{(result.Options.Bugs == 0 ? "" : $" --bug {result.Options.Bugs}")}" +
        $"{(without.Count == 0 ? "" : $" --without {string.Join(',', without)}")}");

    private static int Replay(ulong seed, Arguments arguments)
    {
        var drawn = RunOptions.Draw(seed, arguments.Operations);
        var options = Simplification.Without(drawn, arguments.Without) with
        {
            Bugs = arguments.Bug,
            Trace = arguments.IsTraced ? Console.WriteLine : null,
        };
        Console.WriteLine(options);
        var result = Workload.Run.Execute(options);
        Console.WriteLine(Describe(result));
        return result.Problem is null ? 0 : 1;
    }

    private static int RunAll(Arguments arguments)
    {
        var started = Stopwatch.GetTimestamp();
        var poolBefore = ThreadPool.CompletedWorkItemCount;
        var sweep = new Sweep(arguments.From, arguments.Seeds, arguments.Operations, arguments.Bug);
        sweep.Run(arguments.Threads);
        foreach (var failure in sweep.Failures)
        {
            Console.WriteLine($"FAILED {failure.Options}\n{Describe(failure)}");
            Console.WriteLine(CommandOf(failure, []));
        }

        var pool = ThreadPool.CompletedWorkItemCount - poolBefore;
        if (pool > 0)
        {
            Console.WriteLine($"FAILED {pool} work items reached the thread pool.");
        }

        var seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{sweep.Runs} seeds, {sweep.Operations} operations, {sweep.Deaths} crashes, " +
            $"{sweep.Checks} full comparisons, {sweep.Steps} steps, {sweep.Doubles} double runs, " +
            $"{sweep.Failures.Count} failures, {seconds:0.0} s"));
        return sweep.Failures.Count == 0 && pool == 0 ? 0 : 1;
    }

    private static string Describe(RunResult result) => string.Create(
        CultureInfo.InvariantCulture,
        $"{result.Problem ?? "no violation"}\n{result.Operations} operations, {result.Deaths} crashes, " +
        $"{result.Checks} full comparisons, {result.Steps} steps, trace {result.TraceHash:x16}");

    private sealed record Arguments
    {
        public int Seeds { get; private set; } = 50;

        public ulong From { get; private set; } = 1;

        public int Operations { get; private set; } = 2000;

        public int Threads { get; private set; } = Math.Min(2, Environment.ProcessorCount);

        public ulong? Replay { get; private set; }

        public ulong? Shrink { get; private set; }

        public bool IsForBugs { get; private set; }

        public IReadOnlyList<string> Without { get; private set; } = [];

        public PlantedBugs Bug { get; private set; }

        public bool IsTraced { get; private set; }

        public static bool TryParse(string[] arguments, out Arguments parsed)
        {
            parsed = new Arguments();
            for (var index = 0; index < arguments.Length; index++)
            {
                if (arguments[index] == "--trace")
                {
                    parsed.IsTraced = true;
                }
                else if (arguments[index] == "--bugs")
                {
                    parsed.IsForBugs = true;
                }
                else if (index + 1 == arguments.Length || !parsed.TrySet(arguments[index], arguments[++index]))
                {
                    return false;
                }
            }

            return true;
        }

        private bool TrySet(string name, string value)
        {
            if (name == "--bug")
            {
                var isBug = Enum.TryParse<PlantedBugs>(value, out var bug);
                Bug = bug;
                return isBug;
            }

            if (name == "--without")
            {
                Without = value.Split(',');
                return Without.All(each => Simplification.All.Any(known => known.Name == each));
            }

            if (!ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
            {
                return false;
            }

            switch (name)
            {
                case "--seeds":
                    Seeds = (int)number;
                    return true;
                case "--from":
                    From = number;
                    return true;
                case "--ops":
                    Operations = (int)number;
                    return true;
                case "--threads":
                    Threads = (int)number;
                    return true;
                case "--shrink":
                    Shrink = number;
                    return true;
                case "--replay":
                    Replay = number;
                    return true;
                default:
                    return false;
            }
        }
    }
}
