using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Objects;

public sealed class ObjectIdTests
{
    private const string Text = "4795de5b058fe26985da8511e96520af6821c421858e3957223c5bf8fb160b33";

    /// <summary>Ids of "abc", from a second implementation of docs/formats/objects.md.</summary>
    [Theory]
    [InlineData((byte)ObjectKind.Value, Text)]
    [InlineData((byte)ObjectKind.ValueIndex, "6570585cb7728fdc834987fa892aa3f547ab33c10f3c8582acdd07e5f01cad67")]
    [InlineData((byte)ObjectKind.Node, "a106e3fe18e12f44c18b7d60aedaee1aee59d847cef7322d872e0c6a60ede040")]
    [InlineData((byte)ObjectKind.Commit, "d2be2667bff2a5577dc34df63496af9e5f910d0713159ab5e79d7248979dfb07")]
    [InlineData((byte)ObjectKind.ChangeList, "8fb3fc2a3b5dfa08a82d341717cd3d1b83e11b0bc000d5c80bc4ad221d5d16ba")]
    [InlineData((byte)ObjectKind.ChangeIndex, "a7479d1455f10a2b860654c07b8aca5e4254cec91198ae23f75e6940feeb43a2")]
    public void Every_kind_names_equal_bytes_differently(byte kind, string id)
    {
        Assert.Equal(id, ObjectId.Of((ObjectKind)kind, "abc"u8).ToString());
    }

    [Fact]
    public void An_id_survives_its_text_and_its_bytes()
    {
        var hash = new byte[ObjectId.HashSizeBytes];

        Assert.True(ObjectId.TryParse(Text, out var id));
        Assert.True(ObjectId.TryParse(Text.ToUpperInvariant(), out var same));
        id.CopyHashTo(hash);

        Assert.Equal(Text, id.ToString());
        Assert.Equal(id, same);
        Assert.Equal(Text, Convert.ToHexStringLower(hash));
        Assert.Equal(id, ObjectId.FromHash(hash));
        Assert.Equal(id.GetHashCode(), same.GetHashCode());
        Assert.Equal(0xFB160B33 & 0xFFFFFF, id.LowBits & 0xFFFFFF);
        Assert.False(id.IsNone);
        Assert.True(default(ObjectId).IsNone);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("4795de5b")]
    [InlineData("x795de5b058fe26985da8511e96520af6821c421858e3957223c5bf8fb160b33")]
    [InlineData(Text + "00")]
    public void Other_texts_are_no_ids(string? text)
    {
        Assert.False(ObjectId.TryParse(text, out var id));
        Assert.True(id.IsNone);
    }

    [Fact]
    public void Ids_are_ordered_as_unsigned_bytes()
    {
        const int Seed = 61;
        var random = new Random(Seed);
        var hashes = Enumerable.Range(0, 200).Select(_ =>
        {
            var hash = new byte[32];
            random.NextBytes(hash);
            hash[0] = (byte)(hash[0] & 0x81);
            return hash;
        }).ToArray();

        foreach (var (left, right) in hashes.Zip(hashes.Skip(1)))
        {
            var expected = Math.Sign(left.AsSpan().SequenceCompareTo(right));
            var (a, b) = (ObjectId.FromHash(left), ObjectId.FromHash(right));
            Assert.Equal(expected, Math.Sign(a.CompareTo(b)));
            Assert.Equal(expected < 0, a < b);
            Assert.Equal(expected > 0, a > b);
            Assert.Equal(expected <= 0, a <= b);
            Assert.Equal(expected >= 0, a >= b);
        }

        Assert.True(default(ObjectId) < ObjectId.FromHash(new byte[32]));
    }
}
