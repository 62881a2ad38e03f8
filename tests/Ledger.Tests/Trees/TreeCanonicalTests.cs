using Ledger.Objects;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Trees;

/// <summary>The same entries make the same root as the naive builder's, whatever the history.</summary>
public sealed class TreeCanonicalTests
{
    public static TheoryData<KeyShape, int> Shapes()
    {
        var data = new TheoryData<KeyShape, int>();
        foreach (var shape in Enum.GetValues<KeyShape>())
        {
            foreach (var count in (int[])[0, 1, 2, 3, 4, 5, 10, 50, 600])
            {
                data.Add(shape, count);
            }
        }

        data.Add(KeyShape.ZerosAndOnes, 5_000);
        data.Add(KeyShape.Sequential, 20_000);
        data.Add(KeyShape.Random, 20_000);
        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Building_at_once_gives_the_root_of_the_naive_builder(KeyShape shape, int count)
    {
        var world = new TreeWorld();
        var entries = TreeSamples.Entries(new Random(count), shape, count);

        var root = await world.BuildAsync(entries);

        Assert.Equal(world.BuildNaive(entries).RootHex, root.ToString());
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Any_order_batching_deletion_and_reinsertion_gives_the_same_root(KeyShape shape, int count)
    {
        var world = new TreeWorld();
        var random = new Random(count + 1);
        var entries = TreeSamples.Entries(random, shape, count);
        var extra = TreeSamples.Entries(random, shape, count / 3)
            .ExceptBy(entries.Select(entry => Convert.ToHexString(entry.Key.Span)),
                entry => Convert.ToHexString(entry.Key.Span))
            .ToList();
        var root = Tree.EmptyRoot;

        // Everything goes in with another value or beside what does not stay, and some of it goes out and in again.
        root = await ApplyInBatchesAsync(world, root, random, [
            .. entries.Select(entry => new TreeChange(entry.Key, TreeSamples.Value(random))),
            .. extra.Select(TreeSamples.Put)]);
        root = await ApplyInBatchesAsync(world, root, random, [
            .. extra.Select(TreeSamples.Delete),
            .. entries.Where((_, index) => index % 3 == 0).Select(TreeSamples.Delete)]);
        root = await ApplyInBatchesAsync(world, root, random, [.. entries.Select(TreeSamples.Put)]);

        Assert.Equal(world.BuildNaive(entries).RootHex, root.ToString());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public async Task A_long_random_history_agrees_with_the_naive_builder_at_every_step(int seed)
    {
        var random = new Random(seed);
        var world = new TreeWorld(new TreeSalt((ulong)random.NextInt64(), (ulong)random.NextInt64()), 100_000);
        var shape = (KeyShape)(seed % Enum.GetValues<KeyShape>().Length);
        var model = new SortedDictionary<ReadOnlyMemory<byte>, EntryValue>(KeyOrder.Instance);
        var root = Tree.EmptyRoot;

        for (var step = 0; step < 25; step++)
        {
            var changes = RandomChanges(random, shape, model);
            root = await world.ApplyAsync(root, changes);

            var expected = world.BuildNaive(model.Select(pair => new TreeEntry(pair.Key, pair.Value)));
            Assert.True(expected.RootHex == root.ToString(), $"Seed {seed}, step {step}, {model.Count} entries.");
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_tree_that_grows_key_by_key_at_one_end_agrees_at_every_step(bool atTheFront)
    {
        var world = new TreeWorld();
        var keys = TreeSamples.KeysWhoseHash(TreeWorld.Salt, 1_000, hash => hash < 1u << 31).Take(60).ToList();
        var entries = new List<TreeEntry>();
        var root = Tree.EmptyRoot;

        foreach (var key in atTheFront ? keys.AsEnumerable().Reverse() : keys)
        {
            entries.Add(TreeSamples.Inline(key, []));
            root = await world.ApplyAsync(root, [TreeSamples.Put(entries[^1])]);

            Assert.Equal(world.BuildNaive(entries).RootHex, root.ToString());
        }
    }

    [Theory]
    [InlineData(22)]
    [InlineData(100)]
    [InlineData(200)]
    [InlineData(300)]
    [InlineData(400)]
    public async Task Deep_trees_of_few_entries_agree_at_every_step(int seed)
    {
        for (var number = seed; number < seed + 5; number++)
        {
            var random = new Random(number);
            var world = new TreeWorld(new TreeSalt((ulong)random.NextInt64(), (ulong)random.NextInt64()), 100_000);
            var keySizeBytes = random.Next(2) == 0 ? 300 : 1_000;
            var keyCount = random.Next(20, 150);
            var model = new SortedDictionary<int, EntryValue>();
            var root = Tree.EmptyRoot;

            for (var step = 0; step < 25; step++)
            {
                root = await world.ApplyAsync(root, RandomRun(random, keySizeBytes, keyCount, model));

                var entries = model.Select(pair => new TreeEntry(LongKey(pair.Key, keySizeBytes), pair.Value));
                Assert.True(world.BuildNaive(entries).RootHex == root.ToString(), $"Seed {number}, step {step}.");
            }
        }
    }

    [Fact]
    public async Task Keys_whose_hash_always_wins_make_nodes_of_three_entries_on_every_level()
    {
        var world = new TreeWorld();
        var keys = TreeSamples.KeysWhoseHash(TreeWorld.Salt, 1_000, hash => hash < 1u << 31).Take(243);
        var entries = keys.Select(key => TreeSamples.Inline(key, [])).ToList();

        var root = await world.BuildAsync(entries);

        var naive = world.BuildNaive(entries);
        Assert.Equal([81, 27, 9, 3, 1], naive.Levels.Select(level => level.Count));
        Assert.Equal(naive.RootHex, root.ToString());
        Assert.Equal(root, await InShuffledBatchesAsync(world, entries, seed: 1));
    }

    [Theory]
    [InlineData(12, 3_000)]
    [InlineData(1_024, 300)]
    public async Task Keys_whose_hash_always_loses_run_to_the_maximum(int keySizeBytes, int count)
    {
        var world = new TreeWorld();
        var keys = TreeSamples.KeysWhoseHash(TreeWorld.Salt, keySizeBytes, hash => hash >= 1u << 31).Take(count);
        var entries = keys.Select(key => TreeSamples.Inline(key, new byte[10])).ToList();

        var root = await world.BuildAsync(entries);

        var naive = world.BuildNaive(entries);
        var perNode = (8192 + keySizeBytes + 13) / (keySizeBytes + 14);
        Assert.Equal((count + perNode - 1) / perNode, naive.Levels[0].Count);
        Assert.Equal(naive.RootHex, root.ToString());
        Assert.Equal(root, await InShuffledBatchesAsync(world, entries, seed: 2));
    }

    private static Task<ObjectId> InShuffledBatchesAsync(TreeWorld world, List<TreeEntry> entries, int seed) =>
        ApplyInBatchesAsync(world, Tree.EmptyRoot, new Random(seed), [.. entries.Select(TreeSamples.Put)]);

    private static async Task<ObjectId> ApplyInBatchesAsync(
        TreeWorld world, ObjectId root, Random random, TreeChange[] changes)
    {
        random.Shuffle(changes);
        for (var done = 0; done < changes.Length;)
        {
            var size = random.Next(1, Math.Max(2, changes.Length / 3));
            var batch = changes.Skip(done).Take(size).OrderBy(change => change.Key, KeyOrder.Instance);
            root = await world.ApplyAsync(root, batch);
            done += size;
        }

        return root;
    }

    private static byte[] LongKey(int number, int sizeBytes)
    {
        var key = new byte[sizeBytes];
        key[^2] = (byte)(number >> 8);
        key[^1] = (byte)number;
        return key;
    }

    // Puts or deletes a few keys, or most of them, side by side or anywhere.
    private static List<TreeChange> RandomRun(
        Random random, int keySizeBytes, int keyCount, SortedDictionary<int, EntryValue> model)
    {
        var count = random.Next(3) switch { 0 => random.Next(4), 1 => random.Next(20), _ => random.Next(keyCount) };
        var start = random.Next(keyCount);
        var isRun = random.Next(2) == 0;
        var chance = random.Next(3) * 0.5;
        var numbers = Enumerable.Range(0, count)
            .Select(index => isRun ? (start + index) % keyCount : random.Next(keyCount)).ToHashSet();
        var changes = new List<TreeChange>();
        foreach (var number in numbers.Order())
        {
            EntryValue? value =
                random.NextDouble() < chance ? null : EntryValue.OfInline(new byte[random.Next(513)]);
            changes.Add(new TreeChange(LongKey(number, keySizeBytes), value));
            if (value is { } put)
            {
                model[number] = put;
            }
            else
            {
                model.Remove(number);
            }
        }

        return changes;
    }

    // Sometimes a few keys anywhere, sometimes a run of neighbours, sometimes nearly everything goes.
    private static List<TreeChange> RandomChanges(
        Random random, KeyShape shape, SortedDictionary<ReadOnlyMemory<byte>, EntryValue> model)
    {
        var changes = new SortedDictionary<ReadOnlyMemory<byte>, EntryValue?>(KeyOrder.Instance);
        var present = model.Keys.ToList();
        var start = random.Next(present.Count + 1);
        var deletes = random.Next(6) == 0 ? present.Count : random.Next(Math.Min(present.Count, 60) + 1);
        foreach (var key in present.Skip(start).Take(deletes))
        {
            changes[key] = random.Next(4) == 0 ? TreeSamples.Value(random) : null;
        }

        for (var puts = random.Next(random.Next(3) == 0 ? 400 : 4); puts > 0; puts--)
        {
            changes[TreeSamples.Key(random, shape, random.Next(100_000))] = TreeSamples.Value(random);
        }

        changes[TreeSamples.Key(random, shape, random.Next(100_000))] = null;
        foreach (var (key, value) in changes)
        {
            if (value is { } put)
            {
                model[key] = put;
            }
            else
            {
                model.Remove(key);
            }
        }

        return [.. changes.Select(pair => new TreeChange(pair.Key, pair.Value))];
    }
}
