using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Xunit;
using Xunit.Abstractions;

namespace Ledger.Tests.Objects.Segments;

/// <summary>
/// The process dies before, in the middle of and after every change that a scripted life makes to the disk; every way
/// in which a disk may keep or lose what was not flushed follows; then the store is opened again, and dies in that too.
/// </summary>
public sealed class CrashTests(ITestOutputHelper output)
{
    private static readonly (CrashLoss Loss, int Seed)[] Losses =
    [
        (CrashLoss.KeepAll, 0), (CrashLoss.LoseAll, 0), (CrashLoss.LoseContents, 0), (CrashLoss.LoseNames, 0),
        (CrashLoss.Torn, 1), .. Enumerable.Range(1, TestNumbers.Of(1, nightly: 20)).Select(SubsetOf),
    ];

    [Theory]
    [InlineData(Durability.Flushed)]
    [InlineData(Durability.Buffered)]
    public void After_a_crash_at_every_boundary_nothing_acknowledged_is_lost_and_nothing_is_half_there(
        Durability durability)
    {
        var (boundaries, problems) = Enumerate(durability, PlantedBugs.None, problemsMax: 5);

        output.WriteLine($"{boundaries} boundaries");
        Assert.True(problems.Count == 0, string.Join('\n', problems));
        Assert.True(boundaries >= 100, $"The script has only {boundaries} boundaries.");
    }

    [Theory]
    [InlineData(nameof(PlantedBugs.SkipFlush))]
    [InlineData(nameof(PlantedBugs.AcknowledgeBeforeFlush))]
    [InlineData(nameof(PlantedBugs.SkipDirectoryFlush))]
    [InlineData(nameof(PlantedBugs.SkipChecksum))]
    [InlineData(nameof(PlantedBugs.SkipManifestFlush))]
    [InlineData(nameof(PlantedBugs.SkipRunFlush))]
    [InlineData(nameof(PlantedBugs.SkipRollFlush), Durability.Buffered)]
    [InlineData(nameof(PlantedBugs.IgnoreFlushedTo), Durability.Buffered)]
    [InlineData(nameof(PlantedBugs.AppendAfterCrash), Durability.Buffered)]
    public void A_planted_bug_is_found_by_the_enumeration(
        string bug, Durability durability = Durability.Flushed)
    {
        var (_, problems) = Enumerate(durability, Enum.Parse<PlantedBugs>(bug), problemsMax: 1);

        Assert.NotEmpty(problems);
        output.WriteLine(problems[0]);
    }

    [Theory]
    [InlineData(Durability.Flushed)]
    [InlineData(Durability.Buffered)]
    public void After_a_crash_at_every_boundary_of_the_recovery_nothing_acknowledged_is_lost(Durability durability)
    {
        var (recoveries, problem) = EnumerateRecoveries(durability, PlantedBugs.None, TestNumbers.Of(5, nightly: 1));

        output.WriteLine($"{recoveries} recoveries");
        Assert.True(problem is null, problem);
        Assert.True(recoveries >= 200, $"There were only {recoveries} crashes in recoveries.");
    }

    [Fact]
    public void A_planted_bug_of_the_recovery_is_found_by_the_enumeration()
    {
        var (_, problem) = EnumerateRecoveries(Durability.Buffered, PlantedBugs.RemoveBeforeListing, stride: 3);

        Assert.NotNull(problem);
        output.WriteLine(problem);
    }

    private static (int Recoveries, string? Problem) EnumerateRecoveries(
        Durability durability, PlantedBugs bugs, int stride)
    {
        var recoveries = 0;
        for (var boundary = 1 + (int)durability; ; boundary += stride)
        {
            var script = new CrashScript(durability, bugs);
            var disk = CrashScript.MakeDisk(boundary);
            disk.Faults.CrashAt(boundary + disk.Faults.OperationCount, (CrashMoment)(boundary % 3));
            if (script.Run(disk, boundary) && !disk.Faults.IsCrashed)
            {
                return (recoveries, null);
            }

            var (loss, _) = Losses[boundary / stride % Losses.Length];
            var first = ImageOf(disk, loss, boundary);
            for (var (operation, isDone) = (1, false); !isDone; operation++, recoveries++)
            {
                var image = first.Survivor(operation);
                image.Faults.CrashAt(operation, (CrashMoment)(operation % 3));
                (var after, isDone) = script.Recover(image, isDurable: loss != CrashLoss.KeepAll, boundary);
                var (next, _) = Losses[(boundary + operation) % Losses.Length];
                var problem = after.Check(
                    ImageOf(image, next, operation), powerLost: next != CrashLoss.KeepAll, boundary);
                if (problem is not null)
                {
                    return (recoveries, $"Boundary {boundary}, {loss}, then operation {operation} of the recovery, " +
                        $"{next}: {problem}\n{string.Join('\n', image.Faults.Operations)}");
                }
            }
        }
    }

    private static FaultyFileSystem ImageOf(FaultyFileSystem disk, CrashLoss loss, int seed) =>
        loss == CrashLoss.KeepAll ? disk.Survivor(seed) : disk.CrashImage(loss, seed);

    private static (CrashLoss Loss, int Seed) SubsetOf(int seed) => (CrashLoss.RandomSubset, seed);

    private static (int Boundaries, List<string> Problems) Enumerate(
        Durability durability, PlantedBugs bugs, int problemsMax)
    {
        var problems = new List<string>();
        for (var boundary = 1; ; boundary++)
        {
            // After one operation is before the next, as far as the disk can tell.
            foreach (var moment in new[] { CrashMoment.Before, CrashMoment.Middle })
            {
                var script = new CrashScript(durability, bugs);
                var disk = CrashScript.MakeDisk(boundary);
                disk.Faults.CrashAt(boundary + disk.Faults.OperationCount, moment);
                var isDone = script.Run(disk, boundary) && !disk.Faults.IsCrashed;
                foreach (var (index, (loss, seed)) in Losses.Index())
                {
                    // In the usual run each boundary meets each loss once: half of them before, the others within.
                    if (!TestNumbers.IsNightly && (index + boundary + (int)moment) % 2 == 0)
                    {
                        continue;
                    }

                    var image = ImageOf(disk, loss, seed + boundary);
                    var problem = script.Check(image, powerLost: loss != CrashLoss.KeepAll, boundary);
                    if (problem is not null)
                    {
                        problems.Add($"{moment} boundary {boundary}, {loss} with seed {seed + boundary}: {problem}\n" +
                            $"  the last operation was {disk.Faults.Operations[^1]}");
                    }
                }

                if (problems.Count >= problemsMax || isDone)
                {
                    return (boundary, problems);
                }
            }
        }
    }
}
