using System.Buffers.Binary;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Trees;

/// <summary>Which nodes a write-back stores, in which order, and how many.</summary>
public sealed class NodeWriteBackTests
{
    [Fact]
    public async Task What_is_superseded_or_let_go_before_is_never_written_and_children_come_first()
    {
        var random = new Random(1);
        var world = new TreeWorld();
        var entries = TreeSamples.EvenEntries(random, 3_000);
        var held = await TreeWorld.EditAsync(world.Tree, Tree.EmptyRoot, Changes(entries));
        var kept = held;
        for (var round = 0; round < 20; round++)
        {
            var next = await TreeWorld.EditAsync(
                world.Tree, held.Root, [TreeSamples.Put(TreeSamples.EvenEntries(random, 1)[0])]);
            if (round != 10)
            {
                held.Dispose();
            }
            else
            {
                kept = held;
            }

            held = next;
        }

        await world.Tree.WriteBack.RunAsync(default);

        var puts = world.Store.Puts.ToList();
        var expected = await NodesOfAsync(world, kept.Root);
        expected.UnionWith(await NodesOfAsync(world, held.Root));
        Assert.Equal(puts.Count, puts.Distinct().Count());
        Assert.True(expected.SetEquals(puts));
        foreach (var id in puts)
        {
            var node = await ReadAsync(world, id);
            Assert.All(
                Enumerable.Range(0, node.IsLeaf ? 0 : node.Count),
                index => Assert.InRange(puts.IndexOf(node.ChildAt(index).Id), 0, puts.IndexOf(id) - 1));
        }

        Assert.Equal((0, 0), (world.Tree.Dirty.Count, world.Tree.Dirty.SizeBytes));
        Assert.True(kept.Hold.IsStored);
    }

    [Fact]
    public async Task An_edit_larger_than_the_bound_stores_as_it_goes_and_stays_within_it()
    {
        const long Bound = 256 * 1024;
        var store = new MemoryObjectStore();
        var tree = new Tree(
            store, TreeWorld.Salt, 1 << 20, WriteBackLimits.Default with { SizeBytes = Bound });
        var entries = TreeSamples.EvenEntries(new Random(2), 40_000);
        using var batch = tree.WriteBack.BeginBatch();
        var peakBytes = 0L;

        var root = await tree.ApplyAsync(Tree.EmptyRoot, Changes(entries).Select(Observe), batch, default);
        await tree.WriteBack.RunAsync(default);

        Assert.InRange(peakBytes, Bound / 2, Bound / 4 * 5 + 32 * 1024);
        Assert.Equal(40_000, await NewTree().CountAsync(root, KeyRange.All, default));
        Assert.Equal(40_000, await NewTree().ScanAsync(root, KeyRange.All, false, default).CountAsync());

        Tree NewTree() => new(store, TreeWorld.Salt, 1 << 20);

        TreeChange Observe(TreeChange change)
        {
            peakBytes = Math.Max(peakBytes, tree.Dirty.SizeBytes);
            return change;
        }
    }

    [Fact]
    public async Task Room_that_dropping_makes_is_not_made_by_writing()
    {
        var store = new CountingObjectStore(new MemoryObjectStore());
        var tree = new Tree(store, TreeWorld.Salt, 1 << 20, WriteBackLimits.Default with { SizeBytes = 1 << 20 });
        var random = new Random(3);
        var entries = TreeSamples.EvenEntries(random, 1_000);
        var held = await TreeWorld.EditAsync(tree, Tree.EmptyRoot, Changes(entries));
        while (!tree.WriteBack.IsDue)
        {
            var next = await TreeWorld.EditAsync(tree, held.Root, Changes(TreeSamples.EvenEntries(random, 10)));
            held.Dispose();
            held = next;
        }

        await tree.WriteBack.RunIfDueAsync(default);

        Assert.Empty(store.Puts);
        Assert.InRange(tree.Dirty.SizeBytes, 100_000, (1 << 20) - 1);
        tree.WriteBack.Count(0, WriteBackLimits.Default.Changes);
        await tree.WriteBack.RunIfDueAsync(default);
        Assert.NotEmpty(store.Puts);
    }

    [Fact]
    public async Task Many_random_inserts_a_commit_write_25_times_their_payload_at_most()
    {
        // The bound on what is dirty is to the tree what 64 MiB are to a million entries.
        var count = TestNumbers.Of(60_000, 1_000_000);
        var inserts = count / 1_000;
        var limits = new WriteBackLimits(WriteBackLimits.Default.SizeBytes * count / 1_000_000, long.MaxValue, 1_000);
        var store = new CountingObjectStore(new MemoryObjectStore());
        var tree = new Tree(store, TreeWorld.Salt, 64 << 20, limits);
        var random = new Random(4);
        var held = await TreeWorld.EditAsync(tree, Tree.EmptyRoot, Changes(TreeSamples.EvenEntries(random, count)));
        await tree.WriteBack.RunAsync(default);
        var before = await BytesOfAsync(store);

        for (var commit = 0; commit < 100; commit++)
        {
            var next = await TreeWorld.EditAsync(
                tree, held.Root, Changes(TreeSamples.EvenEntries(random, inserts)));
            held.Dispose();
            held = next;
            tree.WriteBack.Count(1, inserts);
            await tree.WriteBack.RunIfDueAsync(default);
        }

        await tree.WriteBack.RunAsync(default);

        var writtenBytes = await BytesOfAsync(store) - before;
        var payloadBytes = 100L * inserts * (16 + 96);
        // Written at once with each commit it is about 40 times.
        Assert.InRange((double)writtenBytes / payloadBytes, 2, 25);
    }

    [Fact]
    public async Task A_lone_insert_rewrites_five_nodes_at_most_on_average()
    {
        var store = new CountingObjectStore(new MemoryObjectStore());
        var tree = new Tree(store, TreeWorld.Salt, 256 << 20);
        var random = new Random(5);
        var root = Tree.EmptyRoot;
        var held = await TreeWorld.EditAsync(
            tree, root, Changes(Entries(random, TestNumbers.Of(50_000, 1_000_000))));
        await tree.WriteBack.RunAsync(default);
        store.Reset();

        for (var insert = 0; insert < 300; insert++)
        {
            var next = await TreeWorld.EditAsync(tree, held.Root, Changes(Entries(random, 1)));
            held.Dispose();
            held = next;
            await tree.WriteBack.RunAsync(default);
        }

        Assert.InRange(store.Puts.Count / 300.0, 3, 5);

        static IEnumerable<TreeEntry> Entries(Random random, int count) => Enumerable.Range(0, count)
            .Select(_ => TreeSamples.Inline(TreeSamples.Bytes(random, 16), TreeSamples.Bytes(random, 100)));
    }

    [Fact]
    public async Task Readers_find_every_node_while_others_are_written_and_dropped()
    {
        var store = new MemoryObjectStore();
        var tree = new Tree(store, TreeWorld.Salt, 200_000, WriteBackLimits.Default with { SizeBytes = 1 << 19 });
        var entries = TreeSamples.EvenEntries(new Random(6), 4_000);
        var held = await TreeWorld.EditAsync(tree, Tree.EmptyRoot, Changes(entries));
        var isDone = false;
        var hasRead = Enumerable.Range(0, 3).Select(_ => new TaskCompletionSource()).ToList();

        var readers = Enumerable.Range(0, 3).Select(seed => Task.Run(async () =>
        {
            var random = new Random(seed);
            while (!Volatile.Read(ref isDone))
            {
                var key = entries[random.Next(entries.Count)].Key;
                var root = Volatile.Read(ref held).Root;
                if (await tree.TryHoldAsync(root, default) is not { } hold)
                {
                    continue;
                }

                using (hold)
                {
                    Assert.NotNull(await tree.GetAsync(root, key, default));
                }

                hasRead[seed].TrySetResult();
            }
        })).ToList();

        // A reader that failed ends before it has read.
        await Task.WhenAny(Task.WhenAll(hasRead.Select(read => read.Task)), Task.WhenAll(readers));
        var writer = new Random(7);
        for (var round = 0; round < 300; round++)
        {
            var next = await TreeWorld.EditAsync(
                tree, held.Root, Changes(Enumerable.Range(0, 20).Select(_ => entries[writer.Next(entries.Count)])
                    .DistinctBy(entry => Convert.ToHexString(entry.Key.Span))
                    .Select(entry => new TreeEntry(entry.Key, EntryValue.OfInline(Number(round))))));
            Interlocked.Exchange(ref held, next).Dispose();
            await (round % 7 == 0 ? tree.WriteBack.RunAsync(default) : tree.WriteBack.RunIfDueAsync(default));
        }

        Volatile.Write(ref isDone, true);
        await Task.WhenAll(readers);
    }

    private static byte[] Number(int number)
    {
        var bytes = new byte[96];
        BinaryPrimitives.WriteInt32LittleEndian(bytes, number);
        return bytes;
    }

    private static IEnumerable<TreeChange> Changes(IEnumerable<TreeEntry> entries) =>
        TreeWorld.Sorted(entries).Select(TreeSamples.Put);

    private static async Task<long> BytesOfAsync(CountingObjectStore store)
    {
        long sizeBytes = 0;
        foreach (var id in store.Puts)
        {
            sizeBytes += (await store.ReadAsync(ObjectKind.Node, id, default))!.Value.Length;
        }

        return sizeBytes;
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
