using System.Globalization;
using Ledger.Objects.Segments;
using Ledger.Simulation.Model;

namespace Ledger.Simulation.Workload;

/// <summary>What a seed draws before anything runs.</summary>
internal sealed record RunOptions
{
    public required ulong Seed { get; init; }

    public required int Operations { get; init; }

    public required int Devices { get; init; }

    public required int Pages { get; init; }

    public required int Keys { get; init; }

    public required int Actors { get; init; }

    public required PolicyKind Policy { get; init; }

    /// <summary>Lives end by a crash; 0 to 1.</summary>
    public required double Crashes { get; init; }

    /// <summary>A crash takes what was not flushed; 0 to 1.</summary>
    public required double PowerLosses { get; init; }

    /// <summary>A life meets a disk that refuses; 0 to 1.</summary>
    public required double DiskFaults { get; init; }

    /// <summary>A write asks for less than the repository's durability; 0 to 1.</summary>
    public required double Buffered { get; init; }

    /// <summary>Transactions overlap, so that histories diverge.</summary>
    public required bool Diverges { get; init; }

    /// <summary>Clocks jump, up to ten years.</summary>
    public required bool ClocksJump { get; init; }

    /// <summary>What goes wrong between the devices and the cloud.</summary>
    public required CloudTrouble Trouble { get; init; }

    /// <summary>What the cloud does that no honest one does.</summary>
    public required Malice Malice { get; init; }

    /// <summary>Backups of devices are restored.</summary>
    public required bool Restores { get; init; }

    /// <summary>There is a page that is deleted and made again.</summary>
    public required bool Recreates { get; init; }

    /// <summary>The longest that work on the disk takes; half of it takes nothing.</summary>
    public required TimeSpan DiskTimeMax { get; init; }

    /// <summary>How likely what only reads the disk lets nothing else run meanwhile; 0 to 1.</summary>
    public double ReadsAtOnce { get; init; }

    /// <summary>At the end a device at rest loses a bit of its disk.</summary>
    public bool Rots { get; init; }

    /// <summary>Whether the disk takes longer than everything else.</summary>
    public bool IsDiskSlow => DiskTimeMax > TimeSpan.FromMilliseconds(10);

    /// <summary>Whether there is a cloud.</summary>
    public bool HasCloud => Devices > 1;

    public required long SegmentSizeBytes { get; init; }

    public required long CheckpointSizeBytes { get; init; }

    public required int WriteBackCommits { get; init; }

    /// <summary>Every continuation is watched for leaving the thread, and not only those that come back.</summary>
    public bool WatchesFlow => Seed % 4 == 1;

    /// <summary>Every device is verified at the end, and not only one.</summary>
    public bool VerifiesAll => Seed % 4 == 0;

    /// <summary>A fault that was planted in the engine.</summary>
    public PlantedBugs Bugs { get; init; }

    /// <summary>Tells what is happening.</summary>
    public Action<string>? Trace { get; init; }

    /// <summary>Values of every length may be lazy, and are fetched from the cloud.</summary>
    public bool Fetches { get; init; }

    public static RunOptions Draw(ulong seed, int operations)
    {
        var random = new Random(unchecked((int)(seed * 0x9E3779B1) ^ (int)(seed >> 32)));
        var malice = Pick(
            random, Malice.None, Malice.None, Malice.None, Malice.Loses, Malice.Reorders, Malice.Withholds,
            Malice.Misleads);
        var options = new RunOptions
        {
            Seed = seed,
            Operations = operations,
            Devices = Pick(random, 1, 2, 2, 3, 4),
            Pages = random.Next(3) == 0 ? 2 : 1,
            Keys = Pick(random, 4, 12, 40, 150),
            Actors = random.Next(1, 5),
            Policy = Pick(
                random, PolicyKind.LastOneWins, PolicyKind.LastOneWins, PolicyKind.LastOneWins, PolicyKind.Fallback,
                PolicyKind.Custom, PolicyKind.None),
            Crashes = Pick(random, 0.5, 1, 1),
            PowerLosses = Pick(random, 0, 0.5, 1),
            DiskFaults = Pick(random, 0, 0, 0.3),
            Buffered = Pick(random, 0, 0, 0.2, 0.9),
            Diverges = random.Next(3) > 0,
            ClocksJump = random.Next(3) == 0,
            Trouble = Pick(random, CloudTrouble.None, CloudTrouble.Some, CloudTrouble.Some, CloudTrouble.Much),
            SegmentSizeBytes = Pick(random, 16L << 10, 64L << 10, 1L << 20),
            CheckpointSizeBytes = Pick(random, 8L << 10, 32L << 10, 16L << 20),
            WriteBackCommits = Pick(random, 5, 50, 1000),
            Malice = malice,
            Restores = random.Next(2) == 0 && malice == Malice.None,
            Recreates = random.Next(4) == 0,
            DiskTimeMax = TimeSpan.FromMilliseconds(Pick(random, 2, 2, 40)),
        };

        // What a resolver is shown of a lazy value depends on whether it is here.
        return options with
        {
            Fetches = random.Next(3) == 0 && options.Policy is (PolicyKind.LastOneWins or PolicyKind.None),
            ReadsAtOnce = Pick(random, 0, 0.9, 0.95, 0.99),
            Rots = random.Next(4) == 0 && malice == Malice.None,
        };

        static T Pick<T>(Random random, params ReadOnlySpan<T> choices) => choices[random.Next(choices.Length)];
    }

    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"seed {Seed}, {Operations} operations: {Devices} devices, {Pages} pages, {Keys} keys, {Actors} actors, " +
        $"policy {Policy}{(Diverges ? ", diverging" : "")}, crashes {Crashes}, power losses {PowerLosses}, " +
        $"disk faults {DiskFaults}, buffered {Buffered}{(ClocksJump ? ", clocks jump" : "")}, cloud {Trouble}, " +
        $"{Malice}{(Restores ? ", backups" : "")}{(Recreates ? ", a page deleted" : "")}" +
        $"{(Fetches ? ", lazy values" : "")}{(Rots ? ", a bit flips" : "")}, " +
        $"disk {DiskTimeMax.TotalMilliseconds} ms, {ReadsAtOnce} of the reads at once, " +
        $"segments {SegmentSizeBytes >> 10} KiB, checkpoints {CheckpointSizeBytes >> 10} KiB, " +
        $"write-back after {WriteBackCommits}, bugs {Bugs}");
}
