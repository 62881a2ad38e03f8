using Ledger.Simulation.Workload;

namespace Ledger.Simulation;

/// <summary>Something that a run can do without.</summary>
/// <param name="Name">As <c>--without</c> takes it.</param>
/// <param name="Apply">Takes it away.</param>
internal sealed record Simplification(string Name, Func<RunOptions, RunOptions> Apply)
{
    /// <summary>All, those that take the most away first.</summary>
    public static IReadOnlyList<Simplification> All { get; } =
    [
        new("malice", static options => options with { Malice = Malice.None }),
        new("trouble", static options => options with { Trouble = CloudTrouble.None }),
        new("crashes", static options => options with { Crashes = 0 }),
        new("power-losses", static options => options with { PowerLosses = 0 }),
        new("disk-faults", static options => options with { DiskFaults = 0 }),
        new("backups", static options => options with { Restores = false }),
        new("deleted-page", static options => options with { Recreates = false }),
        new("lazy-values", static options => options with { Fetches = false }),
        new("bit-flips", static options => options with { Rots = false }),
        new("clock-jumps", static options => options with { ClocksJump = false }),
        new("divergence", static options => options with { Diverges = false }),
        new("buffering", static options => options with { Buffered = 0 }),
        new("slow-disk", static options => options with { DiskTimeMax = TimeSpan.FromMilliseconds(2) }),
        new("devices", static options => options with { Devices = Math.Min(options.Devices, 2) }),
        new("pages", static options => options with { Pages = 1 }),
        new("actors", static options => options with { Actors = 1 }),
        new("keys", static options => options with { Keys = 4 }),
    ];

    /// <summary>Takes several away.</summary>
    /// <param name="options">A run.</param>
    /// <param name="names">Of this list.</param>
    public static RunOptions Without(RunOptions options, IEnumerable<string> names) =>
        names.Aggregate(options, (current, name) => All.Single(each => each.Name == name).Apply(current));
}

/// <summary>Looks for a smaller run that breaks the same promise.</summary>
/// <param name="failing">A run that breaks one.</param>
/// <param name="say">Told of every smaller one.</param>
internal sealed class Shrinker(RunResult failing, Action<string> say)
{
    private readonly List<string> _without = [];

    /// <summary>The smallest that was found.</summary>
    public RunResult Smallest { get; private set; } = failing;

    /// <summary>What it goes without.</summary>
    public IReadOnlyList<string> Without => _without;

    /// <summary>Takes away operations, and kinds of events, as long as the run fails.</summary>
    public void Run()
    {
        for (var isSmaller = true; isSmaller;)
        {
            isSmaller = TryFewerOperations();
            foreach (var each in Simplification.All)
            {
                var simpler = each.Apply(Smallest.Options);
                if (simpler != Smallest.Options && Try(simpler, $"without {each.Name}"))
                {
                    _without.Add(each.Name);
                    isSmaller = true;
                }
            }
        }
    }

    private bool TryFewerOperations()
    {
        var isSmaller = false;
        for (var part = 2; part <= 16;)
        {
            var operations = Smallest.Options.Operations;
            var fewer = operations - Math.Max(1, operations / part);
            if (fewer > 0 && Try(Smallest.Options with { Operations = fewer }, $"{fewer} operations"))
            {
                isSmaller = true;
            }
            else
            {
                part *= 2;
            }
        }

        return isSmaller;
    }

    private bool Try(RunOptions options, string what)
    {
        var result = Sweep.Execute(options);
        if (result.Problem is null || result.Rule != Smallest.Rule)
        {
            return false;
        }

        say($"{what}: {result.Rule}");
        Smallest = result;
        return true;
    }
}
