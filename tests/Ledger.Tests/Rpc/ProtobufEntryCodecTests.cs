using System.Buffers;
using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Ledger.Codecs;
using Ledger.Rpc;
using Ledger.Rpc.V1;
using Ledger.Streams.Memory;
using Ledger.Streams.Typed;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Protobuf messages come back as they went in, and a search finds them by what they say.</summary>
public sealed class ProtobufEntryCodecTests
{
    private static readonly ProtobufEntryCodec<EntryInput> Codec = new(EntryInput.Parser);

    [Fact]
    public void A_message_comes_back_as_it_went_in_with_fields_that_are_not_known()
    {
        var entry = new EntryInput
        {
            Payload = ByteString.CopyFrom(0, 255),
            OrderKey = "süß \U0001F980",
            Metadata = { ["a"] = "b" },
            Tags = { "x", "" },
            CreatedAt = new Timestamp { Seconds = -1, Nanos = 5 },
        };
        var later = entry.ToByteArray().Concat(new byte[] { 0xfa, 0x3e, 1, 7 }).ToArray();

        Assert.Equal(entry, Codec.Decode(Encode(Codec, entry)));
        Assert.Equal(later, Encode(Codec, Codec.Decode(later)).ToArray());
    }

    [Fact]
    public void The_text_of_a_message_is_its_strings_numbers_and_enumerated_values()
    {
        var culture = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = new CultureInfo("") { NumberFormat = { NumberDecimalSeparator = "," } };
        try
        {
            var fields = new Struct
            {
                Fields =
                {
                    ["name"] = Value.ForStruct(new() { Fields = { ["x"] = Value.ForNumber(1.5) } }),
                    ["list"] = Value.ForList(Value.ForString("a\0b"), Value.ForBool(true), Value.ForNumber(0)),
                    ["null"] = Value.ForNull(),
                },
            };
            var field = new FieldDescriptorProto
            {
                Name = "",
                Number = 0,
                Type = FieldDescriptorProto.Types.Type.Sint64,
                Label = (FieldDescriptorProto.Types.Label)9,
                Options = new() { Deprecated = true },
            };

            Assert.Equal(
                "key 2 m t1 t2 77 found",
                TextOf(Codec, new()
                {
                    Payload = ByteString.CopyFromUtf8("bytes"),
                    OrderKey = "key",
                    SchemaVersion = 2,
                    Metadata = { ["name"] = "m" },
                    Tags = { "t1", "", "t2" },
                    CreatedAt = new Timestamp { Seconds = 77 },
                    SearchText = "found",
                }));
            Assert.Equal("1.5 a b 0 NULL_VALUE", TextOf(new ProtobufEntryCodec<Struct>(Struct.Parser), fields));
            Assert.Equal(
                "0 9 TYPE_SINT64",
                TextOf(new ProtobufEntryCodec<FieldDescriptorProto>(FieldDescriptorProto.Parser), field));
            Assert.Null(TextOf(Codec, new() { NoSearchText = true, Payload = ByteString.CopyFrom(1) }));
        }
        finally
        {
            CultureInfo.CurrentCulture = culture;
        }
    }

    [Fact]
    public void What_is_not_such_a_message_is_a_schema_error_and_has_no_text()
    {
        var required = new ProtobufEntryCodec<UninterpretedOption.Types.NamePart>(
            UninterpretedOption.Types.NamePart.Parser);
        byte[] damaged = [10, 200, 1];

        var error = Assert.Throws<SchemaException>(() => Codec.Decode(damaged));
        Assert.IsType<InvalidProtocolBufferException>(error.InnerException);
        Assert.Null(Codec.TextOf(damaged));
        Assert.Throws<SchemaException>(() => required.Decode(ReadOnlyMemory<byte>.Empty));
        Assert.Throws<SchemaException>(() => Encode(required, new() { NamePart_ = "x" }));
        Assert.Throws<ArgumentNullException>(() => new ProtobufEntryCodec<EntryInput>(null!));
    }

    [Fact]
    public async Task A_typed_stream_has_messages_of_two_versions_which_are_found_by_their_text()
    {
        await using var store = new MemoryStreamStore();
        var schema = new Schema(2, new Upcaster(1, 2, old =>
        {
            var entry = EntryInput.Parser.ParseFrom(old.Span);
            entry.Tags.Add("old");
            return entry.ToByteArray();
        }));
        await store.Stream("s", Codec).AppendAsync(new NewEntry<EntryInput>(new() { OrderKey = "Red" }));
        var stream = store.Stream("s", new BrotliEntryCodec<EntryInput>(Codec), new Schema(1));
        var second = store.Stream("s", Codec, schema);
        await second.AppendAsync(new NewEntry<EntryInput>(new() { OrderKey = "green" }));
        await store.Stream("packed", new BrotliEntryCodec<EntryInput>(Codec)).AppendAsync(
            new NewEntry<EntryInput>(new() { OrderKey = "red" }));

        var values = await second.ReadAsync().Select(entry => entry.Value).ToListAsync();
        var found = await store.SearchAsync("RED").Select(entry => entry.Stream).ToListAsync();

        Assert.Equal(
            [new EntryInput { OrderKey = "Red", Tags = { "old" } }, new EntryInput { OrderKey = "green" }], values);
        Assert.Equal(["packed", "s"], found.Order());
        await Assert.ThrowsAsync<SchemaException>(async () => await stream.ReadAsync().ToListAsync());
    }

    private static string? TextOf<T>(ProtobufEntryCodec<T> codec, T value)
        where T : class, IMessage<T> => codec.TextOf(Encode(codec, value));

    private static ReadOnlyMemory<byte> Encode<T>(ProtobufEntryCodec<T> codec, T value)
        where T : class, IMessage<T>
    {
        var buffer = new ArrayBufferWriter<byte>();
        codec.Encode(value, buffer);
        return buffer.WrittenMemory;
    }
}
