using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Objects;

public sealed class ContentChunkerTests
{
    private const int Seed = 11;

    [Fact]
    public void Lengths_of_chunks_of_random_content_are_close_to_the_mean()
    {
        var lengths = CutAll(ValueTestKit.RandomBytes(48 * 1024 * 1024, Seed))[..^1].Order().ToArray();

        Assert.InRange(lengths[0], 16 * 1024, 17 * 1024);
        Assert.InRange(lengths[lengths.Length / 100], 16 * 1024, 26 * 1024);
        Assert.InRange(lengths[lengths.Length / 2], 60 * 1024, 80 * 1024);
        Assert.InRange(lengths.Average(), 60 * 1024, 80 * 1024);
        Assert.InRange(lengths[lengths.Length * 99 / 100], 100 * 1024, 160 * 1024);
        Assert.InRange(lengths[^1], 100 * 1024, 256 * 1024);
    }

    [Fact]
    public void Content_that_never_ends_a_chunk_is_cut_at_the_longest_length()
    {
        var lengths = CutAll(new byte[1024 * 1024]);

        Assert.Equal(Enumerable.Repeat(256 * 1024, 4), lengths);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(16 * 1024 - 1)]
    [InlineData(16 * 1024)]
    public void Content_up_to_the_shortest_length_is_one_chunk(int size)
    {
        Assert.Equal([size], CutAll(ValueTestKit.RandomBytes(size, Seed)));
    }

    [Fact]
    public void A_boundary_depends_on_the_last_64_bytes_and_on_the_length_only()
    {
        var content = ValueTestKit.RandomBytes(1024 * 1024, Seed);
        var end = ValueTestKit.Chunker.FindEnd(content);
        Assert.InRange(end, 16 * 1024 + 64, 256 * 1024 - 1);

        content.AsSpan(0, ValueFormat.ChunkSizeBytesMin - 64).Fill(7);
        var sameEnd = ValueTestKit.Chunker.FindEnd(content);
        content[end - 1] ^= 0x80;
        var otherEnd = ValueTestKit.Chunker.FindEnd(content);

        Assert.Equal(end, sameEnd);
        Assert.NotEqual(end, otherEnd);
    }

    [Fact]
    public void Another_seed_cuts_elsewhere()
    {
        var content = ValueTestKit.RandomBytes(4 * 1024 * 1024, Seed);

        var one = CutAll(content);
        var other = CutAll(content, new ContentChunker(new ChunkSeed(1, 2)));

        Assert.NotEqual(one, other);
    }

    [Fact]
    public void A_seed_is_read_as_it_was_written()
    {
        var bytes = Convert.FromHexString("000102030405060708090a0b0c0d0e0f");
        var written = new byte[16];

        var seed = ChunkSeed.FromBytes(bytes);
        seed.CopyTo(written);

        Assert.Equal(0x0706_0504_0302_0100UL, seed.K0);
        Assert.Equal(bytes, written);
    }

    private static List<int> CutAll(ReadOnlySpan<byte> content, ContentChunker? chunker = null)
    {
        var lengths = new List<int>();
        while (!content.IsEmpty)
        {
            lengths.Add((chunker ?? ValueTestKit.Chunker).FindEnd(content));
            content = content[lengths[^1]..];
        }

        return lengths;
    }
}
