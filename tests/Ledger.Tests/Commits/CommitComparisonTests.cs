using Ledger.Commits;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Commits;

public sealed class CommitComparisonTests
{
    [Fact]
    public async Task Comparisons_in_random_graphs_are_what_plain_sets_say()
    {
        for (var seed = 0; seed < 40; seed++)
        {
            var random = new Random(seed);
            await using var world = new CommitWorld();
            await world.MakeRandomAsync(80, random);
            for (var round = 0; round < 40; round++)
            {
                var left = world.Commits[random.Next(world.Commits.Count)];
                var right = world.Commits[random.Next(world.Commits.Count)];

                var comparison = await CommitComparison.RunAsync(world.NewGraph(), left, right, default);

                AssertNaive(world, left, right, comparison, $"Seed {seed}, round {round}.");
            }
        }
    }

    [Fact]
    public async Task Criss_cross_of_depth_five_has_two_bases_at_every_level()
    {
        await using var world = new CommitWorld();
        var (left, right) = (await world.CommitAsync(1, Commit.Genesis), await world.CommitAsync(2, Commit.Genesis));
        for (var depth = 0; depth < 5; depth++)
        {
            var (newLeft, newRight) = (await world.CommitAsync(1, left), await world.CommitAsync(2, right));
            (left, right) = (await world.MergeAsync(newLeft, right), await world.MergeAsync(left, newRight));

            var comparison = await CommitComparison.RunAsync(world.NewGraph(), left, right, default);

            Assert.Equal(2, comparison.Bases.Count);
            AssertNaive(world, left, right, comparison, $"Depth {depth}.");
        }
    }

    [Fact]
    public async Task An_ancestor_is_the_only_base_and_has_nothing_alone()
    {
        await using var world = new CommitWorld();
        var chain = await world.MakeChainAsync(Commit.Genesis, 5);

        var comparison = await CommitComparison.RunAsync(world.NewGraph(), chain[2], chain[5], default);

        Assert.Equal(chain[2], Assert.Single(comparison.Bases));
        Assert.Empty(comparison.LeftOnly);
        Assert.Equal([chain[5], chain[4], chain[3]], comparison.RightOnly);
        Assert.Empty(comparison.RecentCommon);
    }

    [Fact]
    public async Task Reads_follow_the_difference_and_not_the_length_of_the_history()
    {
        await using var world = new CommitWorld();
        var chain = await world.MakeChainAsync(Commit.Genesis, 2000);
        var left = await world.MakeChainAsync(chain[^1], 10);
        var right = await world.CommitAsync(100, chain[^1]);
        var before = world.Reads;

        var comparison = await CommitComparison.RunAsync(world.NewGraph(), left[^1], right, default);

        Assert.Equal(chain[^1], Assert.Single(comparison.Bases));
        Assert.InRange(world.Reads - before, 1, 15);
    }

    private static void AssertNaive(
        CommitWorld world, Commit left, Commit right, CommitComparison comparison, string where)
    {
        var lefts = world.AncestorsOf(left);
        var rights = world.AncestorsOf(right);
        var common = lefts.Intersect(rights).ToHashSet();
        var bases = common
            .Where(commit => !common.Any(other => other != commit && world.AncestorsOf(other).Contains(commit)))
            .OrderBy(commit => commit.Timestamp).ThenBy(commit => commit.Id);
        var oldest = lefts.Except(rights).Union(rights.Except(lefts)).Select(commit => commit.Timestamp).Order()
            .Cast<HybridTimestamp?>().FirstOrDefault();
        Assert.True(bases.SequenceEqual(comparison.Bases), where);
        Assert.True(Sort(lefts.Except(rights)).SequenceEqual(comparison.LeftOnly), where);
        Assert.True(Sort(rights.Except(lefts)).SequenceEqual(comparison.RightOnly), where);
        var recent = common.Where(commit => !commit.IsGenesis && commit.Timestamp >= oldest);
        Assert.True(Sort(recent).SequenceEqual(comparison.RecentCommon), where);
    }

    private static IEnumerable<Commit> Sort(IEnumerable<Commit> commits) => commits
        .OrderByDescending(commit => commit.Timestamp).ThenByDescending(commit => commit.Generation)
        .ThenByDescending(commit => commit.Id);
}
