using System.Text.Json;
using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Objects;

/// <summary>The ids that a second implementation, in C from docs/formats/values.md, gave to known content.</summary>
public sealed class ValueGoldenTests
{
    public static TheoryData<string, int, string, int, int[]> Values()
    {
        using var document = JsonDocument.Parse(TestData.ReadBytes("golden/values.json"));
        var cases = new TheoryData<string, int, string, int, int[]>();
        foreach (var value in document.RootElement.GetProperty("values").EnumerateArray())
        {
            cases.Add(
                value.GetProperty("content").GetString()!,
                value.GetProperty("sizeBytes").GetInt32(),
                value.GetProperty("id").GetString()!,
                value.GetProperty("indexes").GetInt32(),
                [.. value.GetProperty("firstChunks").EnumerateArray().Select(length => length.GetInt32())]);
        }

        return cases;
    }

    [Theory]
    [MemberData(nameof(Values))]
    public async Task Known_content_has_the_known_id(
        string content, int size, string id, int indexes, int[] firstChunks)
    {
        var chunker = new ContentChunker(ChunkSeed.FromBytes(Convert.FromHexString(ReadSeed())));
        var objects = new CountingObjectWriter();
        var writer = new ValueWriter(ValueTestKit.Runtime(), chunker, objects, 0, ValueFormat.SizeBytesMax);
        var bytes = Make(content, size);

        var written = await writer.WriteAsync(bytes, default);

        Assert.Equal(id, written.Id.ToString());
        Assert.Equal(indexes, objects.Puts.GetValueOrDefault(ObjectKind.ValueIndex));
        var position = 0;
        foreach (var length in firstChunks)
        {
            Assert.Equal(length, chunker.FindEnd(bytes.AsSpan(position)));
            position += length;
        }
    }

    private static string ReadSeed()
    {
        using var document = JsonDocument.Parse(TestData.ReadBytes("golden/values.json"));
        return document.RootElement.GetProperty("seed").GetString()!;
    }

    private static byte[] Make(string content, int size)
    {
        var bytes = new byte[size];
        if (content != "zeros")
        {
            var state = ulong.Parse(content["lcg:".Length..]);
            foreach (ref var next in bytes.AsSpan())
            {
                state = unchecked((state * 6364136223846793005) + 1442695040888963407);
                next = (byte)(state >> 56);
            }
        }

        return bytes;
    }
}
