using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Ledger.Objects;
using Ledger.Trees;
using Xunit;

namespace Ledger.Tests.Trees;

/// <summary>Roots and node bytes that must never change: tree-roots.json and tree-nodes.json.</summary>
public sealed class TreeGoldenTests
{
    private static readonly Dictionary<string, Func<List<TreeEntry>>> Sets = new()
    {
        ["empty"] = () => [],
        ["one"] = () => [TreeSamples.Inline("a"u8.ToArray(), "1"u8.ToArray())],
        ["kinds"] = Kinds,
        ["sequential"] = () => [.. Enumerable.Range(0, 10_000).Select(number => TreeSamples.Inline(
            TreeSamples.Text($"key-{number:D8}"), TreeSamples.Text($"value-{number}")))],
        ["scattered"] = () => [.. Enumerable.Range(0, 5_000).Select(number => TreeSamples.Inline(
            Scattered(number), [.. Enumerable.Repeat((byte)number, number % 513)]))],
        ["long keys"] = () => [.. Enumerable.Range(0, 500).Select(number => TreeSamples.Inline(
            [.. Enumerable.Repeat((byte)(number % 3), 1_016), .. BigEndian(number)], []))],
        ["mixed"] = () => [.. Enumerable.Range(0, 3_000).Select(Mixed)],
    };

    [Fact]
    public async Task Roots_are_the_golden_ones()
    {
        var golden = JsonSerializer.Deserialize<JsonElement>(TestData.ReadText("golden/tree-roots.json"));

        var sets = golden.GetProperty("sets").EnumerateArray().ToList();
        foreach (var set in sets)
        {
            var name = set.GetProperty("name").GetString()!;
            var world = new TreeWorld();
            var entries = Sets[name]();
            var root = await world.BuildAsync(entries);
            Assert.True(set.GetProperty("root").GetString() == root.ToString(), $"'{name}' has the root {root}.");
            Assert.Equal(root.ToString(), world.BuildNaive(entries).RootHex);
        }

        Assert.Equal(Sets.Keys, sets.Select(set => set.GetProperty("name").GetString()!));
    }

    [Fact]
    public async Task Nodes_have_the_golden_bytes()
    {
        var golden = JsonSerializer.Deserialize<JsonElement>(TestData.ReadText("golden/tree-nodes.json"));
        var world = new TreeWorld();

        var leaf = await world.Store.ReadAsync(ObjectKind.Node, await world.BuildAsync(Kinds()), default);
        var inner = await world.Store.ReadAsync(
            ObjectKind.Node, await world.BuildAsync(Enumerable.Range(0, 150).Select(Mixed)), default);

        foreach (var (name, level, content) in new[] { ("leaf", 0, leaf), ("inner", 1, inner) })
        {
            var actual = Convert.ToHexStringLower(content!.Value.Span);
            Assert.True(golden.GetProperty(name).GetString() == actual, $"The bytes of '{name}' are {actual}.");
            Assert.Equal(level, NodeDecoder.Decode(content.Value).Level);
        }
    }

    [Fact]
    public void The_empty_tree_has_the_id_that_the_document_says() =>
        Assert.Equal("1752996f1a653f1f5ed2b2e5c1f109332590da7d44a56e0ab8689638d88d1bd7", Tree.EmptyRoot.ToString());

    private static List<TreeEntry> Kinds()
    {
        var id = ObjectId.FromHash(Enumerable.Range(0, 32).Select(value => (byte)value).ToArray());
        return
        [
            new("key/a"u8.ToArray(), EntryValue.OfInline("eager"u8.ToArray())),
            new("key/b"u8.ToArray(), EntryValue.OfInline(default, EntryPriority.Lazy)),
            new("key/c"u8.ToArray(), EntryValue.OfObject(id, 513)),
            new("key/cc"u8.ToArray(), EntryValue.OfObject(id, 1L << 40, EntryPriority.Lazy)),
            new("key/d"u8.ToArray(), EntryValue.OfInline(Encoding.UTF8.GetBytes(new string('x', 512)))),
        ];
    }

    private static TreeEntry Mixed(int number)
    {
        var key = Encoding.UTF8.GetBytes($"{number % 7}/{number}");
        var priority = number % 11 == 0 ? EntryPriority.Lazy : EntryPriority.Eager;
        return number % 5 == 0
            ? new(key, EntryValue.OfObject(
                ObjectId.FromHash([.. Enumerable.Repeat((byte)number, 32)]), 513 + number, priority))
            : new(key, EntryValue.OfInline(Enumerable.Repeat((byte)'v', number % 100).ToArray(), priority));
    }

    private static byte[] Scattered(int number)
    {
        var input = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(input, number);
        return BigEndian((long)NaiveSipHash.Hash(0, 0, input));
    }

    private static byte[] BigEndian(long number)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteInt64BigEndian(bytes, number);
        return bytes;
    }
}
