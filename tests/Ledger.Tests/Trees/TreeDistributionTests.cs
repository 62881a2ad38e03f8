using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Trees;

/// <summary>Sizes of nodes and cost of edits are those that the split rule was chosen for.</summary>
public sealed class TreeDistributionTests
{
    [Fact]
    public void Nodes_of_short_entries_weigh_T_on_average_and_are_even()
    {
        var weights = Weights(TreeSamples.EvenEntries(new Random(1), 60_000), weight: 116).Order().ToList();

        Assert.InRange(weights.Average(), 0.97 * TreeProfile.NodeWeightMean, 1.05 * TreeProfile.NodeWeightMean);
        Assert.InRange(weights[weights.Count / 100], 0.33 * TreeProfile.NodeWeightMean, TreeProfile.NodeWeightMean);
        Assert.InRange(weights[^(weights.Count / 100)], TreeProfile.NodeWeightMean, 1.65 * TreeProfile.NodeWeightMean);
    }

    [Fact]
    public async Task An_insert_among_the_longest_keys_rewrites_three_nodes_of_a_level_at_most()
    {
        var world = new TreeWorld();
        var random = new Random(2);
        var entries = Enumerable.Range(0, 1_500)
            .Select(_ => TreeSamples.Inline(TreeSamples.Bytes(random, 1_024), [])).ToList();
        var root = await world.BuildAsync(entries);
        var height = world.BuildNaive(entries).Levels.Count;
        var puts = 0;

        for (var round = 0; round < 200; round++)
        {
            world.Store.Reset();
            await world.ApplyAsync(
                root, [TreeSamples.Put(TreeSamples.Inline(TreeSamples.Bytes(random, 1_024), []))]);
            puts += world.Store.Puts.Count;
        }

        Assert.InRange(puts / 200.0, height, 3.0 * height);
    }

    [Theory]
    [InlineData(20, 24, 182UL)]
    [InlineData(116, 116, 119_356UL)]
    [InlineData(116, 2_048, 656_844_042UL)]
    [InlineData(116, 3_100, 1UL << 31)]
    [InlineData(1_540, 9_731, 1UL << 31)]
    public void The_chance_of_a_cut_is_the_formula_in_integers(int weight, int nodeWeight, ulong expected)
    {
        var chance = SplitRule.ChanceOf((ulong)weight, (ulong)nodeWeight);

        var exact = Math.Floor(4.0 * weight * nodeWeight * nodeWeight * (double)nodeWeight / 6_068);
        Assert.Equal((ulong)Math.Min(exact, 1UL << 31), chance);
        Assert.True(expected == chance, $"{chance}");
    }

    private static IEnumerable<int> Weights(List<TreeEntry> entries, int weight)
    {
        // The last node of the level ends anywhere and is left out.
        var level = new TreeWorld().BuildNaive(entries).Levels[0];
        return level.Take(level.Count - 1).Select(node => NodeDecoder.Decode(node).Count * weight);
    }
}
