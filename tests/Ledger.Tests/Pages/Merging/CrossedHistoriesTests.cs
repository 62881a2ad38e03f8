using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects.Segments;
using Ledger.Pages.Merging;
using Xunit;

namespace Ledger.Tests.Pages.Merging;

/// <summary>Two heads that have several maximal common ancestors: what they come from is made first.</summary>
public sealed class CrossedHistoriesTests
{
    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(9)]
    [InlineData(20)]
    public async Task Histories_that_cross_any_number_of_times_are_merged_from_what_they_have_in_common(int count)
    {
        await using var world = await MergeWorld.CreateAsync();
        var edits = new List<Commit>();
        for (var number = 0; number < count; number++)
        {
            edits.Add(await world.EditAsync(
                Commit.Genesis, number, (ulong)(number + 1) << 16, Change($"k{number:00}", "10")));
        }

        var left = await MergeAllAsync(world, edits);
        var right = await MergeAllAsync(world, Enumerable.Reverse(edits));
        var last = $"k{count - 1:00}";
        left = await world.EditAsync(left, 100, 1000UL << 16, Change(last, "13"));
        right = await world.EditAsync(right, 101, 1001UL << 16, Change(last, "8"));
        var counter = MergeSettings.Create(MergePolicy.Custom, ConflictResolvers.Counter(), null);

        var merged = await world.MergeAsync(left, right, counter);
        var again = await world.MergeAsync(right, left, counter);

        // From 10 one side went up by 3, the other down by 2.
        var expected = Enumerable.Range(0, count).Select(
            number => $"k{number:00}={(number == count - 1 ? "11" : "10")}");
        Assert.Equal(string.Join(' ', expected), MergeWorld.Show(await world.ReadAsync(merged)));
        Assert.Equal(merged.Id, again.Id);
    }

    [Theory]
    [InlineData(MergePolicy.AutomaticWithFallback, 0)]
    [InlineData(MergePolicy.Custom, 1)]
    public async Task What_two_heads_come_from_is_made_without_the_resolver(MergePolicy policy, int calls)
    {
        Assert.Equal(calls, await CountCallsAsync(policy, PlantedBugs.None));

        // The planted fault asks once more, about the conflict that the two bases have.
        Assert.Equal(calls + 1, await CountCallsAsync(policy, PlantedBugs.VirtualBaseAsksResolver));
    }

    /// <summary>How often a merge asks of which the two bases are in conflict, and the two heads are not.</summary>
    private static async Task<int> CountCallsAsync(MergePolicy policy, PlantedBugs bugs)
    {
        await using var world = await MergeWorld.CreateAsync(bugs);
        var one = await world.EditAsync(Commit.Genesis, 0, 1UL << 16, Change("k", "1"));
        var two = await world.EditAsync(Commit.Genesis, 1, 2UL << 16, Change("k", "2"));
        var sum = MergeSettings.Create(MergePolicy.Custom, ConflictResolvers.Counter(), null);
        var left = await world.MergeAsync(one, two);
        var right = await world.MergeAsync(one, two, sum);
        Assert.NotEqual(left.Id, right.Id);
        left = await world.EditAsync(left, 2, 3UL << 16, Change("left", "x"));
        right = await world.EditAsync(right, 3, 4UL << 16, Change("right", "y"));
        var resolver = new TestResolver((_, _) => Task.CompletedTask);

        var merged = await world.MergeAsync(left, right, MergeSettings.Create(policy, resolver, null));

        Assert.Equal("k=3 left=x right=y", MergeWorld.Show(await world.ReadAsync(merged)));
        return resolver.Calls;
    }

    private static Dictionary<string, string?> Change(string key, string value) => new() { [key] = value };

    private static async Task<Commit> MergeAllAsync(MergeWorld world, IEnumerable<Commit> commits)
    {
        Commit? merged = null;
        foreach (var commit in commits)
        {
            merged = merged is null ? commit : await world.MergeAsync(merged, commit);
        }

        return merged!;
    }
}
