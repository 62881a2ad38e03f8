using System.Text;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Objects.Segments;

/// <summary>
/// The byte layouts of docs/formats/log.md and run.md: fixed by a store that is checked in, closed to all else.
/// </summary>
public sealed class LogFormatTests
{
    private const string Golden = "golden/store-2";
    private const string Root = "/disk/store";

    [Fact]
    public void The_store_that_is_checked_in_is_what_this_version_writes()
    {
        var disk = WriteStore();

        foreach (var path in FilesOf(disk))
        {
            TestData.AssertGolden($"{Golden}/{Path.GetFileName(path)}", disk.ReadAllBytes(path));
        }
    }

    [Theory]
    [InlineData(1, new[] { "00000001.segment", "00000001.run", "MANIFEST" }, "kept")]
    [InlineData(2, new[] { "00000001.segment", "00000001.run", "00000002.run", "MANIFEST" }, null)]
    public async Task The_stores_that_are_checked_in_stay_readable(int version, string[] names, string? rowC)
    {
        var files = new MemoryFileSystem();
        files.CreateDirectory(Root);
        foreach (var name in names)
        {
            using var file = files.Open($"{Root}/{name}", FileOpening.CreateNew);
            file.Write(0, TestData.ReadBytes($"golden/store-{version}/{name}"));
        }

        await using var store =
            await SegmentStore.OpenAsync(TestStores.RuntimeOn(files), Root, new SegmentStoreOptions(), default);

        Assert.Null(store.Recovery.Damage);
        Assert.Equal("in the run", await ReadAsync(store, "a"));
        Assert.Equal("in the tail", await ReadAsync(store, "d"));
        Assert.Null(await ReadAsync(store, "b"));
        Assert.Equal(rowC, await ReadAsync(store, "c"));
        foreach (var content in new[] { "first object", "second object" })
        {
            var bytes = Encoding.UTF8.GetBytes(content);
            var read = await store.ReadAsync(ObjectKind.Value, ObjectId.Of(ObjectKind.Value, bytes), default);
            Assert.Equal(bytes, read!.Value.ToArray());
        }

        Assert.Empty((await store.VerifyAsync(default)).Problems);
    }

    [Fact]
    public void No_mutation_of_a_manifest_gives_anything_but_a_typed_error()
    {
        var manifest = new Manifest
        {
            StoreId = new Guid("00112233-4455-6677-8899-aabbccddeeff"),
            Segments = [new(1, 0, 5_000, 4_000), new(3, 5_000, long.MaxValue, 77)],
            Runs = [new(2, 8_192)],
            Recovery = new(6_000, 0xDEADBEEF),
            CleanClose = new(7_000, 0xCAFEF00D),
        };

        MutationFuzz.Run(
            "manifest", [manifest.Encode(), (manifest with { CleanClose = null, Runs = [] }).Encode()],
            bytes => Manifest.Decode(bytes.Span), 100_000, seed: 1, bytes => Manifest.Decode(bytes.Span).Encode());
    }

    [Fact]
    public void No_mutation_of_the_items_of_a_record_gives_anything_but_a_typed_error()
    {
        var body = new ByteWriter();
        var content = Encoding.UTF8.GetBytes("content");
        RecordItems.WriteObject(body, ObjectKind.Value, ObjectId.Of(ObjectKind.Value, content), content);
        RecordItems.WriteRow(body, "key"u8, "value"u8);
        RecordItems.WriteDelete(body, "gone"u8);
        RecordItems.WriteDeleteRange(body, "from"u8, "to"u8);

        MutationFuzz.Run(
            "record items", [body.ToArray()], bytes => RecordItems.Decode(bytes.Span, 4), 100_000, seed: 2);
    }

    [Fact]
    public void No_mutation_of_a_stored_row_gives_anything_but_a_typed_error()
    {
        var body = new ByteWriter();
        RecordItems.WriteRow(body, "key"u8, "value"u8);

        MutationFuzz.Run(
            "stored row", [body.ToArray()],
            bytes => RecordItems.DecodeRowValue(bytes, "key"u8, verify: true), 100_000, seed: 3);
    }

    [Fact]
    public void No_mutation_of_a_header_or_footer_gives_anything_but_a_typed_error()
    {
        var storeId = new Guid("00112233-4455-6677-8899-aabbccddeeff");
        var record = new byte[RecordHeader.SizeBytes];
        new RecordHeader(storeId, 1, 64, 0, 5, 0, 0).Seal(record);

        MutationFuzz.Run(
            "segment header", [new SegmentHeader(storeId, 7, 123).Encode()],
            bytes => SegmentHeader.TryDecode(bytes.Span), 100_000, seed: 4);
        MutationFuzz.Run(
            "record header", [record], bytes => RecordHeader.TryDecode(bytes.Span), 100_000, seed: 5);
        MutationFuzz.Run(
            "run footer", [.. new ushort[] { 1, 2 }.Select(version => FooterOf(storeId, version).EncodeBlock())],
            bytes => RunFooter.DecodeBlock(bytes.Span), 100_000, seed: 6);
    }

    private static RunFooter FooterOf(Guid storeId, ushort version) => new()
    {
        StoreId = storeId,
        Number = 1,
        ObjectCount = 100,
        RowCount = 10,
        RowBlocks = 1,
        Version = version,
        BoundaryCount = version == 1 ? 0 : 4,
        RangeBlocks = version == 1 ? 0 : 1,
        FilterLines = 2,
    };

    private static IEnumerable<string> FilesOf(FaultyFileSystem disk) =>
        disk.Files().Where(path => Path.GetFileName(path) != LogFormat.LockName);

    private static FaultyFileSystem WriteStore()
    {
        var disk = CrashScript.MakeDisk(1);
        TestRuntime.Create(1, disk).Run(async runtime =>
        {
            var options = new SegmentStoreOptions { CloseCheckpointSizeBytes = 1 };
            await using (var store = await SegmentStore.OpenAsync(runtime, Root, options, default))
            {
                await CommitAsync(store, "first object", [("a", "in the run"), ("b", "removed later"), ("c", "kept")]);
            }

            await using (var store = await SegmentStore.OpenAsync(runtime, Root, options, default))
            {
                await using var lease = store.BeginWrite();
                lease.DeleteRow("b"u8.ToArray());
                lease.DeleteRows("c"u8.ToArray(), "d"u8.ToArray());
                await lease.CommitAsync(Durability.Flushed, default);
            }

            options = new SegmentStoreOptions();
            await using (var store = await SegmentStore.OpenAsync(runtime, Root, options, default))
            {
                await CommitAsync(store, "second object", [("d", "in the tail")]);
            }
        });
        return disk;
    }

    private static async Task CommitAsync(SegmentStore store, string content, (string Key, string Value)[] rows)
    {
        await using var lease = store.BeginWrite();
        await lease.PutAsync(ObjectKind.Value, Encoding.UTF8.GetBytes(content), default);
        lease.DeleteRow("b"u8.ToArray());
        foreach (var (key, value) in rows)
        {
            lease.SetRow(Encoding.UTF8.GetBytes(key), Encoding.UTF8.GetBytes(value));
        }

        await lease.CommitAsync(Durability.Flushed, default);
    }

    private static async Task<string?> ReadAsync(SegmentStore store, string key) =>
        await store.ReadRowAsync(Encoding.UTF8.GetBytes(key), default) is { } value
            ? Encoding.UTF8.GetString(value.Span)
            : null;
}
