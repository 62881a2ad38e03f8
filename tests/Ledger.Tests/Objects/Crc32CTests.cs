using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Objects;

public sealed class Crc32CTests
{
    [Fact]
    public void The_check_input_has_the_check_value()
    {
        var checksum = Crc32C.Of("123456789"u8);

        Assert.Equal(0xE3069283u, checksum);
        Assert.Equal(0u, Crc32C.Of([]));
    }

    [Fact]
    public void Appending_in_pieces_gives_the_checksum_of_the_whole()
    {
        const int Seed = 20261121;
        var content = new byte[100];
        new Random(Seed).NextBytes(content);
        var whole = Crc32C.Of(content);

        for (var cut = 0; cut <= content.Length; cut++)
        {
            var checksum = Crc32C.Append(Crc32C.Of(content.AsSpan(0, cut)), content.AsSpan(cut));

            Assert.True(whole == checksum, $"cut at {cut}, seed {Seed}: {checksum:x8} instead of {whole:x8}");
        }
    }
}
