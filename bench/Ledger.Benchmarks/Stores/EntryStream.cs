using System.Buffers.Binary;

namespace Ledger.Benchmarks.Stores;

/// <summary>In which order a stream's keys come.</summary>
internal enum KeyOrder
{
    /// <summary>Each key anywhere among the others.</summary>
    Random,

    /// <summary>Ascending.</summary>
    Sorted,

    /// <summary>Groups of a hundred that share their first eight bytes; the groups come anywhere.</summary>
    Grouped,
}

/// <summary>The entries that every contender gets: made of a seed, all in memory before a clock runs.</summary>
/// <remarks>Keys of 16 bytes; values of 100 that do not compress.</remarks>
internal sealed class EntryStream
{
    public const int KeySizeBytes = 16;
    public const int ValueSizeBytes = 100;
    public const int GroupSize = 100;

    /// <summary>Payload of one entry.</summary>
    public const int SizeBytes = KeySizeBytes + ValueSizeBytes;

    private const int PoolSizeBytes = 1 << 20;
    private const int PoolStride = 61;
    private readonly byte[] _keys;
    private readonly byte[] _pool = new byte[PoolSizeBytes];

    /// <summary>Makes the stream.</summary>
    public EntryStream(int count, int seed, KeyOrder order = KeyOrder.Random)
    {
        Count = count;
        _keys = new byte[(long)count * KeySizeBytes];
        new Random(seed).NextBytes(_pool);
        for (var i = 0; i < count; i++)
        {
            var (high, low) = order switch
            {
                KeyOrder.Sorted => (0UL, (ulong)i),
                KeyOrder.Grouped => (Mix((ulong)seed, (ulong)(i / GroupSize)), (ulong)(i % GroupSize)),
                _ => (Mix((ulong)seed, (ulong)i), Mix((ulong)seed + 1, (ulong)i)),
            };
            BinaryPrimitives.WriteUInt64BigEndian(_keys.AsSpan(i * KeySizeBytes), high);
            BinaryPrimitives.WriteUInt64BigEndian(_keys.AsSpan((i * KeySizeBytes) + sizeof(ulong)), low);
        }
    }

    /// <summary>Number of entries.</summary>
    public int Count { get; }

    /// <summary>Bytes of all keys and values.</summary>
    public long PayloadBytes => (long)Count * SizeBytes;

    /// <summary>A cache that holds three times the payload, at least 64 MiB: for every contender the same.</summary>
    public long CacheSizeBytes => Math.Max(64L << 20, 3 * PayloadBytes);

    /// <summary>A key, by its place in the stream.</summary>
    public ReadOnlyMemory<byte> Key(int index) => _keys.AsMemory(index * KeySizeBytes, KeySizeBytes);

    /// <summary>A value; another number gives another one.</summary>
    public ReadOnlyMemory<byte> Value(int index) =>
        _pool.AsMemory((int)((uint)index * PoolStride % (PoolSizeBytes - ValueSizeBytes)), ValueSizeBytes);

    /// <summary>Indexes drawn by a zipf distribution of exponent 0.99 over shuffled keys, as YCSB draws them.</summary>
    public int[] Zipf(int draws, int seed)
    {
        const double Theta = 0.99;
        var zeta = 0.0;
        for (var i = 1; i <= Count; i++)
        {
            zeta += 1 / Math.Pow(i, Theta);
        }

        var random = new Random(seed);
        var zetaTwo = 1 + (1 / Math.Pow(2, Theta));
        var eta = (1 - Math.Pow(2.0 / Count, 1 - Theta)) / (1 - (zetaTwo / zeta));
        return [.. Enumerable.Range(0, draws).Select(_ =>
        {
            var u = random.NextDouble();
            var rank = u * zeta < 1 ? 0 : u * zeta < zetaTwo ? 1
                : (ulong)(Count * Math.Pow((eta * u) - eta + 1, 1 / (1 - Theta)));
            return (int)(Mix((ulong)seed, rank) % (ulong)Count);
        })];
    }

    /// <summary>Indexes drawn evenly.</summary>
    public int[] Uniform(int draws, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, draws).Select(_ => random.Next(Count))];
    }

    /// <summary>A bijection of 64-bit numbers (the finisher of SplitMix64), so that no two keys are equal.</summary>
    private static ulong Mix(ulong seed, ulong value)
    {
        var mixed = (value + (seed * 0xD1B54A32D192ED03)) * 0x9E3779B97F4A7C15;
        mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EB;
        return mixed ^ (mixed >> 31);
    }
}
