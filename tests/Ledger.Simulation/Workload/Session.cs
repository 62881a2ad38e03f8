using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Runtime;
using Ledger.Simulation.Model;
using Ledger.Simulation.Worlds;
using Ledger.Sync;
using Ledger.Trees;

namespace Ledger.Simulation.Workload;

/// <summary>The program on a device, from its start to its end: opens everything, works, and comes to rest.</summary>
internal sealed partial class Session(
    Run run, Device device, Life life, LedgerRuntime runtime, Inspection? inspection = null)
{
    public const string Path = "/disk/repository";

    public static readonly ReadOnlyMemory<byte> Secret = new byte[SyncKeys.KeySizeBytes];

    private readonly Random _random = new(run.Random.Next());
    private readonly FaultLog _log = new(run, life, mayBeDamaged: inspection is not null);
    private Repository? _repository;
    private int _workers;

    public Run Run => run;

    public Device Device => device;

    public Life Life => life;

    public LedgerRuntime Runtime => runtime;

    public Random Random => _random;

    public ILedger Ledger { get; private set; } = null!;

    public LedgerServices Services => ((LedgerStore)Ledger).Services;

    public TreeSalt Salt { get; private set; }

    public Repository Repository => _repository!;

    /// <summary>The way to the cloud.</summary>
    public CloudLink? Link { get; private set; }

    /// <summary>What keeps this device and the cloud equal; null without a cloud.</summary>
    public SyncEngine? Engine { get; private set; }

    /// <summary>What the pages show once everything has settled; null before.</summary>
    public string? Shown { get; private set; }

    /// <summary>All is done and compared, and nothing is on its way.</summary>
    public bool IsDone { get; private set; }

    /// <summary>Everything is at rest, and the program is to close.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>What each page had when the program was closed at rest, write ids by key; null before.</summary>
    public IReadOnlyList<SortedDictionary<int, long>>? Left { get; private set; }

    /// <summary>The program is to end and be started again.</summary>
    public bool IsEnding { get; set; }

    /// <summary>Runs the program to its end; does not throw.</summary>
    public async Task StartAsync()
    {
        try
        {
            await RunAsync();
        }
        catch (SimulatedCrashException)
        {
            life.Kill();
        }
        catch (Exception problem) when (!life.IsDead && IsEnvironment(problem))
        {
            // What a disk that refuses does to an opening: the user tries again.
            run.Say($"device {device.Number}: the program ends: {problem.Message}");
            device.Disk.Faults.FreeSpace();
            device.Restart(isClosed: false);
        }
        catch (Exception problem) when (!life.IsDead)
        {
            run.Fail(problem);
        }
    }

    /// <summary>Whether an error is what a failing disk may cause.</summary>
    public static bool IsEnvironment(Exception problem) =>
        problem is StoreUnavailableException or OutcomeUnknownException or IOException;

    /// <summary>Runs one of the workers of this program; what goes wrong in it ends the run.</summary>
    public async Task RunWorkerAsync(Func<Task> work)
    {
        _workers++;
        try
        {
            await work();
        }
        catch (SimulatedCrashException)
        {
            life.Kill();
        }
        catch (Exception problem) when (!life.IsDead && IsEnvironment(problem))
        {
            run.Say($"device {device.Number}: a worker ends: {problem.Message}");
            IsEnding = true;
        }
        catch (Exception problem) when (!life.IsDead)
        {
            run.Fail(problem);
        }

        _workers--;
    }

    /// <summary>Opens the repository and its ledger.</summary>
    public async Task OpenAsync()
    {
        var options = run.Options;
        _repository = await Repository.OpenAsync(Path, new RepositoryOptions
        {
            Runtime = runtime,
            Secret = Secret,
            NodeCacheSizeBytes = 1 << 20,
            WriteBackLimits = new WriteBackLimits(256 << 10, 2000, options.WriteBackCommits),
            StoreOptions = new SegmentStoreOptions
            {
                SegmentSizeBytes = options.SegmentSizeBytes,
                CheckpointSizeBytes = options.CheckpointSizeBytes,
                RecoverySizeBytesMax = 2 * options.CheckpointSizeBytes,
                CloseCheckpointSizeBytes = options.CheckpointSizeBytes / 4,
                CacheSizeBytes = 64 << 10,
            },
            Bugs = options.Bugs,
            LoggerFactory = new FaultLogFactory(_log),
        });
        Ledger = await _repository.GetLedgerAsync("app");
        TellName();
        var settings = await LedgerStore.ReadSettingsAsync(Services.Store, CancellationToken.None);
        Salt = settings?.Salt ?? throw new CorruptObjectException("the settings of the ledger are missing");
        SetPolicy();
    }

    /// <summary>Begins to synchronise.</summary>
    public async Task<SyncEngine> StartEngineAsync()
    {
        Link = new CloudLink(run, this);
        var keys = new SyncKeys(Secret.Span, Secret.Span, 0, "app");
        Engine = await SyncEngine.StartAsync((LedgerStore)Ledger, keys, Link, CancellationToken.None);
        return Engine;
    }

    private async Task RunAsync()
    {
        if (inspection is not null)
        {
            await inspection.RunAsync(this);
            return;
        }

        var options = run.Options;
        var isHealing = run.IsHealing;
        await OpenAsync();
        if (Services.IsReadOnly)
        {
            throw new ViolationException(
                "R1", $"The store of device {device.Number} opened for reading only. {_log.Last}");
        }

        if (options.HasCloud)
        {
            await StartEngineAsync();
        }

        foreach (var page in run.Pages)
        {
            await Checks.AfterOpeningAsync(this, page);
        }

        for (var number = 0; number < options.Actors; number++)
        {
            var actor = new Actor(this, run.Pages[number % run.Pages.Count]);
            _ = RunWorkerAsync(actor.RunAsync);
        }

        if (_random.Next(3) == 0)
        {
            _ = RunWorkerAsync(new Watcher(this, run.Pages[_random.Next(run.Pages.Count)]).RunAsync);
        }

        if (Engine is not null)
        {
            _ = RunWorkerAsync(MindCloudAsync);
        }

        if (options.Recreates)
        {
            _ = RunWorkerAsync(new ShortLivedPage(this).RunAsync);
        }

        while (_workers > 0)
        {
            await runtime.Delay(TimeSpan.FromMilliseconds(20), CancellationToken.None);
        }

        // A disk that has refused to flush is used no more before the next opening.
        if (!run.IsHealing || (options.DiskFaults > 0 && !isHealing))
        {
            await EndAsync();
            return;
        }

        while (!run.IsClosing)
        {
            if (IsLeaving)
            {
                await LeaveAsync();
                return;
            }

            await SettleAsync();
            await runtime.Delay(TimeSpan.FromSeconds(run.IsQuiet ? 20 : 1), CancellationToken.None);
        }

        await Checks.AtTheEndAsync(this);
        IsDone = true;
    }

    /// <summary>Closes everything, and tells what the pages had.</summary>
    private async Task LeaveAsync()
    {
        var left = new List<SortedDictionary<int, long>>();
        foreach (var page in run.Pages)
        {
            await using var connection = await Ledger.GetPageAsync(page.Id);
            await using var snapshot = await connection.GetSnapshotAsync();
            left.Add(await Checks.ScanAsync(page, snapshot, $"device {device.Number}, before it is closed"));
        }

        await CloseAsync();
        Left = left;
    }

    private async Task CloseAsync()
    {
        if (Engine is not null)
        {
            await Engine.DisposeAsync();
        }

        await _repository!.DisposeAsync();
        run.Model.Flushed(device.Number, run.Model.Tick());
        run.Say($"device {device.Number}: closed");
    }

    private async Task EndAsync()
    {
        var isClosed = _random.Next(2) == 0;
        if (isClosed)
        {
            await CloseAsync();
        }

        device.Restart(isClosed);
    }

    private void SetPolicy()
    {
        var policy = run.Options.Policy switch
        {
            PolicyKind.Fallback => MergePolicy.AutomaticWithFallback,
            PolicyKind.Custom => MergePolicy.Custom,
            PolicyKind.None => MergePolicy.None,
            _ => MergePolicy.LastOneWins,
        };
        var resolver = policy is MergePolicy.AutomaticWithFallback or MergePolicy.Custom ? new Resolver(this) : null;
        Ledger.SetConflictResolver(policy, resolver, TimeSpan.FromSeconds(5));
    }
}
