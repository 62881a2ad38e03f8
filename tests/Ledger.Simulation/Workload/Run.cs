using System.Globalization;
using Ledger.Conformance;
using Ledger.Pages;
using Ledger.Simulation.Model;
using Ledger.Simulation.Worlds;

namespace Ledger.Simulation.Workload;

/// <summary>One run: a seed's devices, what they do, what goes wrong, and whether every promise is kept.</summary>
internal sealed class Run
{
    private static readonly TimeSpan Longest = TimeSpan.FromDays(20);
    private static readonly TimeSpan LongestHealing = TimeSpan.FromHours(3);

    private const int InspectionsMax = 3;

    private readonly List<string> _log = [];
    private int _lives;
    private string? _shown;

    private Run(RunOptions options)
    {
        Options = options;
        World = new World(options.Seed)
        {
            DiskTimeMax = options.DiskTimeMax,
            ReadsAtOnce = options.ReadsAtOnce,
            WatchesFlow = options.WatchesFlow,
            StepsMax = 500_000 + (2000L * options.Operations),
        };
        Random = new Random(World.Random.Next());
        Supervisor = new Life(World, NextLife(), static _ => { });
        Model = new RunModel
        {
            Policy = options.Policy,
            DecidesByDevice = options.Policy == PolicyKind.LastOneWins && !options.IsDiskSlow,
            TwoHeadsMax = options.Diverges || options.HasCloud ? 100 : 0,
        };
        Network = new CloudNetwork(this) { Trouble = options.Trouble };
        for (var number = 0; number < options.Pages; number++)
        {
            var id = new byte[PageId.SizeBytes];
            id[^1] = (byte)number;
            Pages.Add(new PageModel(Model, number, new PageId(id), options.Keys, keySizeBytes: 200));
        }

        for (var number = 0; number < options.Devices; number++)
        {
            Devices.Add(new Device(this, number));
        }
    }

    public RunOptions Options { get; }

    public World World { get; }

    /// <summary>Draws what happens to the devices.</summary>
    public Random Random { get; }

    /// <summary>The life of what outlives the devices.</summary>
    public Life Supervisor { get; }

    public RunModel Model { get; }

    /// <summary>The cloud and the way to it.</summary>
    public CloudNetwork Network { get; }

    /// <summary>What was sent to the cloud.</summary>
    public SealedEntries Sealed { get; } = new();

    public List<PageModel> Pages { get; } = [];

    public List<Device> Devices { get; } = [];

    /// <summary>Operations that were begun.</summary>
    public int Done { get; set; }

    public int Deaths { get; set; }

    /// <summary>Full comparisons with the model.</summary>
    public int Checks { get; set; }

    /// <summary>No operation is begun any more, and nothing goes wrong.</summary>
    public bool IsHealing { get; private set; }

    /// <summary>All are equal, and nothing may move any more.</summary>
    public bool IsQuiet { get; private set; }

    /// <summary>All are equal: each device makes its last comparison.</summary>
    public bool IsClosing { get; private set; }

    public bool IsOver { get; private set; }

    /// <summary>What was found in the middle of a continuation.</summary>
    public Exception? Problem { get; private set; }

    /// <summary>Runs a seed.</summary>
    public static RunResult Execute(RunOptions options)
    {
        var previous = SynchronizationContext.Current;
        var run = new Run(options);
        string? problem = null;
        var rule = "";
        try
        {
            run.Execute();
        }
        catch (ViolationException violation)
        {
            (problem, rule) = (violation.Message, violation.Rule);
        }
        finally
        {
            run.IsOver = true;
            run.World.End();
            SynchronizationContext.SetSynchronizationContext(previous);
        }

        return new RunResult(
            options, problem, rule, run.Done, run.Deaths, run.Checks, run.World.Steps, run.World.TraceHash,
            problem is null ? [] : run._log);
    }

    public int NextLife() => _lives++;

    /// <summary>Notes what happens, for whoever looks at a failure.</summary>
    public void Say(string text)
    {
        if (Options.Trace is { } trace)
        {
            var line = string.Create(CultureInfo.InvariantCulture, $"{World.Elapsed.TotalSeconds,12:0.000000} {text}");
            trace(line);
        }
    }

    /// <summary>Notes how a write ended.</summary>
    public void Say(Write write)
    {
        if (Options.Trace is not null)
        {
            Say(write.ToString());
        }
    }

    /// <summary>An operation is about to begin.</summary>
    /// <returns>False when there have been enough.</returns>
    public bool Take()
    {
        if (IsHealing || Done >= Options.Operations)
        {
            return false;
        }

        Network.Attacks.OnOperation(Done++);
        return true;
    }

    /// <summary>Compares what the devices have of the page that is deleted.</summary>
    public void Compare(string shown)
    {
        if ((_shown ??= shown) != shown)
        {
            throw new ViolationException("R13", $"A page that is deleted at times has {_shown}, and {shown}.");
        }
    }

    /// <summary>Ends the run with what was found.</summary>
    public void Fail(Exception problem) => Problem ??= problem;

    private void Execute()
    {
        foreach (var device in Devices)
        {
            device.Start();
        }

        World.Run(() => IsDecided || Done >= Options.Operations, Longest, "the operations");
        ThrowIfFailed();

        IsHealing = true;
        Say("faults end");
        Network.Trouble = CloudTrouble.None;
        foreach (var device in Devices)
        {
            device.Heal();
        }

        var end = World.Elapsed + LongestHealing;
        World.Run(() => IsDecided || AreEqual(), end, "all devices show the same");
        ThrowIfFailed();
        if (Options.HasCloud)
        {
            CheckQuiet();
        }

        if (Options.Rots)
        {
            FlipBits(end);
        }

        IsClosing = true;
        World.Run(() => IsDecided || Devices.TrueForAll(device => device.IsDone), end, "all devices are at rest");
        ThrowIfFailed();
    }

    /// <summary>Every device has settled, on the same head of each page.</summary>
    private bool AreEqual()
    {
        string? first = null;
        foreach (var device in Devices)
        {
            if (device.Session?.Shown is not { } shown || (first ??= shown) != shown)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Nothing moves any more once all are equal.</summary>
    private void CheckQuiet()
    {
        IsQuiet = true;
        var (changes, shown) = (Network.Changes, Devices[0].Session!.Shown);
        var end = World.Elapsed + TimeSpan.FromMinutes(2);
        World.Run(() => IsDecided || World.Elapsed >= end, end + TimeSpan.FromHours(1), "two quiet minutes");
        ThrowIfFailed();
        if (Network.Changes != changes || !AreEqual() || Devices[0].Session!.Shown != shown)
        {
            throw new ViolationException(
                "R13", $"All devices were equal, and then there were {Network.Changes - changes} appends, from " +
                $"{shown} to {Devices[0].Session?.Shown}.");
        }
    }

    /// <summary>
    /// A device closes; bits of its disk flip, one at a time, and whoever opens it then is not misled.
    /// </summary>
    private void FlipBits(TimeSpan end)
    {
        var (device, shown) = (Devices[Random.Next(Devices.Count)], Devices[0].Session!.Shown);
        var session = device.Session!;
        session.IsLeaving = true;
        World.Run(() => IsDecided || session.Left is not null, end, "the device that is to be damaged is closed");
        ThrowIfFailed();
        var disk = device.Disk;
        for (var count = 0; count < InspectionsMax; count++)
        {
            var damaged = disk.CrashImage(CrashLoss.KeepAll, Random.Next());
            var paths = damaged.Files().Where(path => damaged.ReadAllBytes(path).Length > 0).ToArray();
            var path = paths[Random.Next(paths.Length)];
            var bit = Random.NextInt64(damaged.ReadAllBytes(path).LongLength * 8);
            damaged.FlipBit(path, bit);
            Say($"bit {bit} of {path} flips on device {device.Number}");
            var inspection = new Inspection(this, $"bit {bit} of {path} has flipped", session.Left!);
            device.Inspect(damaged, inspection);
            World.Run(() => IsDecided || inspection.IsDone, end, "a damaged device is looked at");
            ThrowIfFailed();
        }

        // Nothing of it has reached the others, nor the cloud.
        device.EndInspections();
        World.Run(() => IsDecided || AreEqual(), end, "all devices show the same again");
        ThrowIfFailed();
        if (Devices[0].Session!.Shown != shown)
        {
            throw new ViolationException(
                "R9", $"A device with a damaged disk has led all others from {shown} to {Devices[0].Session!.Shown}.");
        }
    }

    private bool IsDecided => Problem is not null;

    private void ThrowIfFailed()
    {
        if (Problem is ViolationException violation)
        {
            throw new ViolationException(violation.Rule, violation.Message[(violation.Rule.Length + 2)..]);
        }

        if (Problem is { } other)
        {
            throw new ViolationException("error", other.ToString());
        }
    }
}

/// <summary>How a run ended.</summary>
/// <param name="Options">What was run.</param>
/// <param name="Problem">The promise that was broken; null for none.</param>
/// <param name="Rule">Its name; empty for none.</param>
/// <param name="Operations">Operations begun.</param>
/// <param name="Deaths">Lives that ended.</param>
/// <param name="Checks">Full comparisons with the model.</param>
/// <param name="Steps">Continuations run.</param>
/// <param name="TraceHash">Of everything that happened.</param>
/// <param name="Log">The last events before the problem.</param>
internal sealed record RunResult(
    RunOptions Options, string? Problem, string Rule, int Operations, int Deaths, int Checks, long Steps,
    ulong TraceHash, IReadOnlyList<string> Log);
