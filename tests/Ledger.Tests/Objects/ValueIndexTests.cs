using Ledger.Conformance;
using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Objects;

public sealed class ValueIndexTests
{
    private const int Seed = 41;

    [Theory]
    [InlineData(1)]
    [InlineData(31)]
    [InlineData(33)]
    [InlineData(600)]
    [InlineData(5_000)]
    [InlineData(60_000)]
    public async Task The_builder_makes_the_levels_that_the_format_describes(int chunks)
    {
        var children = MakeChunks(chunks, Seed);
        var objects = new CountingObjectWriter();
        var builder = new ValueIndexBuilder(objects);
        foreach (var child in children)
        {
            await builder.AddAsync(child, default);
        }

        var root = await builder.FinishAsync(default);

        var expected = BuildNaively(children, out var indexes);
        Assert.Equal(expected, root);
        Assert.Equal(indexes, objects.Puts[ObjectKind.ValueIndex]);
    }

    [Theory]
    [InlineData(32, 1)]
    [InlineData(512, 1)]
    [InlineData(513, 3)]
    public async Task An_index_that_is_alone_on_its_level_is_the_root(int chunks, int indexes)
    {
        // No id closes an index early, except that of the last chunk of exactly 32.
        var children = MakeChunks(chunks, Seed, closing: false);
        children[^1] = new ValueChild(MakeId(new Random(Seed), closing: chunks == 32), 20_000);
        var objects = new CountingObjectWriter();
        var builder = new ValueIndexBuilder(objects);
        foreach (var child in children)
        {
            await builder.AddAsync(child, default);
        }

        await builder.FinishAsync(default);

        Assert.Equal(indexes, objects.Puts[ObjectKind.ValueIndex]);
    }

    [Fact]
    public void An_index_finds_the_child_of_every_byte()
    {
        var children = MakeChunks(40, Seed, closing: false);
        var index = ValueIndex.Decode(Encode(1, children), default);
        long start = 0;

        for (var i = 0; i < children.Count; i++)
        {
            Assert.Equal(children[i], new ValueChild(index.IdOf(i), index.SizeBytesOf(i)));
            Assert.Equal(start, index.StartOf(i));
            Assert.Equal(i, index.FindChild(start));
            Assert.Equal(i, index.FindChild(start + children[i].SizeBytes - 1));
            start += children[i].SizeBytes;
        }

        Assert.Equal(start, index.SizeBytes);
    }

    public static TheoryData<string, byte[]> Refused()
    {
        var open = MakeChunks(40, Seed, closing: false);
        List<ValueChild> With(int at, ValueChild child) => [.. open[..at], child, .. open[(at + 1)..]];
        var closing = new ValueChild(MakeId(new Random(Seed), closing: true), 20_000);
        var cases = new TheoryData<string, byte[]>
        {
            { "empty", [] },
            { "level 0", Encode(0, open) },
            { "level 7", Encode(7, open) },
            { "no children", [1, 0, 0] },
            { "513 children", Encode(1, MakeChunks(513, Seed, closing: false)) },
            { "something follows", [.. Encode(1, open), 0] },
            { "it is cut short", Encode(1, open)[..^1] },
            { "the 32nd child closes it and others follow", Encode(1, With(31, closing)) },
            { "the 39th child closes it and others follow", Encode(1, With(38, closing)) },
            { "a short chunk in the middle", Encode(1, With(5, open[5] with { SizeBytes = 16_383 })) },
            { "a long chunk", Encode(1, With(5, open[5] with { SizeBytes = 262_145 })) },
            { "an empty chunk at the end", Encode(1, With(39, open[39] with { SizeBytes = 0 })) },
            { "a long chunk at the end", Encode(1, With(39, open[39] with { SizeBytes = 262_145 })) },
            { "a short index in the middle", Encode(2, [open[0] with { SizeBytes = 524_287 }, open[1]]) },
            { "a long index", Encode(2, [open[0] with { SizeBytes = 134_217_729 }, open[1]]) },
            { "a size above 2^63", [1, 1, 0, .. new byte[32], .. Enumerable.Repeat((byte)0xFF, 9), 1] },
            { "a size that is not in its shortest form", [1, 1, 0, .. new byte[32], 0x80, 0x80, 0x81, 0] },
            {
                "more than a value can have",
                Encode(6, [open[0] with { SizeBytes = 1L << 40 }, open[1] with { SizeBytes = 1 }])
            },
        };
        return cases;
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void What_no_value_can_have_is_refused(string what, byte[] content)
    {
        var id = ObjectId.Of(ObjectKind.ValueIndex, content);

        var error = Record.Exception(() => ValueIndex.Decode(content, id));

        Assert.True(error is CorruptObjectException { Id: var named } && named == id, $"{what}: {error}");
    }

    [Fact]
    public void Ids_that_would_close_an_index_do_not_before_its_32nd_child()
    {
        var children = MakeChunks(31, Seed, closing: true);
        children.Add(new ValueChild(MakeId(new Random(Seed), closing: true), 1));

        var index = ValueIndex.Decode(Encode(1, children), default);

        Assert.True(index.IsClosed);
    }

    [Fact]
    public void An_index_is_refused_where_it_cannot_be()
    {
        var open = ValueIndex.Decode(Encode(1, MakeChunks(40, Seed, closing: false)), default);
        var full = ValueIndex.Decode(Encode(1, MakeChunks(512, Seed, closing: false)), default);
        var lone = ValueIndex.Decode(Encode(2, [new ValueChild(open.IdOf(0), 600_000)]), default);
        var size = open.SizeBytes;

        open.CheckPlace(default, 1, size, isLast: true);
        open.CheckPlace(default, 0, size, isLast: true);
        full.CheckPlace(default, 1, full.SizeBytes, isLast: false);
        lone.CheckPlace(default, 2, 600_000, isLast: true);

        Assert.Throws<CorruptObjectException>(() => open.CheckPlace(default, 1, size + 1, isLast: true));
        Assert.Throws<CorruptObjectException>(() => open.CheckPlace(default, 2, size, isLast: true));
        Assert.Throws<CorruptObjectException>(() => open.CheckPlace(default, 1, size, isLast: false));
        Assert.Throws<CorruptObjectException>(() => lone.CheckPlace(default, 0, 600_000, isLast: true));
    }

    [Fact]
    public void Mutated_indexes_are_refused_or_encode_to_themselves()
    {
        byte[][] seeds =
        [
            Encode(1, MakeChunks(1, 1)), Encode(1, MakeChunks(3, 2)), Encode(1, MakeChunks(40, 3, closing: false)),
            Encode(1, MakeChunks(512, 4, closing: false)),
            Encode(2, [.. MakeChunks(35, 5, closing: false).Select(child => child with { SizeBytes = 10_000_000 })]),
            Encode(6, [new ValueChild(MakeId(new Random(6), false), 1L << 39), new ValueChild(default, 1)]),
        ];

        var result = MutationFuzz.Run(
            "value index", seeds, input => ValueIndex.Decode(input.Span, default), 100_000, Seed,
            input => ValueIndex.Decode(input.Span, default).Encode());

        Assert.True(result.Accepted > 5_000, $"accepted {result.Accepted}");
        Assert.True(result.Rejected > 30_000, $"rejected {result.Rejected}");
    }

    private static byte[] Encode(int level, List<ValueChild> children)
    {
        var writer = new ByteWriter();
        ValueIndex.Encode(writer, level, children.ToArray());
        return writer.ToArray();
    }

    private static List<ValueChild> MakeChunks(int count, int seed, bool? closing = null)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count)
            .Select(_ => new ValueChild(MakeId(random, closing), random.Next(16 * 1024, (256 * 1024) + 1)))];
    }

    private static ObjectId MakeId(Random random, bool? closing)
    {
        var hash = new byte[32];
        random.NextBytes(hash);
        hash[31] = closing is null ? hash[31] : (byte)(closing.Value ? 0x80 : 0x81);
        return ObjectId.FromHash(hash);
    }

    /// <summary>Written from docs/formats/values.md: a whole level at a time.</summary>
    private static ObjectId BuildNaively(List<ValueChild> children, out int indexes)
    {
        indexes = 0;
        for (byte level = 1; ; level++)
        {
            var above = new List<ValueChild>();
            var open = new List<ValueChild>();
            for (var i = 0; i < children.Count; i++)
            {
                open.Add(children[i]);
                var hash = new byte[32];
                children[i].Id.CopyHashTo(hash);
                if (i == children.Count - 1 || open.Count == 512 || (open.Count >= 32 && (hash[31] & 127) == 0))
                {
                    above.Add(new(HashNaively(level, open), open.Sum(child => child.SizeBytes)));
                    open.Clear();
                }
            }

            indexes += above.Count;
            children = above;
            if (children.Count == 1)
            {
                return children[0].Id;
            }
        }
    }

    private static ObjectId HashNaively(byte level, List<ValueChild> children)
    {
        var bytes = new List<byte> { level, (byte)children.Count, (byte)(children.Count >> 8) };
        foreach (var child in children)
        {
            var hash = new byte[32];
            child.Id.CopyHashTo(hash);
            bytes.AddRange(hash);
            var size = child.SizeBytes;
            for (; size > 127; size >>= 7)
            {
                bytes.Add((byte)(size & 127 | 128));
            }

            bytes.Add((byte)size);
        }

        return ObjectId.Of(ObjectKind.ValueIndex, bytes.ToArray());
    }
}
