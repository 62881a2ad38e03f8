using System.Text;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Objects.Segments;

/// <summary>Reading goes on while the first write after a crash puts a copy in the place of the newest log.</summary>
public sealed class TailCopyTests
{
    private const string Root = "/store";
    private const int TailSizeBytes = 500;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private readonly MemoryFileSystem _disk = new();

    [Fact]
    public async Task What_was_copied_is_read_while_the_segment_before_is_cut()
    {
        var options = new SegmentStoreOptions();
        await LiveAsync(options, [6000, 6000, 6000, TailSizeBytes]);

        await ReadWhileBlockedAsync(options, "set length", LogFormat.SegmentName(1), [3]);
    }

    [Fact]
    public async Task What_was_copied_is_read_while_the_segments_before_are_removed_and_closed()
    {
        // So many segments are read meanwhile that the removed one is no longer open.
        var options = new SegmentStoreOptions { SegmentSizeBytes = 8 << 10 };
        var large = Enumerable.Repeat(7500, 2 * SegmentSet.IdleFilesMax).ToArray();
        await LiveAsync(options, [.. large, TailSizeBytes, TailSizeBytes]);
        var last = LogFormat.SegmentNumbers(_disk.List(Root)).Max();
        Assert.Equal((uint)large.Length + 1, last);

        await ReadWhileBlockedAsync(
            options, "delete", LogFormat.SegmentName(last), [.. Enumerable.Range(0, large.Length + 2)]);
    }

    [Fact]
    public async Task A_read_that_began_before_the_copies_were_there_ends_after_the_segment_was_cut()
    {
        var options = new SegmentStoreOptions();
        await LiveAsync(options, [6000, 6000, 6000, TailSizeBytes]);
        var files = new InterceptedFileSystem(_disk);
        await using var store = await SegmentStore.OpenAsync(TestStores.RuntimeOn(files), Root, options, default);
        using var reached = new SemaphoreSlim(0);
        using var released = new SemaphoreSlim(0);
        var readCount = 0;
        files.Before = (call, _) =>
        {
            if (call == "read" && Interlocked.Increment(ref readCount) == 1)
            {
                reached.Release();
                released.Wait(Patience);
            }
        };

        var read = Task.Run(() => ReadAsync(store, 3, TailSizeBytes));
        Assert.True(await reached.WaitAsync(Patience));
        await PutAsync(store, 100, 10);
        released.Release();

        Assert.Equal(Content(3, TailSizeBytes), await read.WaitAsync(Patience));
    }

    /// <summary>Puts objects of these sizes, each in a flush of its own, and dies.</summary>
    private async Task LiveAsync(SegmentStoreOptions options, int[] sizes)
    {
        var files = new LifeFileSystem(_disk);
        var store = await SegmentStore.OpenAsync(TestStores.RuntimeOn(files), Root, options, default);
        for (var i = 0; i < sizes.Length; i++)
        {
            await PutAsync(store, i, sizes[i]);
        }

        files.Kill();
    }

    private async Task ReadWhileBlockedAsync(SegmentStoreOptions options, string call, string name, int[] objects)
    {
        var files = new InterceptedFileSystem(_disk);
        await using var store = await SegmentStore.OpenAsync(TestStores.RuntimeOn(files), Root, options, default);
        using var reached = new SemaphoreSlim(0);
        using var released = new SemaphoreSlim(0);
        files.After = (made, path) =>
        {
            if (made == call && path.EndsWith(name, StringComparison.Ordinal))
            {
                reached.Release();
                released.Wait(Patience);
            }
        };
        var put = Task.Run(() => PutAsync(store, 100, 10));
        Assert.True(await reached.WaitAsync(Patience), $"Nothing did '{call}' to {name}.");
        try
        {
            foreach (var i in objects)
            {
                var size = i >= objects[^1] - 1 && call == "delete" || objects.Length == 1 ? TailSizeBytes : 7500;

                Assert.Equal(Content(i, size), await ReadAsync(store, i, size));
            }
        }
        finally
        {
            released.Release();
            await put.WaitAsync(Patience);
        }
    }

    private static async Task PutAsync(SegmentStore store, int i, int sizeBytes)
    {
        await using var lease = store.BeginWrite();
        await lease.PutAsync(ObjectKind.Value, Content(i, sizeBytes), default);
        lease.SetRow(Encoding.UTF8.GetBytes($"row-{i:d3}"), default);
        await lease.CommitAsync(Durability.Flushed, default);
    }

    private static async Task<byte[]?> ReadAsync(SegmentStore store, int i, int sizeBytes)
    {
        var id = ObjectId.Of(ObjectKind.Value, Content(i, sizeBytes));
        return (await store.ReadAsync(ObjectKind.Value, id, default))?.ToArray();
    }

    private static byte[] Content(int i, int sizeBytes)
    {
        var content = new byte[sizeBytes];
        content.AsSpan().Fill((byte)i);
        return content;
    }
}
