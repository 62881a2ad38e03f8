using Ledger.Objects;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Trees;

public sealed class ThreeWayDiffTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    public async Task Differences_are_those_of_the_lists(int seed)
    {
        var world = new TreeWorld();
        var random = new Random(seed);
        var shape = (KeyShape)(seed % Enum.GetValues<KeyShape>().Length);
        var entries = Model(TreeSamples.Entries(random, shape, random.Next(700)));
        var (left, right) = (Change(random, shape, entries), Change(random, shape, entries));
        var roots = new List<ObjectId>();
        foreach (var model in (SortedDictionary<string, TreeEntry>[])[entries, left, right])
        {
            roots.Add(await world.BuildAsync(model.Values));
        }

        var differences = await ThreeWayDiff.RunAsync(world.Tree, roots[0], roots[1], roots[2], default)
            .ToListAsync();

        var expected = entries.Keys.Union(left.Keys).Union(right.Keys).Order(StringComparer.Ordinal)
            .Select(key => new ThreeWayDifference(
                Convert.FromHexString(key), Find(entries, key), Find(left, key), Find(right, key)))
            .Where(item => !Equals(item.Base, item.Left) || !Equals(item.Base, item.Right))
            .ToList();
        Assert.True(
            expected.Select(Show).SequenceEqual(differences.Select(Show)), $"Seed {seed}, {expected.Count} expected.");
        Assert.Equal(expected.Count(IsConflict), differences.Count(item => item.IsConflict));
        static bool IsConflict(ThreeWayDifference item) =>
            !Equals(item.Left, item.Right) && !Equals(item.Base, item.Left) && !Equals(item.Base, item.Right);
    }

    [Fact]
    public async Task One_change_on_each_side_of_a_hundred_thousand_entries_reads_a_few_paths()
    {
        var world = new TreeWorld();
        var random = new Random(5);
        var entries = TreeSamples.EvenEntries(random, 100_000);
        var root = await world.BuildAsync(entries);
        var value = EntryValue.OfInline(TreeSamples.Bytes(random, 96));
        var left = await world.ApplyAsync(root, [new TreeChange(entries[5].Key, value)]);
        var right = await world.ApplyAsync(root, [new TreeChange(entries[77].Key, value)]);
        world.Store.Reset();

        var differences = await ThreeWayDiff.RunAsync(world.NewTree(), root, left, right, default).ToListAsync();

        Assert.Equal(2, differences.Count);
        Assert.InRange(world.Store.Reads.Count, 4, 20);
    }

    private static SortedDictionary<string, TreeEntry> Model(IEnumerable<TreeEntry> entries) =>
        new(entries.ToDictionary(entry => Convert.ToHexString(entry.Key.Span)), StringComparer.Ordinal);

    private static SortedDictionary<string, TreeEntry> Change(
        Random random, KeyShape shape, SortedDictionary<string, TreeEntry> entries)
    {
        var changed = new SortedDictionary<string, TreeEntry>(entries, StringComparer.Ordinal);
        foreach (var key in entries.Keys.Where(_ => random.Next(6) == 0))
        {
            if (random.Next(2) == 0)
            {
                changed.Remove(key);
            }
            else
            {
                // Few different values, so that both sides often change to the same.
                changed[key] = new TreeEntry(
                    Convert.FromHexString(key), EntryValue.OfInline(new byte[] { (byte)random.Next(2) }));
            }
        }

        foreach (var entry in TreeSamples.Entries(random, shape, random.Next(20)))
        {
            changed[Convert.ToHexString(entry.Key.Span)] = entry;
        }

        return changed;
    }

    private static EntryValue? Find(SortedDictionary<string, TreeEntry> model, string key) =>
        model.TryGetValue(key, out var entry) ? entry.Value : null;

    private static (string, EntryValue?, EntryValue?, EntryValue?) Show(ThreeWayDifference item) =>
        (Convert.ToHexString(item.Key.Span), item.Base, item.Left, item.Right);
}
