using System.IO.Pipelines;
using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Objects;

public sealed class ValueWriterTests
{
    private const int Seed = 21;

    public static TheoryData<int> Sizes => [.. new[]
    {
        1, 2, 512, 513, 65_535, 65_536, 65_537, 131_072, 262_143, 262_144, 262_145, 524_287,
        524_288, 524_289, 3_000_000,
    }];

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task Values_of_every_size_are_read_back_as_written(int size)
    {
        await using var store = new MemoryObjectStore();
        var content = ValueTestKit.RandomBytes(size, Seed);

        var written = await ValueTestKit.StoreAsync(store, content);
        var read = await new ValueReader(store, written.Id, size).ReadAllAsync(size, default);

        Assert.Equal(size, written.SizeBytes);
        Assert.True(read.Span.SequenceEqual(content), $"the value of {size} bytes, seed {Seed}, differs");
        Assert.Equal(size <= 65_536, written.Id == ObjectId.Of(ObjectKind.Value, content));
        Assert.Equal(size > 65_536, await store.ReadAsync(ObjectKind.ValueIndex, written.Id, default) is not null);
    }

    [Theory]
    [InlineData(0, 0, true)]
    [InlineData(1, 0, false)]
    [InlineData(0, 512, true)]
    [InlineData(512, 512, true)]
    [InlineData(513, 512, false)]
    public async Task Short_values_are_given_back_and_nothing_is_written(int size, int inlineMax, bool isInline)
    {
        var objects = new CountingObjectWriter();
        var content = ValueTestKit.RandomBytes(size, Seed);

        var direct = await ValueTestKit.Writer(objects, inlineMax).WriteAsync(content, default);
        var streamed = await ValueTestKit.Writer(objects, inlineMax)
            .WriteAsync(new MemoryStream(content), null, default);

        Assert.Equal(isInline, direct.IsInline);
        Assert.Equal(isInline, streamed.IsInline);
        Assert.Equal(isInline ? content : [], streamed.Inline.ToArray());
        Assert.Equal(isInline ? 0 : 1, objects.Sizes.Count);
        Assert.Equal((direct.Id, direct.SizeBytes), (streamed.Id, streamed.SizeBytes));
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task Equal_bytes_have_the_same_id_however_they_come(int size)
    {
        var objects = new CountingObjectWriter();
        var content = ValueTestKit.RandomBytes(size, Seed);
        var direct = await ValueTestKit.Writer(objects).WriteAsync(content, default);

        foreach (var readSizeMax in new[] { 7_000, 65_537, 1 << 20 })
        {
            var stream = new UnevenStream(content, readSizeMax, Seed);
            var streamed = await ValueTestKit.Writer(objects).WriteAsync(stream, size, default);
            var piped = await WritePipeAsync(objects, content, readSizeMax);

            Assert.Equal(direct, streamed);
            Assert.Equal(direct, piped);
        }
    }

    [Fact]
    public async Task A_byte_in_front_of_random_content_makes_at_most_three_new_chunks()
    {
        for (var seed = 1; seed <= 5; seed++)
        {
            var objects = new CountingObjectWriter();
            var content = ValueTestKit.RandomBytes(4 * 1024 * 1024, seed);
            await ValueTestKit.Writer(objects).WriteAsync(content, default);
            var chunks = objects.Sizes.Count;

            await ValueTestKit.Writer(objects).WriteAsync((byte[])[42, .. content], default);

            var added = objects.Sizes.Count - chunks - 1;
            Assert.True(added <= 3, $"{added} of {chunks} chunks are new, seed {seed}");
        }
    }

    [Fact]
    public async Task A_second_copy_stores_nothing_and_zeros_store_one_chunk()
    {
        var objects = new CountingObjectWriter();

        await ValueTestKit.Writer(objects).WriteAsync(new byte[4 * 256 * 1024], default);
        Assert.Equal(2, objects.Sizes.Count);
        await ValueTestKit.Writer(objects).WriteAsync(new byte[4 * 256 * 1024], default);
        Assert.Equal(2, objects.Sizes.Count);
    }

    [Theory]
    [InlineData(1_000, 999)]
    [InlineData(1_000, 1_001)]
    [InlineData(0, 1)]
    [InlineData(1, 0)]
    [InlineData(65_536, 65_537)]
    [InlineData(300_000, 299_999)]
    [InlineData(300_000, 1_000_000)]
    [InlineData(1_000_000, 300_000)]
    public async Task A_wrong_declared_size_is_said_and_harms_nothing(int declared, int actual)
    {
        await using var store = new MemoryObjectStore();
        var kept = ValueTestKit.RandomBytes(200_000, Seed);
        await using var lease = store.BeginWrite();
        var writer = ValueTestKit.Writer(lease);
        var written = await writer.WriteAsync(kept, default);
        var stream = new UnevenStream(ValueTestKit.RandomBytes(actual, Seed + 1), 100_000, Seed);

        var error = await Assert.ThrowsAsync<SizeMismatchException>(() =>
            writer.WriteAsync(stream, declared, default).AsTask());

        Assert.Equal(declared, error.DeclaredSizeBytes);
        Assert.Equal(actual > declared ? declared + 1 : actual, error.ActualSizeBytes);
        Assert.Equal(error.ActualSizeBytes, stream.Position);
        Assert.Equal(written, await writer.WriteAsync(kept, default));
        await lease.CommitAsync(Durability.Flushed, default);
        var read = await new ValueReader(store, written.Id, written.SizeBytes).ReadAllAsync(kept.Length, default);
        Assert.True(read.Span.SequenceEqual(kept));
    }

    [Fact]
    public async Task Values_beyond_the_limit_are_refused()
    {
        var objects = new CountingObjectWriter();
        var writer = ValueTestKit.Writer(objects, sizeBytesMax: 100_000);
        var content = new byte[100_001];

        await TooLargeAsync(() => writer.WriteAsync(content, default));
        await TooLargeAsync(() => writer.WriteAsync(new MemoryStream(content), null, default));
        await TooLargeAsync(() => writer.WriteAsync(new MemoryStream([]), 100_001, default));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() =>
            writer.WriteAsync(new MemoryStream([]), -1, default).AsTask());
        var written = await writer.WriteAsync(new MemoryStream(content, 0, 100_000), null, default);

        Assert.Equal(100_000, written.SizeBytes);
    }

    [Fact]
    public async Task A_source_that_fails_or_is_cancelled_ends_the_write()
    {
        var objects = new CountingObjectWriter();
        var pipe = new Pipe();
        pipe.Reader.CancelPendingRead();
        using var cancelled = new CancellationTokenSource();
        cancelled.Cancel();

        await Assert.ThrowsAsync<OperationCanceledException>(() =>
            ValueTestKit.Writer(objects).WriteAsync(pipe.Reader, null, default).AsTask());
        await Assert.ThrowsAsync<OperationCanceledException>(() =>
            ValueTestKit.Writer(objects)
                .WriteAsync(new UnevenStream(new byte[9], 9, 1), null, cancelled.Token).AsTask());
        await pipe.Writer.CompleteAsync(new IOException("The line is cut."));
        await Assert.ThrowsAsync<IOException>(() =>
            ValueTestKit.Writer(objects).WriteAsync(pipe.Reader, null, default).AsTask());

        Assert.Empty(objects.Sizes);
    }

    [Fact]
    public async Task A_stream_of_64_MiB_is_written_in_little_memory()
    {
        const long Size = 64 * 1024 * 1024;
        var objects = new CountingObjectWriter();
        var writer = ValueTestKit.Writer(objects);
        await writer.WriteAsync(new SyntheticStream(600_000, 1), null, default);
        var before = GC.GetAllocatedBytesForCurrentThread();

        var write = writer.WriteAsync(new SyntheticStream(Size, 2), Size, default);

        // Everything completes on this thread, so all that was ever allocated, held or not, is counted here.
        Assert.True(write.IsCompleted);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < 2 * 1024 * 1024, $"{allocated} bytes were allocated");
        Assert.Equal(Size, (await write).SizeBytes);
        Assert.InRange(objects.Puts[ObjectKind.Value], 800, 1_200);
        Assert.InRange(objects.Puts[ObjectKind.ValueIndex], 3, 33);
        Assert.InRange(objects.LargestSizeBytes, 64 * 1024, 256 * 1024);
    }

    private static async Task<WrittenValue> WritePipeAsync(IObjectWriter objects, byte[] content, int writeSizeMax)
    {
        var pipe = new Pipe();
        var random = new Random(Seed);
        var write = ValueTestKit.Writer(objects).WriteAsync(pipe.Reader, content.Length, default).AsTask();
        for (var position = 0; position < content.Length;)
        {
            var count = Math.Min(random.Next(1, writeSizeMax + 1), content.Length - position);
            await pipe.Writer.WriteAsync(content.AsMemory(position, count));
            position += count;
        }

        await pipe.Writer.CompleteAsync();
        return await write;
    }

    private static Task<ValueTooLargeException> TooLargeAsync(Func<ValueTask<WrittenValue>> write) =>
        Assert.ThrowsAsync<ValueTooLargeException>(() => write().AsTask());
}
