using Ledger.Objects;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Trees;

/// <summary>A tree answers what a sorted dictionary answers.</summary>
public sealed class TreeModelTests
{
    public static TheoryData<KeyShape, int> Shapes()
    {
        var data = new TheoryData<KeyShape, int>();
        foreach (var shape in Enum.GetValues<KeyShape>())
        {
            foreach (var count in (int[])[0, 1, 3, 40, 700])
            {
                data.Add(shape, count);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Get_finds_what_is_there_and_nothing_else(KeyShape shape, int count)
    {
        var (world, root, model, random) = await MakeAsync(shape, count);

        foreach (var (key, value) in model)
        {
            Assert.Equal(value, await world.Tree.GetAsync(root, key, default));
        }

        foreach (var key in Probes(random, shape, model))
        {
            EntryValue? expected = model.TryGetValue(key, out var value) ? value : null;
            Assert.Equal(expected, await world.Tree.GetAsync(root, key, default));
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public async Task Scans_both_ways_and_counts_give_every_range(KeyShape shape, int count)
    {
        var (world, root, model, random) = await MakeAsync(shape, count);

        foreach (var range in Ranges(random, shape, model))
        {
            var expected = model.Where(pair => range.Contains(pair.Key.Span)).ToList();
            var forward = await ScanAsync(world.Tree, root, range, reverse: false);
            var backward = await ScanAsync(world.Tree, root, range, reverse: true);
            backward.Reverse();

            AssertSame(expected, forward);
            AssertSame(expected, backward);
            Assert.Equal(expected.Count, await world.Tree.CountAsync(root, range, default));
        }
    }

    [Fact]
    public async Task Counting_reads_two_paths_at_most()
    {
        var world = new TreeWorld();
        var random = new Random(5);
        var root = await world.BuildAsync(TreeSamples.EvenEntries(random, 20_000));
        var height = NodeDecoder.Decode((await world.Store.ReadAsync(ObjectKind.Node, root, default))!.Value).Level + 1;
        world.Store.Reset();

        var range = new KeyRange(new byte[] { 0x40 }, new byte[] { 0xC0 });
        var count = await world.NewTree().CountAsync(root, range, default);

        Assert.InRange(count, 9_500, 10_500);
        Assert.InRange(world.Store.Reads.Count, 1, 2 * height - 1);
    }

    [Fact]
    public async Task Get_completes_at_once_and_without_allocation_when_the_nodes_are_cached()
    {
        var world = new TreeWorld();
        var entries = TreeSamples.EvenEntries(new Random(6), 20_000);
        var root = await world.BuildAsync(entries);
        var found = 0;
        await CountFoundAsync();

        var before = GC.GetAllocatedBytesForCurrentThread();
        await CountFoundAsync();
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;

        Assert.Equal(2_000, found);
        Assert.InRange(allocated, 0, 1_000);

        async ValueTask CountFoundAsync()
        {
            for (var index = 0; index < 1_000; index++)
            {
                var pending = world.Tree.GetAsync(root, entries[index].Key, default);
                found += pending.IsCompletedSuccessfully ? 1 : 0;
                await pending;
            }
        }
    }

    private static async Task<(TreeWorld World, ObjectId Root,
        SortedDictionary<ReadOnlyMemory<byte>, EntryValue> Model, Random Random)> MakeAsync(KeyShape shape, int count)
    {
        // The cache is too small for the tree, so that nodes are evicted and read again.
        var world = new TreeWorld(TreeWorld.Salt, 20_000);
        var random = new Random(count);
        var entries = TreeSamples.Entries(random, shape, count);
        var model = new SortedDictionary<ReadOnlyMemory<byte>, EntryValue>(KeyOrder.Instance);
        foreach (var entry in entries)
        {
            model.Add(entry.Key, entry.Value);
        }

        return (world, await world.BuildAsync(entries), model, random);
    }

    private static async Task<List<TreeEntry>> ScanAsync(Tree tree, ObjectId root, KeyRange range, bool reverse)
    {
        var entries = new List<TreeEntry>();
        await foreach (var entry in tree.ScanAsync(root, range, reverse, default))
        {
            entries.Add(entry);
        }

        return entries;
    }

    private static void AssertSame(
        List<KeyValuePair<ReadOnlyMemory<byte>, EntryValue>> expected, List<TreeEntry> actual)
    {
        Assert.Equal(expected.Count, actual.Count);
        Assert.All(expected, (pair, index) =>
        {
            Assert.True(pair.Key.Span.SequenceEqual(actual[index].Key.Span));
            Assert.Equal(pair.Value, actual[index].Value);
        });
    }

    // Keys of the model, their neighbours, and others.
    private static IEnumerable<ReadOnlyMemory<byte>> Probes(
        Random random, KeyShape shape, SortedDictionary<ReadOnlyMemory<byte>, EntryValue> model)
    {
        var keys = model.Keys.ToList();
        for (var number = 0; number < 20; number++)
        {
            var key = keys.Count == 0 || random.Next(3) == 0
                ? TreeSamples.Key(random, shape, random.Next(100_000))
                : keys[random.Next(keys.Count)].ToArray();
            byte[] probe = random.Next(4) switch
            {
                0 => key[..^random.Next(Math.Min(2, key.Length))],
                1 => [.. key, 0],
                2 => [.. key[..^1], (byte)(key[^1] + random.Next(256))],
                _ => key,
            };
            yield return probe;
        }
    }

    private static IEnumerable<KeyRange> Ranges(
        Random random, KeyShape shape, SortedDictionary<ReadOnlyMemory<byte>, EntryValue> model)
    {
        yield return KeyRange.All;
        yield return new KeyRange(default, Array.Empty<byte>());
        yield return KeyRange.OfPrefix(new byte[] { 0xFF });
        var probes = Probes(random, shape, model).ToList();
        foreach (var probe in probes.Take(6))
        {
            yield return new KeyRange(probe, null);
            yield return new KeyRange(default, probe);
            yield return new KeyRange(probe, probes[random.Next(probes.Count)]);
            yield return KeyRange.OfPrefix(probe[..random.Next(probe.Length + 1)]);
        }
    }
}
