using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Xunit;
using Xunit.Abstractions;

namespace Ledger.Tests.Objects.Segments;

/// <summary>
/// The process dies before, in the middle of and after every change that a scripted life makes to the disk; every way
/// in
/// which a disk may keep or lose what was not flushed follows; then the store is opened again.
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
    public void A_planted_bug_is_found_by_the_enumeration(string bug)
    {
        var (_, problems) = Enumerate(Durability.Flushed, Enum.Parse<PlantedBugs>(bug), problemsMax: 1);

        Assert.NotEmpty(problems);
        output.WriteLine(problems[0]);
    }

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
                foreach (var (loss, seed) in Losses)
                {
                    var image = disk.CrashImage(loss, seed + boundary);
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
