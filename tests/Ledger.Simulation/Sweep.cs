using Ledger.Objects.Segments;
using Ledger.Simulation.Workload;

namespace Ledger.Simulation;

/// <summary>Runs many seeds, on a few threads: each run is one thread's.</summary>
internal sealed class Sweep(ulong from, int seeds, int operations, PlantedBugs bug)
{
    private const int FailuresMax = 5;

    private readonly Lock _gate = new();
    private int _next;

    public List<RunResult> Failures { get; } = [];

    public int Runs { get; private set; }

    public long Operations { get; private set; }

    public long Deaths { get; private set; }

    public long Checks { get; private set; }

    public long Steps { get; private set; }

    /// <summary>Seeds that were run twice and compared.</summary>
    public int Doubles { get; private set; }

    public void Run(int threads)
    {
        var workers = Enumerable.Range(0, threads).Select(_ => new Thread(Work)).ToArray();
        Array.ForEach(workers, worker => worker.Start());
        Array.ForEach(workers, worker => worker.Join());
    }

    /// <summary>Runs one. Each marks its flow, and marks would add up in the flow of their thread.</summary>
    public static RunResult Execute(RunOptions options)
    {
        RunResult? result = null;
        ExecutionContext.Run(ExecutionContext.Capture()!, _ => result = Workload.Run.Execute(options), null);
        return result!;
    }

    private void Work()
    {
        while (Interlocked.Increment(ref _next) is var number && number <= seeds)
        {
            var options = RunOptions.Draw(from + (ulong)number - 1, operations) with { Bugs = bug };
            var result = Execute(options);
            var isDouble = number % 100 == 1;
            if (isDouble && result.Problem is null)
            {
                var again = Execute(options);
                if (again.TraceHash != result.TraceHash || again.Steps != result.Steps)
                {
                    result = result with
                    {
                        Problem = $"determinism: two runs differ: {result.Steps} steps with trace " +
                            $"{result.TraceHash:x16}, and {again.Steps} with {again.TraceHash:x16}.",
                    };
                }
            }

            lock (_gate)
            {
                Add(result, isDouble);
                if (Failures.Count >= FailuresMax)
                {
                    return;
                }
            }
        }
    }

    private void Add(RunResult result, bool isDouble)
    {
        Runs++;
        Operations += result.Operations;
        Deaths += result.Deaths;
        Checks += result.Checks;
        Steps += result.Steps;
        Doubles += isDouble ? 1 : 0;
        if (result.Problem is not null)
        {
            Failures.Add(result);
        }
    }
}
