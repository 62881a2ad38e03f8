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
    public void Hashing_allocates_nothing()
    {
        var input = new byte[100_000];
        var output = new byte[32];
        Blake3.Hash(input, output);
        var before = GC.GetAllocatedBytesForCurrentThread();

        Blake3.Hash(input, output);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }
}
