using System.Numerics;
using Ledger.Objects;

namespace Ledger.Tests.Trees;

/// <summary>An entry as docs/formats/tree.md describes it: an inline value, or the id and size of an object.</summary>
internal sealed record NaiveEntry(byte[] Key, bool IsLazy, byte[]? Inline, byte[]? ObjectId, long SizeBytes);

/// <summary>What the naive builder makes: the root's id and the bytes of every node, level by level.</summary>
internal sealed record NaiveResult(byte[] RootId, List<List<byte[]>> Levels)
{
    public string RootHex => Convert.ToHexStringLower(RootId);
}

/// <summary>
/// Builds all levels of a tree from its full list of entries; written from docs/formats/tree.md alone. It shares no
/// code with the product except BLAKE3, which is checked against the official vectors.
/// </summary>
internal static class NaiveTree
{
    private const int T = 2048;
    private const int D = 6068;

    public static NaiveResult Build(IEnumerable<NaiveEntry> entries, ulong k0, ulong k1)
    {
        var items = entries.OrderBy(entry => entry.Key, Comparer<byte[]>.Create(Compare)).Select(LeafItem).ToList();
        var levels = new List<List<byte[]>>();
        if (items.Count == 0)
        {
            byte[] empty = [1, 1, 0, 0, 0];
            return new NaiveResult(IdOf(empty), [[empty]]);
        }

        for (var level = 0; ; level++)
        {
            var groups = Cut(items, level, k0, k1);
            var nodes = groups.Select(group => Encode(group, level)).ToList();
            levels.Add(nodes);
            if (nodes.Count == 1)
            {
                return new NaiveResult(IdOf(nodes[0]), levels);
            }

            items = [.. groups.Select((group, index) => InnerItem(group, nodes[index]))];
        }
    }

    private static List<List<Item>> Cut(List<Item> items, int level, ulong k0, ulong k1)
    {
        var groups = new List<List<Item>>();
        var open = new List<Item>();
        long x = 0;
        foreach (var item in items)
        {
            open.Add(item);
            x += item.Weight;
            var p = BigInteger.Min(
                BigInteger.Pow(2, 31), 4 * new BigInteger(item.Weight) * BigInteger.Pow(x, 3) / D);
            var h = NaiveSipHash.Hash(k0, k1 ^ (ulong)level, item.Key) % 4294967296;
            if (open.Count >= 3 && (x >= 4 * T || h < p))
            {
                groups.Add(open);
                open = [];
                x = 0;
            }
        }

        if (open.Count > 0)
        {
            groups.Add(open);
        }

        return groups;
    }

    private static byte[] Encode(List<Item> group, int level)
    {
        var prefix = group[0].Key.Length;
        foreach (var item in group)
        {
            var common = 0;
            while (common < prefix && common < item.Key.Length && item.Key[common] == group[0].Key[common])
            {
                common++;
            }

            prefix = common;
        }

        var entries = group.Select(item => item.Encode(prefix)).ToList();
        var node = new List<byte> { 1, 1, (byte)level };
        node.AddRange(Varint(group.Count));
        node.AddRange(Varint(prefix));
        node.AddRange(group[0].Key[..prefix]);
        var offset = 0;
        foreach (var entry in entries)
        {
            node.Add((byte)(offset % 256));
            node.Add((byte)(offset / 256));
            offset += entry.Length;
        }

        foreach (var entry in entries)
        {
            node.AddRange(entry);
        }

        return [.. node];
    }

    private static Item LeafItem(NaiveEntry entry)
    {
        var flags = (entry.ObjectId is null ? 0 : 1) + (entry.IsLazy ? 2 : 0);
        return entry.ObjectId is { } id
            ? new Item(
                entry.Key, [(byte)flags, .. id, .. Varint(entry.SizeBytes)], entry.Key.Length + 36 + 4, 1, flags)
            : new Item(
                entry.Key,
                [(byte)flags, .. Varint(entry.Inline!.Length), .. entry.Inline],
                entry.Key.Length + entry.Inline.Length + 4,
                1,
                flags);
    }

    private static Item InnerItem(List<Item> group, byte[] node)
    {
        var key = group[^1].Key;
        var count = group.Sum(item => item.EntryCount);
        var flags = group.Aggregate(0, (all, item) => all | item.Flags);
        return new Item(
            key, [.. IdOf(node), .. Varint(count), (byte)flags], key.Length + 38, count, flags);
    }

    private static byte[] IdOf(byte[] node)
    {
        var key = new byte[32];
        var id = new byte[32];
        Blake3.DeriveContextKey("ledger 2026-11-21 object: tree node", key);
        Blake3.HashWithKey(key, node, id);
        return id;
    }

    private static IEnumerable<byte> Varint(long number)
    {
        while (number > 127)
        {
            yield return (byte)(128 + number % 128);
            number /= 128;
        }

        yield return (byte)number;
    }

    private static int Compare(byte[]? left, byte[]? right)
    {
        for (var index = 0; index < Math.Min(left!.Length, right!.Length); index++)
        {
            if (left[index] != right[index])
            {
                return left[index] - right[index];
            }
        }

        return left.Length - right!.Length;
    }

    private sealed record Item(byte[] Key, byte[] Tail, int Weight, long EntryCount, int Flags)
    {
        public byte[] Encode(int prefix) => [.. Varint(Key.Length - prefix), .. Key[prefix..], .. Tail];
    }
}
