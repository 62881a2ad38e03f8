using System.Text;
using Ledger.Objects;
using Xunit;

namespace Ledger.Conformance;

/// <summary>What every <see cref="IObjectStore"/> promises; inherit it and open yours.</summary>
/// <remarks>
/// Does not verify what depends on the medium: crashes, damage, disk full, and when waiting objects are written ahead.
/// </remarks>
public abstract partial class ObjectStoreConformance
{
    private static readonly int[] Sizes =
    [
        1, 2, 63, 64, 65, 511, 512, 513, 1023, 1024, 1025, 4095, 4096, 4097, 65_535, 65_536, 65_537, 262_144,
        StoreLimits.ObjectSizeBytesMax - 1, StoreLimits.ObjectSizeBytesMax,
    ];

    /// <summary>A new, empty store, owned by the test.</summary>
    internal abstract ValueTask<IObjectStore> OpenAsync();

    /// <summary>Closes a store and opens what it left behind; the store itself when it leaves nothing behind.</summary>
    internal virtual ValueTask<IObjectStore> ReopenAsync(IObjectStore store) => ValueTask.FromResult(store);

    [Fact]
    public async Task Objects_of_every_kind_and_size_are_read_back_as_put()
    {
        var store = await OpenAsync();
        var contents = new List<(ObjectKind Kind, ObjectId Id, byte[] Content)>();
        await using (var lease = store.BeginWrite())
        {
            foreach (var kind in Enum.GetValues<ObjectKind>())
            {
                foreach (var size in Sizes)
                {
                    var content = MakeContent(size, seed: size);
                    contents.Add((kind, await lease.PutAsync(kind, content, default), content));
                }
            }

            await lease.CommitAsync(Durability.Flushed, default);
        }

        for (var opening = 0; opening < 2; opening++)
        {
            foreach (var (kind, id, content) in contents)
            {
                Assert.Equal(ObjectId.Of(kind, content), id);
                await AssertObjectAsync(store, kind, id, content);
            }

            store = await ReopenAsync(store);
        }

        await store.DisposeAsync();
    }

    [Fact]
    public async Task Bytes_that_compress_well_or_not_at_all_are_read_back_as_put()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        byte[][] contents = [new byte[200_000], MakeContent(200_000, 5), [.. Enumerable.Repeat((byte)'a', 4096)]];

        var ids = new List<ObjectId>();
        foreach (var content in contents)
        {
            ids.Add(await lease.PutAsync(ObjectKind.Value, content, default));
        }

        await lease.CommitAsync(Durability.Flushed, default);

        for (var i = 0; i < contents.Length; i++)
        {
            await AssertObjectAsync(store, ObjectKind.Value, ids[i], contents[i]);
        }
    }

    [Fact]
    public async Task One_kind_never_passes_for_another()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        var content = MakeContent(100, 1);

        var id = await lease.PutAsync(ObjectKind.Value, content, default);
        await lease.CommitAsync(Durability.Flushed, default);

        Assert.Null(await store.ReadAsync(ObjectKind.Node, id, default));
        Assert.Null(await store.ReadAsync(ObjectKind.Node, ObjectId.Of(ObjectKind.Node, content), default));
        Assert.NotEqual(id, await lease.PutAsync(ObjectKind.Node, content, default));
        await AssertObjectAsync(store, ObjectKind.Value, id, content);
    }

    [Fact]
    public async Task What_was_never_stored_is_null()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        var id = ObjectId.Of(ObjectKind.Value, "never stored"u8);

        Assert.Null(await store.ReadAsync(ObjectKind.Value, id, default));
        Assert.Null(await store.ReadRowAsync(Bytes("never stored"), default));
        Assert.Null(lease.TryGetWaiting(id));
        Assert.False(await lease.ContainsAsync(id, default));
        Assert.Empty(await ScanAsync(store, ""));
    }

    [Fact]
    public async Task The_same_object_is_stored_once_and_found_by_every_lease()
    {
        await using var store = await OpenAsync();
        var content = MakeContent(5_000, 2);
        await using var first = store.BeginWrite();
        var id = await first.PutAsync(ObjectKind.Value, content, default);
        await first.CommitAsync(Durability.Flushed, default);
        await using var second = store.BeginWrite();

        var found = await second.ContainsAsync(id, default);
        var again = await second.PutAsync(ObjectKind.Value, content, default);

        Assert.True(found);
        Assert.Equal(id, again);
        Assert.Null(second.TryGetWaiting(id));
        await second.CommitAsync(Durability.Flushed, default);
        await AssertObjectAsync(store, ObjectKind.Value, id, content);
    }

    [Fact]
    public async Task Two_leases_may_put_the_same_object_before_either_commits()
    {
        await using var store = await OpenAsync();
        var content = MakeContent(5_000, 3);
        var first = store.BeginWrite();
        await using var second = store.BeginWrite();
        var id = await first.PutAsync(ObjectKind.Value, content, default);
        Assert.Equal(id, await second.PutAsync(ObjectKind.Value, content, default));

        await first.DisposeAsync();
        await second.CommitAsync(Durability.Flushed, default);

        await AssertObjectAsync(store, ObjectKind.Value, id, content);
    }

    [Fact]
    public async Task Content_and_rows_are_copied_before_the_call_returns()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        var content = MakeContent(1_000, 4);
        var buffer = content.ToArray();

        var put = lease.PutAsync(ObjectKind.Value, buffer, default);
        buffer.AsSpan().Clear();
        var id = await put;
        var (key, value) = (Bytes("key"), Bytes("value"));
        lease.SetRow(key, value);
        (key[0], value[0]) = (0, 0);
        await lease.CommitAsync(Durability.Flushed, default);

        await AssertObjectAsync(store, ObjectKind.Value, id, content);
        await AssertRowAsync(store, "key", "value");
    }

    [Fact]
    public async Task A_caller_that_has_the_id_puts_under_it()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        var content = MakeContent(300, 6);
        var id = ObjectId.Of(ObjectKind.Node, content);

        await lease.PutAsync(ObjectKind.Node, id, content, default);
        await lease.CommitAsync(Durability.Flushed, default);

        await AssertObjectAsync(store, ObjectKind.Node, id, content);
    }

    [Fact]
    public async Task Sizes_beyond_the_limits_are_refused_and_nothing_else_is_lost()
    {
        await using var store = await OpenAsync();
        await using var lease = store.BeginWrite();
        lease.SetRow(Bytes("kept"), Bytes("yes"));
        var longKey = new byte[StoreLimits.RowKeySizeBytesMax];
        var longValue = new byte[StoreLimits.RowValueSizeBytesMax];
        lease.SetRow(longKey, longValue);

        await RefusedAsync(() => lease.PutAsync(ObjectKind.Value, Array.Empty<byte>(), default).AsTask());
        await RefusedAsync(() => lease.PutAsync(
            ObjectKind.Value, new byte[StoreLimits.ObjectSizeBytesMax + 1], default).AsTask());
        Assert.Throws<ArgumentOutOfRangeException>(() => lease.SetRow(Array.Empty<byte>(), Bytes("value")));
        Assert.Throws<ArgumentOutOfRangeException>(() => lease.SetRow(new byte[longKey.Length + 1], Bytes("value")));
        Assert.Throws<ArgumentOutOfRangeException>(() => lease.SetRow(Bytes("key"), new byte[longValue.Length + 1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => lease.DeleteRow(Array.Empty<byte>()));
        Assert.Throws<ArgumentOutOfRangeException>(() => lease.DeleteRow(new byte[longKey.Length + 1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => lease.DeleteRows(Array.Empty<byte>(), Bytes("z")));
        Assert.Throws<ArgumentOutOfRangeException>(() => lease.DeleteRows(Bytes("a"), new byte[longKey.Length + 1]));
        await lease.CommitAsync(Durability.Flushed, default);

        await AssertRowAsync(store, "kept", "yes");
        Assert.Equal(longValue, (await store.ReadRowAsync(longKey, default))!.Value.ToArray());
        Assert.Null(await store.ReadRowAsync(Bytes("key"), default));
    }

    [Fact]
    public async Task After_disposal_everything_says_so_and_disposing_again_does_nothing()
    {
        var store = await OpenAsync();
        var lease = store.BeginWrite();
        var openLease = store.BeginWrite();
        await lease.DisposeAsync();
        await lease.DisposeAsync();

        await DisposedAsync(() => lease.PutAsync(ObjectKind.Value, Bytes("x"), default).AsTask());
        await DisposedAsync(() => lease.ContainsAsync(default, default).AsTask());
        await DisposedAsync(() => lease.WriteAheadAsync(default).AsTask());
        await DisposedAsync(() => lease.CommitAsync(Durability.Flushed, default).AsTask());
        Assert.Throws<ObjectDisposedException>(() => lease.SetRow(Bytes("x"), Bytes("y")));
        Assert.Throws<ObjectDisposedException>(() => lease.DeleteRow(Bytes("x")));
        Assert.Throws<ObjectDisposedException>(() => lease.DeleteRows(Bytes("x"), Bytes("y")));
        Assert.Throws<ObjectDisposedException>(() => lease.TryGetWaiting(default));

        await store.DisposeAsync();
        await store.DisposeAsync();

        await DisposedAsync(() => store.ReadAsync(ObjectKind.Value, default, default).AsTask());
        await DisposedAsync(() => store.ReadRowAsync(Bytes("x"), default).AsTask());
        await DisposedAsync(() => ScanAsync(store, ""));
        await DisposedAsync(() => store.FlushAsync(default).AsTask());
        await DisposedAsync(() => openLease.CommitAsync(Durability.Flushed, default).AsTask());
        Assert.Throws<ObjectDisposedException>(() => store.BeginWrite());
        await openLease.DisposeAsync();
    }

    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] MakeContent(int size, int seed)
    {
        var content = new byte[size];
        new Random(seed).NextBytes(content);
        return content;
    }

    private static async Task AssertObjectAsync(IObjectStore store, ObjectKind kind, ObjectId id, byte[] content)
    {
        var actual = await store.ReadAsync(kind, id, default);

        Assert.True(actual.HasValue, $"the {kind} of {content.Length} bytes, {id}, is not there");
        Assert.True(actual.Value.Span.SequenceEqual(content), $"the {kind} of {content.Length} bytes, {id}, differs");
    }

    private static async Task AssertRowAsync(IObjectStore store, string key, string? value)
    {
        var actual = await store.ReadRowAsync(Bytes(key), default);

        Assert.Equal(value, actual is null ? null : Encoding.UTF8.GetString(actual.Value.Span));
    }

    private static async Task<List<string>> ScanAsync(IObjectStore store, string prefix)
    {
        var rows = new List<string>();
        await foreach (var row in store.ScanRowsAsync(Bytes(prefix), default))
        {
            rows.Add($"{Encoding.UTF8.GetString(row.Key.Span)}={Encoding.UTF8.GetString(row.Value.Span)}");
        }

        return rows;
    }

    private static async Task CommitRowsAsync(IObjectStore store, params (string Key, string Value)[] rows)
    {
        await using var lease = store.BeginWrite();
        foreach (var (key, value) in rows)
        {
            lease.SetRow(Bytes(key), Bytes(value));
        }

        await lease.CommitAsync(Durability.Flushed, default);
    }

    private static Task<ArgumentOutOfRangeException> RefusedAsync(Func<Task> call) =>
        Assert.ThrowsAsync<ArgumentOutOfRangeException>(call);

    private static Task<ObjectDisposedException> DisposedAsync(Func<Task> call) =>
        Assert.ThrowsAsync<ObjectDisposedException>(call);
}
