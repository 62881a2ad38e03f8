using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Trees;

/// <summary>What is built decodes, what cannot be built does not, and children fit their parents.</summary>
public sealed class NodeTests
{
    private static readonly ObjectId SomeId = ObjectId.FromHash(Enumerable.Repeat((byte)7, 32).ToArray());

    [Theory]
    [InlineData(KeyShape.Sequential)]
    [InlineData(KeyShape.Random)]
    [InlineData(KeyShape.LongRandom)]
    [InlineData(KeyShape.SharedLongPrefixes)]
    [InlineData(KeyShape.ZerosAndOnes)]
    public void What_is_built_decodes_to_the_same_entries(KeyShape shape)
    {
        var random = new Random(1);
        var builder = new NodeBuilder(0, TreeWorld.Salt);
        var waiting = new List<TreeEntry>();
        foreach (var entry in TreeWorld.Sorted(TreeSamples.Entries(random, shape, 1_000)))
        {
            waiting.Add(entry);
            if (builder.Add(entry.Key.Span, entry.Value))
            {
                var node = NodeDecoder.Decode(builder.Build().Content);
                AssertHolds(waiting, node);
                waiting.Clear();
            }
        }
    }

    [Theory]
    [InlineData("a format version of another kind", "0201000000")]
    [InlineData("another hash algorithm", "0100000000")]
    [InlineData("a level that is too high", "0101290101610000016107")]
    [InlineData("an empty node with a prefix", "010100000161")]
    [InlineData("an empty inner node", "0101010000")]
    [InlineData("bytes after the end", "010100000000")]
    [InlineData("a count that is not in its shortest form", "010100800000")]
    [InlineData("one entry whose key is not all prefix", "01010001000000016100 00")]
    [InlineData("a key of no bytes", "0101000100000000 0000")]
    [InlineData("an unknown flag", "010100010161000000 0400")]
    [InlineData("an offset that is not zero", "010100010161010000 0000")]
    [InlineData("a lazy value that is cut off", "010100010161000000 0205")]
    [InlineData("keys out of order", "010100020000000400 01620000 01610000")]
    [InlineData("keys that are equal", "010100020000000400 01610000 01610000")]
    [InlineData("a prefix that is too short", "010100020000000500 0261610000 0261620000")]
    [InlineData("an inline value as an object", "010100010161000000 01 SOMEID 8004")]
    [InlineData("a child without entries", "010101010161000000 SOMEID 00 00")]
    [InlineData("a child with an unknown flag", "010101010161000000 SOMEID 01 04")]
    public void What_cannot_be_built_is_rejected(string what, string hex)
    {
        var content = Convert.FromHexString(hex.Replace("SOMEID", SomeId.ToString(), StringComparison.Ordinal)
            .Replace(" ", string.Empty, StringComparison.Ordinal));

        var exception = Record.Exception(() => NodeDecoder.Decode(content));

        Assert.True(exception is CorruptObjectException, $"{what}: {exception}");
    }

    [Fact]
    public void Valid_neighbours_of_the_rejected_ones_are_accepted()
    {
        foreach (var hex in (string[])[
            "0101000000", "01010001016100000000 00", "010100010161000000 0201FF",
            "010100020000000400 01610000 01620000",
            "010100020161000004000161000001620000", "010100010161000000 01 SOMEID 8104",
            "010101010161000000 SOMEID 01 03"])
        {
            var content = Convert.FromHexString(hex.Replace("SOMEID", SomeId.ToString(), StringComparison.Ordinal)
                .Replace(" ", string.Empty, StringComparison.Ordinal));

            Assert.Null(Record.Exception(() => NodeDecoder.Decode(content)));
        }
    }

    [Fact]
    public void A_node_that_goes_on_after_the_maximum_is_rejected()
    {
        var never = new NodeBuilder(0, TreeWorld.Salt);
        for (var number = 0; number < 16; number++)
        {
            never.Add([(byte)number], EntryValue.OfInline(new byte[507]));
        }

        var exactly = never.Build();
        for (var number = 0; number < 17; number++)
        {
            never.Add([(byte)number], EntryValue.OfInline(new byte[507]));
        }

        Assert.Equal(16, NodeDecoder.Decode(exactly.Content).Count);
        Assert.Throws<CorruptObjectException>(() => NodeDecoder.Decode(never.Build().Content));
    }

    [Fact]
    public async Task A_child_that_is_not_what_its_parent_says_is_named()
    {
        var world = new TreeWorld();
        var leaf = Leaf("a", "b", "c");
        var other = Leaf("d", "e", "f");
        var first = new NodeReference(Id(leaf), 3, NodeFlags.None);
        var second = new NodeReference(Id(other), 3, NodeFlags.None);
        await using (var writer = world.Store.BeginWrite())
        {
            await writer.PutAsync(ObjectKind.Node, leaf.Content, default);
            await writer.PutAsync(ObjectKind.Node, other.Content, default);
            await writer.CommitAsync(Durability.Buffered, default);
        }

        Assert.Null(await FaultAsync(1, ("c", first), ("f", second)));
        Assert.Contains("last key", await FaultAsync(1, ("b", first), ("f", second)), StringComparison.Ordinal);
        Assert.Contains("4", await FaultAsync(1, ("c", first with { EntryCount = 4 }), ("f", second)),
            StringComparison.Ordinal);
        Assert.Contains("flags", await FaultAsync(1, ("c", first with { Flags = NodeFlags.HasLazy }), ("f", second)),
            StringComparison.Ordinal);
        Assert.Contains("level", await FaultAsync(2, ("c", first), ("f", second)), StringComparison.Ordinal);
        Assert.Contains("begins before", await FaultAsync(1, ("dd", first), ("f", second)), StringComparison.Ordinal);
        Assert.Contains("root with one child", await FaultAsync(1, ("c", first)), StringComparison.Ordinal);

        async Task<string?> FaultAsync(int level, params (string Key, NodeReference Child)[] children)
        {
            var builder = new NodeBuilder(level, TreeWorld.Salt);
            foreach (var (key, child) in children)
            {
                builder.Add(TreeSamples.Text($"{key}"), child);
            }

            await using var writer = world.Store.BeginWrite();
            var root = await writer.PutAsync(ObjectKind.Node, builder.Build().Content, default);
            await writer.CommitAsync(Durability.Buffered, default);
            var exception = await Record.ExceptionAsync(async () =>
            {
                // From the right, so that the child on the right is checked first.
                await foreach (var _ in world.NewTree().ScanAsync(root, KeyRange.All, reverse: true, default))
                {
                    continue;
                }
            });
            Assert.True(exception is null or CorruptObjectException, $"{exception}");
            return exception?.Message;
        }
    }

    [Fact]
    public void Mutated_nodes_are_rejected_or_are_what_the_builder_makes()
    {
        var random = new Random(3);
        var world = new TreeWorld();
        var seeds = new List<byte[]> { Node.Empty.Content.ToArray() };
        foreach (var shape in Enum.GetValues<KeyShape>())
        {
            var levels = world.BuildNaive(TreeSamples.Entries(random, shape, 60)).Levels;
            seeds.AddRange(levels.Select(level => level[^1]));
        }

        seeds.AddRange(world.BuildNaive(TreeSamples.Entries(random, KeyShape.Random, 5)).Levels[0]);

        var result = MutationFuzz.Run(
            "tree node", seeds, content => ReadAll(NodeDecoder.Decode(content)), 100_000, seed: 1, Reencode);

        Assert.InRange(result.Accepted, 1_000, 99_000);
    }

    [Fact]
    public async Task The_cache_stays_within_its_bound_and_keeps_what_is_used()
    {
        var cache = new NodeCache(100_000);
        var used = Leaf("used");
        cache.Add(Id(used), used);
        var nodes = Enumerable.Range(0, 1_000).Select(number => Leaf($"{number}")).ToList();

        foreach (var node in nodes)
        {
            cache.Add(Id(node), node);
            Assert.InRange(cache.SizeBytes, 1, 100_000);
            Assert.True(cache.TryGet(Id(used), out _));
        }

        Assert.False(cache.TryGet(Id(nodes[0]), out _));
        Assert.True(cache.TryGet(Id(nodes[^1]), out _));
        await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            for (var step = 0; step < 20_000; step++)
            {
                var node = nodes[random.Next(nodes.Count)];
                if (!cache.TryGet(Id(node), out _))
                {
                    cache.Add(Id(node), node);
                }
            }
        })));
        Assert.InRange(cache.SizeBytes, 50_000, 100_000);
    }

    [Fact]
    public void A_child_that_was_evicted_is_not_kept_by_its_parent()
    {
        var cache = new NodeCache(10_000);
        var child = Leaf("a", "b", "c");
        var builder = new NodeBuilder(1, TreeWorld.Salt);
        builder.Add("c"u8, new NodeReference(Id(child), 3, NodeFlags.None));
        var parent = builder.Build();
        cache.Add(Id(child), child);
        Assert.False(parent.TryGetLinked(0, out _));

        Assert.True(cache.TryGetSlot(Id(child), out var slot));
        parent.Link(0, slot);
        Assert.True(parent.TryGetLinked(0, out var linked));
        Assert.Same(child, linked);
        for (var number = 0; number < 100; number++)
        {
            var other = Leaf($"{number}");
            cache.Add(Id(other), other);
        }

        Assert.False(cache.TryGet(Id(child), out _));
        Assert.False(parent.TryGetLinked(0, out _));
    }

    [Fact]
    public void Entries_are_equal_as_far_as_their_bytes_are()
    {
        var (left, right) = (Leaf("k1", "k2", "k3", "k4", "k6"), Leaf("k2", "k3", "k4", "k5", "k6"));

        Assert.Equal(3, left.CountEqual(1, right, 0));
        Assert.Equal(1, left.CountEqual(4, right, 4));
        Assert.Equal(0, left.CountEqual(0, right, 0));
        Assert.Equal(5, left.CountEqual(0, left, 0));
        Assert.Equal(0, Leaf("j", "k1").CountEqual(1, left, 0));
    }

    private static Node Leaf(params string[] keys)
    {
        var builder = new NodeBuilder(0, TreeWorld.Salt);
        foreach (var key in keys)
        {
            builder.Add(TreeSamples.Text($"{key}"), EntryValue.OfInline(new byte[] { 1 }));
        }

        return builder.Build();
    }

    private static ObjectId Id(Node node) => ObjectId.Of(ObjectKind.Node, node.Content.Span);

    private static void AssertHolds(List<TreeEntry> expected, Node node)
    {
        Assert.Equal(expected.Count, node.Count);
        Assert.Equal(expected.Count, node.EntryCount);
        for (var index = 0; index < node.Count; index++)
        {
            Assert.True(node.KeyAt(index).Span.SequenceEqual(expected[index].Key.Span));
            Assert.Equal(expected[index].Value, node.ValueAt(index));
            Assert.Equal(index, node.Find(expected[index].Key.Span, out var exact));
            Assert.True(exact);
        }
    }

    private static void ReadAll(Node node)
    {
        for (var index = 0; index < node.Count; index++)
        {
            _ = node.KeyAt(index);
            _ = node.IsLeaf ? node.ValueAt(index).SizeBytes : node.ChildAt(index).EntryCount;
        }
    }

    private static byte[] Reencode(ReadOnlyMemory<byte> content)
    {
        var node = NodeDecoder.Decode(content);
        if (node.Count == 0)
        {
            return Node.Empty.Content.ToArray();
        }

        var builder = new NodeBuilder(node.Level, TreeWorld.Salt);
        for (var index = 0; index < node.Count; index++)
        {
            if (node.IsLeaf)
            {
                builder.Add(node.KeyAt(index).Span, node.ValueAt(index));
            }
            else
            {
                builder.Add(node.KeyAt(index).Span, node.ChildAt(index));
            }
        }

        return builder.Build().Content.ToArray();
    }
}
