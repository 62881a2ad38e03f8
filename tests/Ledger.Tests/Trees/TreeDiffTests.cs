using Ledger.Objects;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Trees;

public sealed class TreeDiffTests
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
    [InlineData(9)]
    [InlineData(10)]
    public async Task Differences_are_those_of_the_lists_and_applying_them_gives_the_other_tree(int seed)
    {
        var world = new TreeWorld();
        var random = new Random(seed);
        var shape = (KeyShape)(seed % Enum.GetValues<KeyShape>().Length);
        var left = TreeSamples.Entries(random, shape, random.Next(900));
        var right = Change(random, shape, left);
        var leftRoot = await world.BuildAsync(left);
        var rightRoot = await world.BuildAsync(right);
        var probe = TreeSamples.Key(random, shape, 700);

        foreach (var range in (KeyRange[])[
            KeyRange.All,
            new KeyRange(probe, null),
            new KeyRange(default, probe),
            KeyRange.OfPrefix(probe.AsMemory(0, 1)),
            new KeyRange(probe, TreeSamples.Key(random, shape, 900))])
        {
            var expected = NaiveDiff(left, right).Where(difference => range.Contains(difference.Key.Span)).ToList();
            var actual = await DiffAsync(world.Tree, leftRoot, rightRoot, range);
            AssertSame(expected, actual, seed);
        }

        var differences = await DiffAsync(world.Tree, leftRoot, rightRoot, KeyRange.All);
        var forward = differences.Select(difference => new TreeChange(difference.Key, difference.After));
        var backward = differences.Select(difference => new TreeChange(difference.Key, difference.Before));
        Assert.Equal(rightRoot, await world.ApplyAsync(leftRoot, forward));
        Assert.Equal(leftRoot, await world.ApplyAsync(rightRoot, backward));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    public async Task An_edit_tells_of_exactly_the_changes_that_make_a_difference(int seed)
    {
        var world = new TreeWorld();
        var random = new Random(seed);
        var shape = (KeyShape)(seed % Enum.GetValues<KeyShape>().Length);
        var left = TreeSamples.Entries(random, shape, 900);
        var right = Change(random, shape, left);
        var leftRoot = await world.BuildAsync(left);

        // Also puts of what is there already, and deletes of what never was.
        var rightKeys = right.Select(entry => Convert.ToHexString(entry.Key.Span)).ToHashSet();
        var absent = left.Select(entry => entry.Key)
            .Concat(Enumerable.Range(0, 50).Select(_ => (ReadOnlyMemory<byte>)TreeSamples.Key(random, shape, 900)))
            .DistinctBy(key => Convert.ToHexString(key.Span))
            .Where(key => !rightKeys.Contains(Convert.ToHexString(key.Span)));
        var changes = absent.Select(key => new TreeChange(key, null)).Concat(right.Select(TreeSamples.Put))
            .OrderBy(change => change.Key, KeyOrder.Instance).ToList();
        var told = new List<TreeChange>();
        using var batch = world.Tree.WriteBack.BeginBatch();
        var rightRoot = await world.Tree.ApplyAsync(leftRoot, changes, batch, default, (change, _) =>
        {
            told.Add(change);
            return ValueTask.CompletedTask;
        });

        var differences = await DiffAsync(world.Tree, leftRoot, rightRoot, KeyRange.All);
        Assert.True(differences.Count is > 0 && differences.Count < changes.Count, $"seed {seed}");
        Assert.Equal(
            differences.Select(difference => (Convert.ToHexString(difference.Key.Span), difference.After)),
            told.Select(change => (Convert.ToHexString(change.Key.Span), change.Value)));
    }

    [Fact]
    public async Task Equal_roots_are_not_read()
    {
        var world = new TreeWorld();
        var root = await world.BuildAsync(TreeSamples.EvenEntries(new Random(1), 1_000));
        world.Store.Reset();

        var differences = await DiffAsync(world.NewTree(), root, root, KeyRange.All);

        Assert.Empty(differences);
        Assert.Empty(world.Store.Reads);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task One_key_among_a_hundred_thousand_reads_one_path_on_each_side(bool isDelete)
    {
        var world = new TreeWorld();
        var random = new Random(2);
        var entries = TreeSamples.EvenEntries(random, 100_000);
        var root = await world.BuildAsync(entries);
        var height = NodeDecoder.Decode((await world.Store.ReadAsync(ObjectKind.Node, root, default))!.Value).Level + 1;
        var reads = new List<int>();

        for (var round = 0; round < 30; round++)
        {
            var entry = entries[random.Next(entries.Count)];
            EntryValue? value = isDelete ? null : EntryValue.OfInline(TreeSamples.Bytes(random, 96));
            var changed = await world.ApplyAsync(root, [new TreeChange(entry.Key, value)]);
            world.Store.Reset();
            var difference = Assert.Single(await DiffAsync(world.NewTree(), root, changed, KeyRange.All));
            Assert.Equal(entry.Value, difference.Before);
            Assert.Equal(value, difference.After);
            reads.Add(world.Store.Reads.Count);
        }

        // A delete may take a cut away; the nodes up to the next common cut differ then, and have to be read.
        Assert.All(reads, count => Assert.InRange(count, 2, isDelete ? 6 * height : 2 * height));
        Assert.InRange(reads.Average(), 2, (isDelete ? 3 : 2) * height);
    }

    [Fact]
    public async Task A_few_keys_far_apart_read_a_few_paths()
    {
        var world = new TreeWorld();
        var random = new Random(3);
        var entries = TreeSamples.EvenEntries(random, 30_000);
        var root = await world.BuildAsync(entries);
        var changes = Enumerable.Range(0, 10)
            .Select(_ => TreeSamples.Inline(TreeSamples.Bytes(random, 16), TreeSamples.Bytes(random, 96)));
        var changed = await world.ApplyAsync(root, TreeWorld.Sorted(changes).Select(TreeSamples.Put));
        world.Store.Reset();

        var differences = await DiffAsync(world.NewTree(), root, changed, KeyRange.All);

        Assert.Equal(10, differences.Count);
        Assert.InRange(world.Store.Reads.Count, 20, 2 * 10 * 5);
    }

    [Fact]
    public async Task A_tree_that_lies_below_a_higher_one_is_not_read()
    {
        var world = new TreeWorld();
        var entries = TreeWorld.Sorted(TreeSamples.EvenEntries(new Random(4), 20_000)).ToList();
        var root = await world.BuildAsync(entries);
        var node = NodeDecoder.Decode((await world.Store.ReadAsync(ObjectKind.Node, root, default))!.Value);
        var child = node.ChildAt(0);
        world.Store.Reset();
        var tree = world.NewTree();

        var count = 0;
        await foreach (var difference in tree.DiffAsync(child.Id, root, KeyRange.All, default))
        {
            Assert.Null(difference.Before);
            count++;
            break;
        }

        Assert.Equal(1, count);
        Assert.InRange(world.Store.Reads.Distinct().Count(), 2, node.Level + 2);
    }

    private static async Task<List<TreeDifference>> DiffAsync(
        Tree tree, ObjectId left, ObjectId right, KeyRange range)
    {
        var differences = new List<TreeDifference>();
        await foreach (var difference in tree.DiffAsync(left, right, range, default))
        {
            differences.Add(difference);
        }

        return differences;
    }

    // Single keys, runs of neighbours, and sometimes all but a few change.
    private static List<TreeEntry> Change(Random random, KeyShape shape, List<TreeEntry> entries)
    {
        var model = new SortedDictionary<ReadOnlyMemory<byte>, EntryValue>(KeyOrder.Instance);
        foreach (var entry in entries)
        {
            model.Add(entry.Key, entry.Value);
        }

        var sorted = model.Keys.ToList();
        var deletes = random.Next(4) == 0 ? sorted.Count : random.Next(sorted.Count / 2 + 1);
        foreach (var key in sorted.Skip(random.Next(sorted.Count)).Take(deletes))
        {
            model.Remove(key);
        }

        for (var number = 0; number < 20; number++)
        {
            model[TreeSamples.Key(random, shape, random.Next(3_000))] = TreeSamples.Value(random);
            if (sorted.Count > 0)
            {
                model[sorted[random.Next(sorted.Count)]] = TreeSamples.Value(random);
            }
        }

        return [.. model.Select(pair => new TreeEntry(pair.Key, pair.Value))];
    }

    private static IEnumerable<TreeDifference> NaiveDiff(List<TreeEntry> left, List<TreeEntry> right)
    {
        var before = left.ToDictionary(entry => Convert.ToHexString(entry.Key.Span), entry => entry.Value);
        var after = right.ToDictionary(entry => Convert.ToHexString(entry.Key.Span), entry => entry.Value);
        return before.Keys.Union(after.Keys).Order(StringComparer.Ordinal)
            .Select(key => new TreeDifference(
                Convert.FromHexString(key),
                before.TryGetValue(key, out var old) ? old : null,
                after.TryGetValue(key, out var now) ? now : null))
            .Where(difference => !Equals(difference.Before, difference.After));
    }

    private static void AssertSame(List<TreeDifference> expected, List<TreeDifference> actual, int seed)
    {
        Assert.True(
            expected.Select(item => Convert.ToHexString(item.Key.Span))
                .SequenceEqual(actual.Select(item => Convert.ToHexString(item.Key.Span))),
            $"Seed {seed}: {expected.Count} differences expected, {actual.Count} found, or other keys.");
        Assert.Equal(expected.Select(item => item.Before), actual.Select(item => item.Before));
        Assert.Equal(expected.Select(item => item.After), actual.Select(item => item.After));
    }
}
