namespace Ledger.Benchmarks.Experiments;

/// <summary>One experiment: what it is called, what its figures mean, and how it is run.</summary>
internal abstract class Experiment
{
    /// <summary>All experiments, in the order they are run.</summary>
    public static IReadOnlyList<Experiment> All { get; } =
    [
        new SinglePuts(), new GroupCommits(), new BatchLoads(), new Gets(), new Scans(), new SnapshotsAndWatches(),
        new Diffs(), new Merges(), new LargeValues(), new SpaceUsed(), new ColdOpens(), new OpenGrowth(),
        new ShortProcesses(), new StreamAppends(), new StreamCalls(), new StreamReads(), new Webhooks(), new Hashing(),
    ];

    /// <summary>The experiments that a mode of the command line means: all, or names between commas.</summary>
    public static IReadOnlyList<Experiment> Named(string mode) =>
        mode == "all" ? All : [.. All.Where(one => mode.Split(',').Contains(one.Name))];

    /// <summary>The first name in a mode that no experiment has, or null.</summary>
    public static string? Unknown(string mode) =>
        mode.Split(',').FirstOrDefault(name => name != "all" && All.All(one => one.Name != name));

    /// <summary>The name in modes of the command line, and the name of the result.</summary>
    public abstract string Name { get; }

    /// <summary>What is measured, in a line.</summary>
    public abstract string Title { get; }

    /// <summary>How it is measured and what its ratios mean.</summary>
    public abstract string Meaning { get; }

    /// <summary>Runs it.</summary>
    public abstract Task RunAsync(Context context);

    /// <summary>Median rates over size as a slope of time, when there are at least three sizes.</summary>
    protected static void AddSlope(
        Context context, string what, IReadOnlyList<(double Size, double Rate)> points, string goal)
    {
        if (points.Count >= 3)
        {
            var slope = Measuring.Statistics.LogLogSlope([.. points.Select(point => (point.Size, 1 / point.Rate))]);
            context.Report.Figure(what, slope, goal, "(exponent)");
        }
    }
}
