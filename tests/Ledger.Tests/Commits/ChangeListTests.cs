using System.Text.Json;
using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Runtime.Real;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Commits;

public sealed class ChangeListTests
{
    [Theory]
    [InlineData(0, 10, 0)]
    [InlineData(1, 10, 0)]
    [InlineData(1000, 10, 0)]
    [InlineData(5000, 60, 1)]
    [InlineData(3000, 1024, 1)]
    [InlineData(30_000, 1024, 2)]
    public async Task What_is_read_is_what_was_written_at_every_size(int count, int keySizeBytes, int level)
    {
        var world = new World();
        var changes = MakeChanges(count, keySizeBytes, seed: count);

        var list = await world.WriteAsync(changes);

        Assert.Equal((count, level), (list.Count, list.Level));
        var read = await world.Reader.ReadAsync(list, default, default).ToListAsync();
        AssertEqual(changes, read);
        for (var index = 0; index < count; index += 1 + (count / 20))
        {
            AssertEqual([changes[index]], [(await world.Reader.FindAsync(list, changes[index].Key, default))!.Value]);
            Assert.Null(await world.Reader.FindAsync(list, new byte[] { 1, 2, (byte)index }, default));
            AssertEqual(
                changes[index..Math.Min(count, index + 10)],
                await world.Reader.ReadAsync(list, changes[index].Key, default).Take(10).ToListAsync());
        }

        Assert.Null(await world.Reader.FindAsync(list, new byte[] { 0xFF }, default));
    }

    [Fact]
    public async Task The_same_changes_make_the_same_objects_and_no_list_is_larger_than_it_may_be()
    {
        var changes = MakeChanges(4000, 100, seed: 3);
        var (first, second) = (new World(), new World());

        var list = await first.WriteAsync(changes);

        Assert.Equal(list, await second.WriteAsync(changes));
        var index = await first.Reader.ReadIndexAsync(new ChangeIndexChild(default, list.Id, list.Count), 1, default);
        foreach (var child in index)
        {
            var content = await first.Store.ReadAsync(ObjectKind.ChangeList, child.Id, default);
            Assert.InRange(content!.Value.Length, 2, ChangeListCodec.ListSizeBytesMax);
        }
    }

    [Fact]
    public async Task Encodings_are_the_golden_ones()
    {
        var golden = JsonSerializer.Deserialize<Dictionary<string, string>>(TestData.ReadText("golden/changes.json"))!;
        var world = new World();
        var list = await world.WriteAsync(Kinds());
        var index = ChangeListCodec.EncodeIndex(
            1, [new("a"u8.ToArray(), CommitSamples.Hash(1), 1), new("b"u8.ToArray(), CommitSamples.Hash(2), 1L << 48)]);

        var bytes = await world.Store.ReadAsync(ObjectKind.ChangeList, list.Id, default);

        foreach (var (name, content) in new[] { ("list", bytes!.Value), ("index", index) })
        {
            var actual = Convert.ToHexStringLower(content.Span);
            Assert.True(golden[name] == actual, $"The bytes of '{name}' are {actual}.");
        }
    }

    [Fact]
    public async Task Mutated_lists_are_rejected_or_mean_themselves()
    {
        var world = new World();
        var lists = new List<byte[]>();
        foreach (var changes in new[] { Kinds(), MakeChanges(50, 8, seed: 1), MakeChanges(3, 1024, seed: 2) })
        {
            var list = await world.WriteAsync(changes);
            lists.Add((await world.Store.ReadAsync(ObjectKind.ChangeList, list.Id, default))!.Value.ToArray());
        }

        MutationFuzz.Run(
            "change list", lists, content => ChangeListCodec.DecodeList(content), count: 100_000, seed: 2,
            content =>
            {
                var writer = new ByteWriter();
                writer.WriteByte(ChangeListCodec.Version);
                foreach (var change in ChangeListCodec.DecodeList(content))
                {
                    ChangeListCodec.WriteChange(writer, change);
                }

                return writer.ToArray();
            });
    }

    [Fact]
    public void Mutated_indexes_are_rejected_or_mean_themselves()
    {
        var indexes = new[] { 1, 2, 8 }.Select(level => ChangeListCodec.EncodeIndex(
            level,
            [.. Enumerable.Range(1, level * 3).Select(number => new ChangeIndexChild(
                new[] { (byte)number }, CommitSamples.Hash((byte)number), number * 1000))])).ToList();

        MutationFuzz.Run(
            "change index", indexes, content => ChangeListCodec.DecodeIndex(content), count: 100_000, seed: 3,
            content => ChangeListCodec.EncodeIndex(content.Span[1], ChangeListCodec.DecodeIndex(content)));
    }

    [Fact]
    public async Task A_list_that_is_not_what_its_index_says_is_damaged()
    {
        var world = new World();
        var changes = MakeChanges(4000, 100, seed: 3);
        var list = await world.WriteAsync(changes);

        await Assert.ThrowsAsync<CorruptObjectException>(
            async () => await world.Reader.ReadAsync(list with { Count = list.Count + 1 }, default, default)
                .CountAsync());
    }

    private static TreeChange[] Kinds() =>
    [
        new("a"u8.ToArray(), EntryValue.OfInline("eager"u8.ToArray())),
        new("b"u8.ToArray(), EntryValue.OfInline(default, EntryPriority.Lazy)),
        new("c"u8.ToArray(), EntryValue.OfObject(CommitSamples.Hash(1), 513)),
        new("cc"u8.ToArray(), EntryValue.OfObject(CommitSamples.Hash(2), 1L << 40, EntryPriority.Lazy)),
        new("d"u8.ToArray(), null),
    ];

    private static TreeChange[] MakeChanges(int count, int keySizeBytes, int seed)
    {
        var random = new Random(seed);
        var keys = new SortedSet<string>(StringComparer.Ordinal);
        while (keys.Count < count)
        {
            keys.Add(string.Create(keySizeBytes, random, static (text, random) =>
            {
                for (var index = 0; index < text.Length; index++)
                {
                    text[index] = (char)random.Next('a', 'z');
                }
            }));
        }

        return [.. keys.Select(key => new TreeChange(PageText.Bytes(key), random.Next(3) switch
        {
            0 => null,
            1 => EntryValue.OfObject(CommitSamples.Hash((byte)random.Next(1, 256)), random.Next(513, int.MaxValue)),
            _ => EntryValue.OfInline(new byte[random.Next(100)]),
        }))];
    }

    private static void AssertEqual(TreeChange[] expected, List<TreeChange> actual)
    {
        Assert.Equal(expected.Length, actual.Count);
        foreach (var (left, right) in expected.Zip(actual))
        {
            Assert.True(left.Key.Span.SequenceEqual(right.Key.Span));
            Assert.Equal(left.Value, right.Value);
        }
    }

    private sealed class World
    {
        public World() => Reader = new ChangeListReader(SystemRuntime.Create(), new ObjectSource(Store));

        public MemoryObjectStore Store { get; } = new();

        public ChangeListReader Reader { get; }

        public async Task<ChangeList> WriteAsync(IEnumerable<TreeChange> changes)
        {
            await using var lease = Store.BeginWrite();
            var writer = new ChangeListWriter(lease);
            foreach (var change in changes)
            {
                await writer.AddAsync(change, default);
            }

            var list = await writer.FinishAsync(default);
            await lease.CommitAsync(Durability.Flushed, default);
            return list;
        }
    }
}
