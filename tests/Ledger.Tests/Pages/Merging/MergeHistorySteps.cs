using System.Globalization;
using Ledger.Commits;
using Ledger.Pages.Merging;

namespace Ledger.Tests.Pages.Merging;

/// <summary>One step of a history of several devices.</summary>
/// <param name="Device">Who does it.</param>
/// <param name="Other">Merges with what this device has; null for an edit.</param>
/// <param name="Ahead">How far the clock of an edit is ahead.</param>
/// <param name="Edit">Chooses what is edited.</param>
internal readonly record struct HistoryStep(int Device, int? Other, ulong Ahead, int Edit);

/// <summary>Random histories, played and made smaller.</summary>
internal static class MergeHistorySteps
{
    public const int Devices = 4;

    /// <summary>Clocks that are right, equal, or ten years off.</summary>
    private static readonly ulong[] Clocks = [0, 0, 1, 2, 20_000_000_000_000, 5];

    public static List<HistoryStep> Make(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            var device = random.Next(Devices);
            var other = (device + random.Next(1, Devices)) % Devices;
            return new HistoryStep(
                device, random.Next(5) < 2 ? other : null, Clocks[random.Next(Clocks.Length)], random.Next());
        })];
    }

    /// <summary>Plays a history; checks each merge.</summary>
    /// <param name="steps">The history.</param>
    /// <param name="settings">How devices merge.</param>
    /// <param name="editOf">The changes of an edit, from the number that chooses it and the entries before it.</param>
    /// <param name="modelOf">The entries that the edits of a commit's history must give.</param>
    /// <returns>What is wrong, or null.</returns>
    public static async Task<string?> PlayAsync(
        IEnumerable<HistoryStep> steps, MergeSettings settings,
        Func<int, IReadOnlyDictionary<string, string>, Dictionary<string, string?>> editOf,
        Func<IEnumerable<MadeEdit>, IEnumerable<KeyValuePair<string, string>>> modelOf)
    {
        await using var world = await MergeWorld.CreateAsync();
        var heads = Enumerable.Repeat(Commit.Genesis, Devices).ToArray();
        foreach (var step in steps)
        {
            var mine = heads[step.Device];
            if (step.Other is not { } other)
            {
                var changes = editOf(step.Edit, await world.ReadAsync(mine));
                heads[step.Device] = await world.EditAsync(mine, step.Device, step.Ahead, changes);
                continue;
            }

            heads[step.Device] = await world.MergeAsync(mine, heads[other], settings);
            if (await FindProblemAsync(world, heads[step.Device], modelOf) is { } problem)
            {
                return problem;
            }
        }

        return await MergeInTwoOrdersAsync(world, heads, settings, modelOf);
    }

    /// <summary>Leaves out what a failure does not need.</summary>
    public static async Task<(List<HistoryStep> Steps, string Problem)> ShrinkAsync(
        List<HistoryStep> steps, string problem, Func<List<HistoryStep>, Task<string?>> playAsync)
    {
        for (var size = steps.Count / 2; size > 0; size /= 2)
        {
            for (var start = 0; start + size <= steps.Count;)
            {
                List<HistoryStep> fewer = [.. steps[..start], .. steps[(start + size)..]];
                if (await playAsync(fewer) is { } still)
                {
                    (steps, problem) = (fewer, still);
                }
                else
                {
                    start += size;
                }
            }
        }

        return (steps, problem);
    }

    public static string Show(IEnumerable<HistoryStep> steps) => string.Join(
        "; ", steps.Select(step => string.Create(
            CultureInfo.InvariantCulture,
            $"{step.Device} {(step.Other is { } other ? $"merges {other}" : $"edits {step.Edit} at {step.Ahead}")}")));

    private static async Task<string?> MergeInTwoOrdersAsync(
        MergeWorld world, Commit[] heads, MergeSettings settings,
        Func<IEnumerable<MadeEdit>, IEnumerable<KeyValuePair<string, string>>> modelOf)
    {
        // In a line, and in pairs.
        var line = heads[0];
        foreach (var head in heads[1..])
        {
            line = await world.MergeAsync(line, head, settings);
        }

        var left = await world.MergeAsync(heads[0], heads[2], settings);
        var right = await world.MergeAsync(heads[3], heads[1], settings);
        var pairs = await world.MergeAsync(left, right, settings);
        return line.Root != pairs.Root
            ? $"in a line {MergeWorld.Show(await world.ReadAsync(line))}, " +
                $"in pairs {MergeWorld.Show(await world.ReadAsync(pairs))}"
            : await FindProblemAsync(world, line, modelOf);
    }

    private static async Task<string?> FindProblemAsync(
        MergeWorld world, Commit commit, Func<IEnumerable<MadeEdit>, IEnumerable<KeyValuePair<string, string>>> modelOf)
    {
        var expected = MergeWorld.Show(
            modelOf(world.EditsIn(commit)).OrderBy(pair => pair.Key, StringComparer.Ordinal));
        var actual = MergeWorld.Show(await world.ReadAsync(commit));
        return expected == actual ? null : $"expected {expected}, found {actual}";
    }
}
