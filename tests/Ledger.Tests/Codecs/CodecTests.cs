using System.Buffers;
using System.Text;
using System.Text.Json.Serialization;
using Ledger.Codecs;
using Xunit;

namespace Ledger.Tests.Codecs;

/// <summary>Values come back as they went in, damaged bytes are said to be damaged, and chains have no gaps.</summary>
public sealed class CodecTests
{
    [Fact]
    public void Values_come_back_as_they_went_in()
    {
        var point = new CodecPoint(7, "süß \U0001F980");

        Assert.Equal(point, RoundTrip(new JsonEntryCodec<CodecPoint>(CodecJson.Default.CodecPoint), point));
        Assert.Equal("a\0ß", RoundTrip(new TextEntryCodec(), "a\0ß"));
        Assert.Equal([0, 255], RoundTrip(new BytesEntryCodec(), new byte[] { 0, 255 }).ToArray());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(100_000)]
    public void Compression_is_used_where_it_helps(int length)
    {
        var codec = new BrotliEntryCodec<string>(new TextEntryCodec());
        var text = new string('x', length);
        var buffer = new ArrayBufferWriter<byte>();

        codec.Encode(text, buffer);

        Assert.Equal(text, codec.Decode(buffer.WrittenMemory));
        Assert.True(buffer.WrittenCount <= Math.Min(length + 1, 100), $"{buffer.WrittenCount} bytes");
    }

    [Fact]
    public void What_a_codec_did_not_write_is_a_schema_error()
    {
        var brotli = new BrotliEntryCodec<string>(new TextEntryCodec(), sizeBytesMax: 1_000);
        var bomb = new ArrayBufferWriter<byte>();
        new BrotliEntryCodec<string>(new TextEntryCodec()).Encode(new string('x', 1_000_000), bomb);

        Assert.Throws<SchemaException>(() => brotli.Decode(bomb.WrittenMemory));
        Assert.Throws<SchemaException>(() => brotli.Decode(bomb.WrittenMemory[..5]));
        Assert.Throws<SchemaException>(() => brotli.Decode(ReadOnlyMemory<byte>.Empty));
        Assert.Throws<SchemaException>(() => brotli.Decode(new byte[] { 2 }));
        Assert.Throws<SchemaException>(() => new TextEntryCodec().Decode(new byte[] { 255 }));
        Assert.Throws<SchemaException>(
            () => new JsonEntryCodec<CodecPoint>(CodecJson.Default.CodecPoint).Decode("{\"X\":"u8.ToArray()));
    }

    [Fact]
    public void The_text_of_JSON_is_its_strings_and_numbers()
    {
        Assert.Equal("a 1.50 b", JsonText.Of("""{"name":"a","n":[1.50,true,null,{"x":"b"}]}"""u8));
        Assert.Null(JsonText.Of("{}"u8));
        Assert.Null(JsonText.Of("nonsense"u8));
        Assert.Null(JsonText.Of("\"\\ud800\""u8));
    }

    [Fact]
    public void Steps_may_span_versions_and_are_pure()
    {
        var schema = new Schema(4, Step(1, 3), Step(2, 4), Step(3, 4));

        Assert.Equal("x34", Text(schema.Upcast("x"u8.ToArray(), 1)));
        Assert.Equal("x34", Text(schema.Upcast("x"u8.ToArray(), 0)));
        Assert.Equal("x4", Text(schema.Upcast("x"u8.ToArray(), 2)));
        Assert.Equal("x", Text(schema.Upcast("x"u8.ToArray(), 4)));
    }

    [Fact]
    public void A_gap_is_an_error_when_the_schema_is_made_and_a_newer_version_when_it_is_read()
    {
        Assert.Throws<ArgumentException>(() => new Schema(4, Step(1, 2), Step(3, 4)));
        Assert.Throws<ArgumentException>(() => new Schema(3, Step(2, 3)));
        Assert.Throws<ArgumentException>(() => new Schema(3, Step(1, 3), Step(1, 2)));
        Assert.Throws<ArgumentException>(() => new Schema(2, Step(1, 3)));
        Assert.Throws<ArgumentOutOfRangeException>(() => Step(2, 2));
        Assert.Equal(9, Assert.Throws<SchemaException>(() => new Schema(2).Upcast(default, 9)).Version);
        Assert.Equal(2, Assert.Throws<SchemaException>(() => new Schema(3, Step(1, 3)).Upcast(default, 2)).Version);
    }

    private static Upcaster Step(int from, int to) =>
        new(from, to, payload => Encoding.UTF8.GetBytes(Text(payload) + to));

    private static string Text(ReadOnlyMemory<byte> bytes) => Encoding.UTF8.GetString(bytes.Span);

    private static T RoundTrip<T>(IEntryCodec<T> codec, T value)
    {
        var buffer = new ArrayBufferWriter<byte>();
        codec.Encode(value, buffer);
        return codec.Decode(buffer.WrittenMemory);
    }
}

internal sealed record CodecPoint(int X, string Name);

[JsonSerializable(typeof(CodecPoint))]
internal sealed partial class CodecJson : JsonSerializerContext;
