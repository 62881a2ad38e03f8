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

        foreach (var path in Paths())
        {
            Blake3.Hash(input, output, path);
            Assert.Equal(hash, Convert.ToHexStringLower(output));
        }

        Blake3.HashKeyed(Encoding.ASCII.GetBytes(Key), input, output);
        Assert.Equal(keyedHash, Convert.ToHexStringLower(output));

        Blake3.DeriveContextKey(Context, contextKey);
        Blake3.HashWithKey(contextKey, input, output);
        Assert.Equal(derivedKey, Convert.ToHexStringLower(output));
    }

    [Fact]
    public void Every_path_agrees_with_the_portable_path_on_every_length()
    {
        const int Seed = 71;
        var input = new byte[200_000];
        new Random(Seed).NextBytes(input);
        var (actual, expected) = (new byte[32], new byte[32]);
        var lengths = Enumerable.Range(0, 20_000).Where(IsPrime)
            .Concat(Enumerable.Range(0, 196 * 3).Select(i => (i / 3 * 1024) + new[] { 0, 1, 1023 }[i % 3]));

        foreach (var length in lengths.Where(length => length <= input.Length))
        {
            Blake3.Hash(input.AsSpan(0, length), expected, Blake3Path.Portable);
            foreach (var path in Paths().Where(path => path != Blake3Path.Portable))
            {
                Blake3.Hash(input.AsSpan(0, length), actual, path);

                Assert.True(actual.AsSpan().SequenceEqual(expected), $"{length} bytes on {path}, seed {Seed}");
            }
        }
    }

    [Fact]
    public void A_batch_meets_the_official_vectors_on_every_path()
    {
        var vectors = Vectors().Select(row => (Length: (int)row[0], DerivedKey: (string)row[3])).ToList();
        var inputs = vectors.Select(vector => (ReadOnlyMemory<byte>)
            Enumerable.Range(0, vector.Length).Select(place => (byte)(place % 251)).ToArray()).ToArray();
        var contextKey = new byte[32];
        Blake3.DeriveContextKey(Context, contextKey);

        foreach (var path in Paths())
        {
            var hashes = new byte[inputs.Length * 32];
            Blake3Batch.HashWithKey(contextKey, inputs, hashes, path);

            for (var i = 0; i < inputs.Length; i++)
            {
                Assert.Equal(vectors[i].DerivedKey, Convert.ToHexStringLower(hashes.AsSpan(i * 32, 32)));
            }
        }
    }

    [Theory]
    [InlineData(72, 0, 300)]
    [InlineData(73, 500, 3_500)]
    [InlineData(74, 0, 12_000)]
    [InlineData(75, 900, 1_200)]
    [InlineData(76, 10_000, 20_000)]
    public void A_batch_of_any_mix_of_lengths_has_the_hashes_of_its_inputs(int seed, int lengthMin, int lengthMax)
    {
        var random = new Random(seed);
        var contextKey = new byte[32];
        random.NextBytes(contextKey);
        var bytes = new byte[lengthMax];
        random.NextBytes(bytes);
        var expected = new byte[32];

        for (var round = 0; round < 30; round++)
        {
            var inputs = Enumerable.Range(0, random.Next(100)).Select(_ =>
            {
                var length = random.Next(4) == 0
                    ? Math.Min(lengthMax, random.Next((lengthMax / 1024) + 2) * 1024)
                    : random.Next(lengthMin, lengthMax);
                return (ReadOnlyMemory<byte>)bytes.AsMemory(random.Next(lengthMax - length + 1), length);
            }).ToArray();
            foreach (var path in Paths())
            {
                var hashes = new byte[inputs.Length * 32];
                Blake3Batch.HashWithKey(contextKey, inputs, hashes, path);

                for (var i = 0; i < inputs.Length; i++)
                {
                    Blake3.HashWithKey(contextKey, inputs[i].Span, expected);
                    Assert.True(
                        hashes.AsSpan(i * 32, 32).SequenceEqual(expected),
                        $"Input {i} of {inputs.Length}, {inputs[i].Length} bytes, {path}, seed {seed}, round {round}");
                }
            }
        }
    }

    [Fact]
    public void Lanes_take_jobs_of_any_number_and_length()
    {
        var random = new Random(77);
        var source = new byte[64 * 1024];
        random.NextBytes(source);
        uint[] key = [1, 2, 3, 4, 5, 6, 7, 8];

        for (var count = 0; count < 60; count++)
        {
            var jobs = Enumerable.Range(0, count).Select(slot => new Blake3Job(
                random.Next(63 * 1024), random.Next(1, 17), random.Next(65), (uint)random.Next(),
                Blake3.KeyedHash, Blake3.ChunkStart, Blake3.ChunkEnd, slot)).ToArray();
            random.Shuffle(jobs);
            var expected = new uint[count * 8];
            Blake3Lanes.Run(key, source, jobs, expected, Blake3Path.Portable);
            foreach (var path in Paths())
            {
                var actual = new uint[count * 8];
                Blake3Lanes.Run(key, source, jobs, actual, path);

                Assert.True(expected.SequenceEqual(actual), $"{count} jobs on {path}");
            }
        }
    }

    [Fact]
    public void Jobs_that_read_beyond_the_source_are_refused()
    {
        var source = new byte[1024];
        foreach (var path in Paths())
        {
            var jobs = Enumerable.Repeat(new Blake3Job(64, 16, 64, 0, 0, 0, 0, 0), 20).ToArray();

            Assert.Throws<ArgumentOutOfRangeException>(
                () => Blake3Lanes.Run(new uint[8], source, jobs, new uint[8], path));
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

    // A processor that lacks a path has others, and every test says which it was on.
    private static Blake3Path[] Paths() =>
        [.. Enum.GetValues<Blake3Path>().Where(Blake3Lanes.IsSupported)];

    private static bool IsPrime(int number) =>
        number > 1 && !Enumerable.Range(2, (int)Math.Sqrt(number) - 1).Any(divisor => number % divisor == 0);
}
