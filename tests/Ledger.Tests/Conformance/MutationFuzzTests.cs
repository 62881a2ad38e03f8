using Ledger.Conformance;
using Ledger.Objects;
using Xunit;
using Xunit.Sdk;

namespace Ledger.Tests.Conformance;

/// <summary>The harness must find what it is there to find.</summary>
public sealed class MutationFuzzTests
{
    private const int Seed = 7;
    private static readonly byte[][] Seeds = [[3, 10, 20, 30], [0], [200, .. new byte[200]]];

    [Fact]
    public void A_careful_decoder_passes_and_sees_good_and_bad_input()
    {
        var result = MutationFuzz.Run("careful", Seeds, input => ReadCareful(input), 5_000, Seed, ReadCareful);

        Assert.True(result.Accepted > 50, $"accepted {result.Accepted}");
        Assert.True(result.Rejected > 1_000, $"rejected {result.Rejected}");
    }

    [Fact]
    public void A_decoder_that_runs_off_the_end_is_found()
    {
        Assert.ThrowsAny<XunitException>(() =>
            MutationFuzz.Run("careless", Seeds, input => input.Slice(1, input.Span[0]), 5_000, Seed));
    }

    [Fact]
    public void A_decoder_that_trusts_a_length_is_found()
    {
        Assert.ThrowsAny<XunitException>(() => MutationFuzz.Run("trusting", Seeds, ReadTrusting, 5_000, Seed));
    }

    [Fact]
    public void A_decoder_that_ignores_what_follows_is_found()
    {
        byte[] Reencode(ReadOnlyMemory<byte> input) => input[..(1 + input.Span[0])].ToArray();

        Assert.ThrowsAny<XunitException>(() =>
            MutationFuzz.Run("lax", Seeds, input => ReadLax(input.Span), 5_000, Seed, Reencode));
    }

    private static byte[] ReadCareful(ReadOnlyMemory<byte> input)
    {
        var reader = new ByteReader(input.Span, "a test message");
        var content = reader.ReadBytes(reader.ReadByte());
        reader.ExpectEnd();
        return [(byte)content.Length, .. content];
    }

    private static void ReadLax(ReadOnlySpan<byte> input)
    {
        var reader = new ByteReader(input, "a test message");
        reader.ReadBytes(reader.ReadByte());
    }

    private static void ReadTrusting(ReadOnlyMemory<byte> input)
    {
        var reader = new ByteReader(input.Span, "a test message");
        var buffer = new byte[100_000 * (1 + reader.ReadByte())];
        ReadCareful(input).CopyTo(buffer, 0);
    }
}
