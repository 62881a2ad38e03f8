using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Tests.Trees;

/// <summary>How the keys of a sample look.</summary>
public enum KeyShape
{
    Sequential,
    Random,
    LongRandom,
    SharedLongPrefixes,
    ZerosAndOnes,
}

/// <summary>Seeded keys, values and sets of entries.</summary>
internal static class TreeSamples
{
    /// <summary>Entries with distinct keys, in no order.</summary>
    public static List<TreeEntry> Entries(Random random, KeyShape shape, int count)
    {
        var keys = new SortedSet<ReadOnlyMemory<byte>>(KeyOrder.Instance);
        for (var number = 0; keys.Count < count; number++)
        {
            keys.Add(Key(random, shape, number));
        }

        var entries = keys.Select(key => new TreeEntry(key, Value(random))).ToArray();
        random.Shuffle(entries);
        return [.. entries];
    }

    public static byte[] Key(Random random, KeyShape shape, int number) => shape switch
    {
        KeyShape.Sequential => Text($"key-{number:D8}"),
        KeyShape.Random => Bytes(random, random.Next(2, 40)),
        KeyShape.LongRandom => Bytes(random, random.Next(8) == 0 ? random.Next(3, 1025) : 1024),
        KeyShape.SharedLongPrefixes =>
            [.. Enumerable.Repeat((byte)random.Next(3), random.Next(900, 903)), .. Bytes(random, random.Next(1, 100))],
        _ => [.. Enumerable.Range(0, random.Next(4, 80)).Select(_ => random.Next(2) == 0 ? (byte)0 : (byte)0xFF)],
    };

    /// <summary>Mostly inline values of any length, some objects, some of both lazy.</summary>
    public static EntryValue Value(Random random)
    {
        var priority = random.Next(10) == 0 ? EntryPriority.Lazy : EntryPriority.Eager;
        return random.Next(8) switch
        {
            0 => EntryValue.OfObject(
                ObjectId.FromHash(Bytes(random, 32)), random.NextInt64(513, (1L << 40) + 1), priority),
            1 => EntryValue.OfInline(Bytes(random, random.Next(0, 513)), priority),
            _ => EntryValue.OfInline(Bytes(random, random.Next(0, 60)), priority),
        };
    }

    /// <summary>16-byte keys and 96-byte values: with the 4 that each entry costs, 116 bytes.</summary>
    public static List<TreeEntry> EvenEntries(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => Inline(Bytes(random, 16), Bytes(random, 96)))];

    public static TreeEntry Inline(byte[] key, byte[] value) => new(key, EntryValue.OfInline(value));

    public static TreeChange Put(TreeEntry entry) => new(entry.Key, entry.Value);

    public static TreeChange Delete(TreeEntry entry) => new(entry.Key, null);

    public static byte[] Bytes(Random random, int count)
    {
        var bytes = new byte[count];
        random.NextBytes(bytes);
        return bytes;
    }

    public static byte[] Text(FormattableString text) =>
        Encoding.UTF8.GetBytes(text.ToString(CultureInfo.InvariantCulture));

    /// <summary>Keys whose hash on each of the first five levels passes a test.</summary>
    public static IEnumerable<byte[]> KeysWhoseHash(TreeSalt salt, int keySizeBytes, Func<uint, bool> test)
    {
        for (ulong number = 0; ; number++)
        {
            var key = new byte[keySizeBytes];
            BinaryPrimitives.WriteUInt64BigEndian(key.AsSpan(keySizeBytes - 8), number);
            var hashes = Enumerable.Range(0, 5)
                .Select(level => (uint)NaiveSipHash.Hash(salt.K0, salt.K1 ^ (ulong)level, key));
            if (hashes.All(test))
            {
                yield return key;
            }
        }
    }
}
