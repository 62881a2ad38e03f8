using System.Text;
using System.Text.Json;
using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Objects;

public sealed class Blake3Tests
{
    private const string Context = "BLAKE3 2019-12-27 16:29:52 test vectors context";
    private const string Key = "whats the Elvish word for friend";

    public static TheoryData<int, string, string, string> Vectors()
    {
        using var document = JsonDocument.Parse(TestData.ReadBytes("blake3/test-vectors.json"));
        Assert.Equal(Context, document.RootElement.GetProperty("context_string").GetString());
        Assert.Equal(Key, document.RootElement.GetProperty("key").GetString());
        var cases = new TheoryData<int, string, string, string>();
        foreach (var vector in document.RootElement.GetProperty("cases").EnumerateArray())
        {
            cases.Add(
                vector.GetProperty("input_len").GetInt32(),
                vector.GetProperty("hash").GetString()![..64],
                vector.GetProperty("keyed_hash").GetString()![..64],
                vector.GetProperty("derive_key").GetString()![..64]);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public void Official_vectors_are_met_in_every_mode(int length, string hash, string keyedHash, string derivedKey)
    {
        var input = Enumerable.Range(0, length).Select(place => (byte)(place % 251)).ToArray();
        Span<byte> contextKey = stackalloc byte[32];
        Span<byte> output = stackalloc byte[32];

        Blake3.Hash(input, output);
        Assert.Equal(hash, Convert.ToHexStringLower(output));

        Blake3.HashKeyed(Encoding.ASCII.GetBytes(Key), input, output);
        Assert.Equal(keyedHash, Convert.ToHexStringLower(output));

        Blake3.DeriveContextKey(Context, contextKey);
        Blake3.HashWithKey(contextKey, input, output);
        Assert.Equal(derivedKey, Convert.ToHexStringLower(output));
    }

    [Fact]
    public void The_path_with_vectors_agrees_with_the_portable_path_on_every_length()
    {
        const int Seed = 71;
        var input = new byte[200_000];
        new Random(Seed).NextBytes(input);
        var (actual, expected) = (new byte[32], new byte[32]);
        var lengths = Enumerable.Range(0, 20_000).Where(IsPrime)
            .Concat(Enumerable.Range(0, 196 * 3).Select(i => (i / 3 * 1024) + new[] { 0, 1, 1023 }[i % 3]));

        foreach (var length in lengths.Where(length => length <= input.Length))
        {
            Blake3.Hash(input.AsSpan(0, length), actual);
            Blake3.HashPortably(input.AsSpan(0, length), expected);

            Assert.True(actual.AsSpan().SequenceEqual(expected), $"{length} bytes, seed {Seed}");
        }
    }

    [Fact]
    public void The_lanes_of_the_vectors_are_independent()
    {
        if (!Blake3Vectors.IsSupported)
        {
            return; // The other path is the only one here, and the official vectors cover it.
        }

        var input = Enumerable.Range(0, 8 * 1024).Select(place => (byte)(place * 7)).ToArray();
        uint[] key = [1, 2, 3, 4, 5, 6, 7, 8];
        var (actual, expected) = (new uint[64], new uint[8]);

        for (var count = 1; count <= 8; count++)
        {
            Blake3Vectors.HashMany(
                input, count, 1024, key, 5, 1, Blake3.KeyedHash, Blake3.ChunkStart, Blake3.ChunkEnd, actual);

            for (var i = 0; i < count; i++)
            {
                Blake3Scalar.HashChunk(
                    key, input.AsSpan(i * 1024, 1024), (ulong)(5 + i), Blake3.KeyedHash, 0, expected);
                Assert.Equal(expected, actual[(i * 8)..((i + 1) * 8)]);
            }
        }
    }

    [Fact]
    public void Hashing_allocates_nothing()
    {
        var input = new byte[100_000];
        var output = new byte[32];
        Blake3.Hash(input, output);
        var before = GC.GetAllocatedBytesForCurrentThread();

        Blake3.Hash(input, output);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static bool IsPrime(int number) =>
        number > 1 && !Enumerable.Range(2, (int)Math.Sqrt(number) - 1).Any(divisor => number % divisor == 0);
}
