using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Trees;

/// <summary>What an edit reads, writes and refuses; its results are in <see cref="TreeCanonicalTests"/>.</summary>
public sealed class TreeEditTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Only_nodes_that_the_store_does_not_have_are_written_and_each_once(int seed)
    {
        var random = new Random(seed);
        var world = new TreeWorld();
        var entries = TreeSamples.EvenEntries(random, 5_000);
        var root = await world.BuildAsync(entries);
        var stored = world.Store.Puts.ToHashSet();

        for (var round = 0; round < 15; round++)
        {
            var changes = entries.Where(_ => random.Next(1_000) == 0)
                .Select(entry => random.Next(2) == 0 ? TreeSamples.Delete(entry)
                    : new TreeChange(entry.Key, EntryValue.OfInline(TreeSamples.Bytes(random, random.Next(200)))))
                .Append(TreeSamples.Put(TreeSamples.EvenEntries(random, 1)[0]))
                .OrderBy(change => change.Key, KeyOrder.Instance);
            world.Store.Reset();
            root = await world.ApplyAsync(root, changes);

            var puts = world.Store.Puts.ToList();
            var added = await NodesOfAsync(world, root);
            added.ExceptWith(stored);
            stored.UnionWith(puts);
            Assert.True(added.SetEquals(puts), $"Seed {seed}, round {round}: other nodes than the new ones.");
            Assert.Equal(puts.Count, puts.Distinct().Count());
        }
    }

    [Fact]
    public async Task Changes_that_change_nothing_give_the_same_root_and_write_nothing()
    {
        var random = new Random(4);
        var world = new TreeWorld();
        var entries = TreeSamples.EvenEntries(random, 5_000);
        var root = await world.BuildAsync(entries);
        world.Store.Reset();

        var same = entries.Where(_ => random.Next(10) == 0).Select(TreeSamples.Put);
        var absent = TreeSamples.EvenEntries(random, 500).Select(TreeSamples.Delete);
        var after = await world.ApplyAsync(
            root, same.Concat(absent).OrderBy(change => change.Key, KeyOrder.Instance));

        Assert.Equal(root, after);
        Assert.Equal(root, await world.ApplyAsync(root, []));
        Assert.Empty(world.Store.Puts);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(500)]
    public async Task A_last_node_that_was_looked_at_in_vain_still_takes_what_follows_it(int count)
    {
        var world = new TreeWorld();
        var entries = Enumerable.Range(0, count)
            .Select(number => TreeSamples.Inline(TreeSamples.Text($"key-{number:D8}"), new byte[20])).ToList();
        var root = await world.BuildAsync(entries);
        var leaf = await ReadAsync(world, root);
        while (!leaf.IsLeaf)
        {
            leaf = await ReadAsync(world, leaf.ChildAt(leaf.Count - 1).Id);
        }

        // Sorts before the first key of the last leaf and after every key of the leaf before it.
        byte[] absent = [.. leaf.KeyAt(0).Span[..^1], (byte)(leaf.KeyAt(0).Span[^1] - 1), 0xFF];
        var added = TreeSamples.Inline("key-z"u8.ToArray(), []);
        var after = await world.ApplyAsync(root, [new TreeChange(absent, null), TreeSamples.Put(added)]);

        Assert.Equal(world.BuildNaive([.. entries, added]).RootHex, after.ToString());
    }

    [Theory]
    [InlineData(0, 14)]
    [InlineData(0, 60)]
    [InlineData(1, 60)]
    public async Task Whole_nodes_that_are_deleted_leave_the_others(int level, int count)
    {
        var world = new TreeWorld();
        var random = new Random(9);
        var entries = TreeWorld.Sorted(
            Enumerable.Range(0, count).Select(_ => TreeSamples.Inline(TreeSamples.Bytes(random, 700), []))).ToList();
        var root = await world.BuildAsync(entries);
        var nodes = world.BuildNaive(entries).Levels[level].Select(node => NodeDecoder.Decode(node)).ToList();
        Assert.InRange(nodes.Count, 3, 60);

        for (var first = 0; first < nodes.Count; first++)
        {
            for (var last = first; last < nodes.Count; last++)
            {
                // One run of nodes goes, or two nodes with what is between them left.
                var gone = nodes.Where((_, index) => first % 2 == 0
                    ? index >= first && index <= last : index == first - 1 || index == last).ToList();
                var after = await world.ApplyAsync(
                    root, entries.Where(entry => gone.Any(node => IsBelow(node, entry))).Select(TreeSamples.Delete));

                var rest = entries.Where(entry => !gone.Any(node => IsBelow(node, entry)));
                Assert.True(world.BuildNaive(rest).RootHex == after.ToString(), $"Nodes {first} and {last}.");
            }
        }

        bool IsBelow(Node node, TreeEntry entry)
        {
            var index = nodes.IndexOf(node);
            return node.CompareKeyAt(node.Count - 1, entry.Key.Span) >= 0 &&
                (index == 0 || nodes[index - 1].CompareKeyAt(nodes[index - 1].Count - 1, entry.Key.Span) < 0);
        }
    }

    [Fact]
    public async Task A_last_node_with_one_entry_does_not_become_the_root()
    {
        var world = new TreeWorld();
        var random = new Random(10);
        var entries = new List<TreeEntry>();
        Node last;
        do
        {
            entries.Add(TreeSamples.Inline(TreeSamples.Key(random, KeyShape.Sequential, entries.Count), new byte[500]));
            last = NodeDecoder.Decode(world.BuildNaive(entries).Levels.ElementAtOrDefault(1)?[^1]
                ?? Node.Empty.Content.ToArray());
        }
        while (last.Count != 1 || last.EntryCount < 2);

        var root = await world.BuildAsync(entries);
        var rest = entries.Skip(entries.Count - (int)last.EntryCount).ToList();
        var after = await world.ApplyAsync(root, entries.SkipLast(rest.Count).Select(TreeSamples.Delete));

        Assert.Equal(last.ChildAt(0).Id, after);
        Assert.Equal(world.BuildNaive(rest).RootHex, after.ToString());
    }

    [Fact]
    public async Task A_lone_update_writes_one_node_on_each_level()
    {
        var random = new Random(5);
        var world = new TreeWorld();
        var entries = TreeSamples.EvenEntries(random, 20_000);
        var root = await world.BuildAsync(entries);
        var height = (await ReadAsync(world, root)).Level + 1;

        for (var round = 0; round < 20; round++)
        {
            var entry = entries[random.Next(entries.Count)];
            world.Store.Reset();
            root = await world.ApplyAsync(
                root, [new TreeChange(entry.Key, EntryValue.OfInline(TreeSamples.Bytes(random, 96)))]);
            Assert.Equal(height, world.Store.Puts.Count);
        }
    }

    [Fact]
    public async Task A_tree_shrinks_to_the_constant_empty_root_which_is_not_stored()
    {
        var world = new TreeWorld();
        var entries = TreeSamples.EvenEntries(new Random(6), 3_000);
        var root = await world.BuildAsync(entries);
        world.Store.Reset();

        var after = await world.ApplyAsync(root, TreeWorld.Sorted(entries).Select(TreeSamples.Delete));

        Assert.Equal(Tree.EmptyRoot, after);
        Assert.Empty(world.Store.Puts);
        Assert.Equal(0, await world.Tree.CountAsync(after, KeyRange.All, default));
        Assert.Null(await world.Tree.GetAsync(after, entries[0].Key, default));
    }

    [Fact]
    public async Task An_edit_builds_on_nodes_that_are_not_stored_yet()
    {
        var world = new TreeWorld(TreeWorld.Salt, cacheSizeBytes: 0);
        var entries = TreeSamples.EvenEntries(new Random(7), 2_000);
        var changes = TreeWorld.Sorted(entries).Select(TreeSamples.Put).ToList();
        using var batch = world.Tree.WriteBack.BeginBatch();
        var root = Tree.EmptyRoot;

        foreach (var part in changes.Chunk(400))
        {
            root = await world.Tree.ApplyAsync(root, part.ToAsyncEnumerable(), batch, default);
        }

        Assert.Equal(2_000, await world.Tree.CountAsync(root, KeyRange.All, default));
        await Assert.ThrowsAsync<MissingObjectException>(
            async () => await world.NewTree().CountAsync(root, KeyRange.All, default));
        await world.Tree.WriteBack.RunAsync(default);
        Assert.Equal(2_000, await world.NewTree().CountAsync(root, KeyRange.All, default));
        Assert.Equal(world.BuildNaive(entries).RootHex, root.ToString());
    }

    [Fact]
    public async Task Changes_out_of_order_or_range_are_a_fault()
    {
        var world = new TreeWorld();
        var a = TreeSamples.Put(TreeSamples.Inline("a"u8.ToArray(), []));
        var b = TreeSamples.Put(TreeSamples.Inline("b"u8.ToArray(), []));
        var empty = TreeSamples.Put(TreeSamples.Inline([], []));
        var tooLong = TreeSamples.Put(TreeSamples.Inline(new byte[1_025], []));

        foreach (var changes in (TreeChange[][])[[b, a], [a, a], [empty], [tooLong]])
        {
            await Assert.ThrowsAsync<InvariantException>(() => world.ApplyAsync(Tree.EmptyRoot, changes));
        }
    }

    [Fact]
    public async Task A_missing_node_is_named()
    {
        var world = new TreeWorld();
        var id = ObjectId.FromHash(TreeSamples.Bytes(new Random(8), 32));

        var exception = await Assert.ThrowsAsync<MissingObjectException>(
            async () => await world.Tree.GetAsync(id, "a"u8.ToArray(), default));

        Assert.Equal(id, exception.Id);
    }

    private static async Task<HashSet<ObjectId>> NodesOfAsync(TreeWorld world, ObjectId root)
    {
        var ids = new HashSet<ObjectId>();
        var waiting = new Stack<ObjectId>([root]);
        while (waiting.TryPop(out var id))
        {
            ids.Add(id);
            var node = await ReadAsync(world, id);
            for (var index = 0; index < node.Count && !node.IsLeaf; index++)
            {
                waiting.Push(node.ChildAt(index).Id);
            }
        }

        return ids;
    }

    private static async Task<Node> ReadAsync(TreeWorld world, ObjectId id) =>
        NodeDecoder.Decode((await world.Store.ReadAsync(ObjectKind.Node, id, default))!.Value);
}
