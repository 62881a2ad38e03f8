using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Simulation.Worlds;

namespace Ledger.Simulation.Workload;

/// <summary>A device: a disk that stays, and one life after the other on it.</summary>
internal sealed class Device
{
    private readonly Run _run;
    private Session? _session;
    private bool _isPowerLost;
    private FaultyFileSystem? _backup;
    private long _backupMoment;

    // While damaged disks are inspected: what stays.
    private (FaultyFileSystem Disk, Given Given)? _kept;

    public Device(Run run, int number)
    {
        (_run, Number) = (run, number);
        Given = new Given(run, number);
        Disk = new FaultyFileSystem(run.Random.Next());
        Disk.CreateDirectory("/disk");
        Disk.MakeDurable();
    }

    public int Number { get; }

    /// <summary>The disk; another one after each crash.</summary>
    public FaultyFileSystem Disk { get; private set; }

    /// <summary>What it was given of the feed.</summary>
    public Given Given { get; private set; }

    /// <summary>An earlier state of its disk has lived again, or a copy beside it.</summary>
    public bool IsCopied { get; private set; }

    /// <summary>How wrong the clock is.</summary>
    public TimeSpan ClockOffset { get; set; }

    /// <summary>The present life; null between two.</summary>
    public Life? Life { get; private set; }

    /// <summary>The program that runs in it.</summary>
    public Session? Session => Life is { IsDead: false } ? _session : null;

    /// <summary>True when the last life has done all that was to be done.</summary>
    public bool IsDone => Session is { IsDone: true };

    /// <summary>Begins a life.</summary>
    public void Start() => Start(null);

    /// <summary>
    /// Instead of the present life, which has closed everything, another one looks at a damaged disk.
    /// </summary>
    /// <param name="disk">The damaged disk.</param>
    /// <param name="inspection">What that life does.</param>
    public void Inspect(FaultyFileSystem disk, Inspection inspection)
    {
        IsCopied = true;
        _kept ??= (Disk, Given);
        EndQuietly();
        (Disk, Given) = (disk, _kept.Value.Given.Copy());
        Start(inspection);
    }

    /// <summary>The disk is what it was before the inspections, and a life as any other begins.</summary>
    public void EndInspections()
    {
        EndQuietly();
        (Disk, Given) = _kept!.Value;
        _kept = null;
        Start();
    }

    private void EndQuietly()
    {
        var life = Life!;
        Life = null;
        life.Kill();
        _session?.Link?.Close();
    }

    private void Start(Inspection? inspection)
    {
        Life = new Life(_run.World, _run.NextLife(), OnDeath);
        var runtime = new LedgerRuntime(
            Life, new LifeClock(_run.World, Life, () => ClockOffset), Life, new LifeFiles(Life, Disk),
            new MemoryNetwork());
        var session = new Session(_run, this, Life, runtime, inspection);
        _session = session;
        PlanFaults();
        _run.Say($"device {Number}: life {Life.Number} begins");
        Life.Start(() => _ = session.StartAsync());
    }

    /// <summary>Lets nothing go wrong any more.</summary>
    public void Heal()
    {
        Life?.KillAfter(long.MaxValue);
        Disk.Faults.CrashAt(0);
        Disk.Faults.FillAt(0);
        Disk.Faults.FreeSpace();
        (Disk.Faults.ReadFailureProbability, Disk.Faults.FlushFailureProbability) = (0, 0);
        Disk.Faults.WriteFailureProbability = 0;
    }

    /// <summary>The program ends, and the next one begins on the same disk.</summary>
    /// <param name="isClosed">It has closed everything. Otherwise its machine may fail with it.</param>
    public void Restart(bool isClosed)
    {
        _isPowerLost = !isClosed && !_run.IsHealing && _run.Random.NextDouble() < _run.Options.PowerLosses / 2;
        Life!.Kill();
    }

    private void PlanFaults()
    {
        var (random, options) = (_run.Random, _run.Options);
        if (_run.IsHealing)
        {
            return;
        }

        if (random.NextDouble() < options.Crashes)
        {
            // From the first breath to a long life, evenly by magnitude.
            var calls = (long)Math.Pow(10, 1.5 + (random.NextDouble() * 3.2));
            _isPowerLost = random.NextDouble() < options.PowerLosses;
            if (random.Next(2) == 0)
            {
                Life!.KillAfter(calls);
            }
            else
            {
                var at = Disk.Faults.OperationCount + 1 + (int)(calls / 12);
                Disk.Faults.CrashAt(at, (CrashMoment)random.Next(3));
            }
        }

        if (random.NextDouble() < options.DiskFaults)
        {
            var at = Disk.Faults.OperationCount + 1 + random.Next(400);
            switch (random.Next(4))
            {
                case 0:
                    Disk.Faults.FillAt(at, evenWhereReserved: random.Next(2) == 0);
                    break;
                case 1:
                    Disk.Faults.FailAt(at);
                    break;
                case 2:
                    Disk.Faults.FlushFailureProbability = 0.01;
                    break;
                default:
                    Disk.Faults.FailReadAt(Disk.Faults.ReadCount + 1 + random.Next(400));
                    break;
            }
        }
    }

    private void KeepOrRestoreBackup(Random random)
    {
        if (_backup is null)
        {
            if (random.Next(2) == 0)
            {
                (_backup, _backupMoment) = (Disk.CrashImage(CrashLoss.KeepAll, random.Next()), _run.Model.Tick());
            }
        }
        else if (random.Next(2) == 0)
        {
            Disk = _backup.CrashImage(CrashLoss.KeepAll, random.Next());
            _backup = null;
            IsCopied = true;
            _run.Model.Restored(Number, _backupMoment);
            _run.Say($"device {Number}: its backup is restored");
        }
    }

    private void OnDeath(Life life)
    {
        if (life != Life || _run.IsOver)
        {
            return;
        }

        _run.Deaths++;
        _session?.Link?.Close();
        var random = _run.Random;
        var isPowerLost = _isPowerLost;
        var loss = isPowerLost
            ? (CrashLoss)random.Next((int)CrashLoss.LoseAll, (int)CrashLoss.Torn + 1)
            : CrashLoss.KeepAll;
        _run.Say($"device {Number}: life {life.Number} ends, {loss}");
        if (_run.Options.Trace is { } trace)
        {
            foreach (var operation in Disk.Faults.Operations.TakeLast(60))
            {
                trace($"             {operation}");
            }

            foreach (var file in Disk.Files())
            {
                trace($"             {file}: {Disk.ReadAllBytes(file).Length} bytes");
            }
        }

        _run.Model.Died(Number, isPowerLost);
        Disk = isPowerLost ? Disk.CrashImage(loss, random.Next()) : Disk.Survivor(random.Next());
        if (_run.Options.Restores && !_run.IsHealing)
        {
            KeepOrRestoreBackup(random);
        }

        _session = null;
        _run.World.PostAfter(
            TimeSpan.FromMilliseconds(random.Next(2000)), new Work(_run.Supervisor, null, null, Start, null));
    }
}
