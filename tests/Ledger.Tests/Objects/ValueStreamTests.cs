using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Objects;

public sealed class ValueStreamTests
{
    private const int Size = 700_000;
    private readonly EnteringScheduler _scheduler = new();
    private readonly byte[] _content = ValueTestKit.RandomBytes(Size, 51);

    [Fact]
    public async Task A_value_is_copied_and_sought_like_any_stream()
    {
        await using var stream = await OpenAsync();
        var copy = new MemoryStream();
        var buffer = new byte[100];

        await stream.CopyToAsync(copy);
        Assert.True(copy.ToArray().AsSpan().SequenceEqual(_content));
        Assert.Equal(Size, stream.Position);
        Assert.Equal(0, await stream.ReadAsync(buffer));

        Assert.Equal(Size - 50, stream.Seek(-50, SeekOrigin.End));
        Assert.Equal(50, await stream.ReadAsync(buffer));
        Assert.Equal(_content[^50..], buffer[..50]);
        Assert.Equal(300_000, stream.Seek(300_000, SeekOrigin.Begin));
        await stream.ReadExactlyAsync(buffer);
        Assert.Equal(_content[300_000..300_100], buffer);
        Assert.Equal(300_110, stream.Seek(10, SeekOrigin.Current));
        Assert.Equal(10, await stream.ReadAsync(buffer.AsMemory(5, 10)));
        Assert.Equal(_content[300_110..300_120], buffer[5..15]);
        stream.Position = Size + 10;
        Assert.Equal(0, await stream.ReadAsync(buffer));
    }

    [Fact]
    public async Task Every_asynchronous_call_enters_the_scheduler_first()
    {
        var stream = await OpenAsync();
        var calls = new (string Name, Func<Task> Call)[]
        {
            ("read into memory", () => stream.ReadAsync(new byte[1].AsMemory()).AsTask()),
            ("read into an array", () => stream.ReadAsync(new byte[1], 0, 1, default)),
            ("copy", () => stream.CopyToAsync(new MemoryStream())),
            ("flush", () => stream.FlushAsync()),
            ("dispose", () => stream.DisposeAsync().AsTask()),
        };

        foreach (var (name, call) in calls)
        {
            var before = _scheduler.Entered;
            await call();
            Assert.True(_scheduler.Entered > before, name);
        }
    }

    [Fact]
    public async Task What_a_value_cannot_do_is_said()
    {
        await using var stream = await OpenAsync();

        Assert.Equal((true, true, false), (stream.CanRead, stream.CanSeek, stream.CanWrite));
        Assert.Throws<NotSupportedException>(() => stream.Read(new byte[1], 0, 1));
        Assert.Throws<NotSupportedException>(() => stream.Read(new byte[1].AsSpan()));
        Assert.Throws<NotSupportedException>(() => stream.ReadByte());
        Assert.Throws<NotSupportedException>(() => stream.CopyTo(new MemoryStream()));
        Assert.Throws<NotSupportedException>(() => stream.BeginRead(new byte[1], 0, 1, null, null));
        Assert.Throws<NotSupportedException>(() => stream.Write(new byte[1], 0, 1));
        Assert.Throws<NotSupportedException>(() => stream.SetLength(0));
        await Assert.ThrowsAsync<NotSupportedException>(() => stream.WriteAsync(new byte[1]).AsTask());
        Assert.Throws<IOException>(() => stream.Seek(-1, SeekOrigin.Begin));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Position = -1);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() =>
            stream.CopyToAsync(new MemoryStream(), new CancellationToken(canceled: true)));
    }

    [Fact]
    public async Task After_disposal_the_stream_says_so()
    {
        var stream = await OpenAsync();
        await stream.DisposeAsync();

        Assert.False(stream.CanRead);
        Assert.False(stream.CanSeek);
        Assert.Throws<ObjectDisposedException>(() => stream.Length);
        Assert.Throws<ObjectDisposedException>(() => stream.Position);
        Assert.Throws<ObjectDisposedException>(() => stream.Seek(0, SeekOrigin.Begin));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => stream.ReadAsync(new byte[1]).AsTask());
        await stream.DisposeAsync();
    }

    [Fact]
    public async Task A_value_of_256_MiB_is_read_in_little_memory()
    {
        const long LongSize = 256 * 1024 * 1024;
        await using var store = new MemoryObjectStore();
        await using var lease = store.BeginWrite();
        var written = await ValueTestKit.Writer(lease).WriteAsync(new ZeroStream(LongSize), LongSize, default);
        await lease.CommitAsync(Durability.Flushed, default);
        await using var stream = new ValueStream(
            ValueTestKit.Runtime(), new ValueReader(store, written.Id, LongSize));
        var buffer = new byte[1024 * 1024];
        var before = GC.GetAllocatedBytesForCurrentThread();
        long total = 0;

        while (true)
        {
            var read = stream.ReadAsync(buffer);
            Assert.True(read.IsCompleted); // So that this thread's count has everything.
            var count = await read;
            if (count == 0)
            {
                break;
            }

            total += count;
        }

        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.Equal(LongSize, total);
        Assert.True(allocated < 4 * 1024 * 1024, $"{allocated} bytes were allocated");
    }

    private async Task<ValueStream> OpenAsync()
    {
        var store = new MemoryObjectStore();
        var written = await ValueTestKit.StoreAsync(store, _content);
        return new ValueStream(ValueTestKit.Runtime(_scheduler), new ValueReader(store, written.Id, Size));
    }
}
