using Ledger.Conformance;
using Ledger.Objects;
using Xunit;

namespace Ledger.Tests.Objects;

public sealed class ValueReaderTests : IAsyncLifetime
{
    private const int Size = 2_000_000;
    private const int Seed = 31;

    private readonly ObservedObjectStore _store = OpenStore();
    private readonly byte[] _content = ValueTestKit.RandomBytes(Size, Seed);
    private readonly List<long> _edges = [0];
    private List<ValueObject> _objects = [];
    private WrittenValue _value;

    public async Task InitializeAsync()
    {
        _value = await ValueTestKit.StoreAsync(_store, _content);
        _objects = await new ValueReader(_store, _value.Id, Size).ListObjectsAsync(default).ToListAsync();
        foreach (var chunk in _objects.Where(item => item.Kind == ObjectKind.Value))
        {
            _edges.Add(_edges[^1] + chunk.SizeBytes);
        }

        _store.Forget();
    }

    public async Task DisposeAsync() => await _store.DisposeAsync();

    [Fact]
    public async Task Any_range_is_read_and_nothing_else_is_loaded()
    {
        Assert.Equal(Size, _edges[^1]);
        var random = new Random(Seed);
        var offsets = _edges.SelectMany(edge => new[] { edge - 1, edge, edge + 1 })
            .Concat(Enumerable.Range(0, 50).Select(_ => random.NextInt64(Size))).Where(offset => offset >= 0);
        foreach (var offset in offsets)
        {
            foreach (var length in new[] { 0, 1, 2, 1_000, 300_000 })
            {
                _store.Forget();
                var buffer = new byte[length];

                var count = await new ValueReader(_store, _value.Id, Size).ReadAsync(offset, buffer, default);

                var expected = _content.AsSpan((int)Math.Min(offset, Size));
                expected = expected[..Math.Min(length, expected.Length)];
                var chunks = _edges.Zip(_edges.Skip(1)).Count(chunk =>
                    count > 0 && chunk.First < offset + count && chunk.Second > offset);
                Assert.True(
                    buffer.AsSpan(0, count).SequenceEqual(expected), $"{length} bytes at {offset}, seed {Seed}");
                Assert.Equal(count == 0 ? 0 : 1 + chunks, _store.Reads.Count);
            }
        }
    }

    [Fact]
    public async Task Reading_on_loads_nothing_twice()
    {
        var reader = new ValueReader(_store, _value.Id, Size);
        var buffer = new byte[1_000];
        for (long offset = 0; offset < Size; offset += buffer.Length)
        {
            Assert.Equal(buffer.Length, await reader.ReadAsync(offset, buffer, default));
        }

        Assert.Equal(_objects.Count, _store.Reads.Count);
        Assert.Equal(_objects.Count, _store.Reads.Distinct().Count());
    }

    [Fact]
    public async Task A_value_with_several_levels_is_read_anywhere()
    {
        const int LongSize = 48 * 1024 * 1024;
        await using var lease = _store.BeginWrite();
        var written = await ValueTestKit.Writer(lease).WriteAsync(new SyntheticStream(LongSize, 5), LongSize, default);
        await lease.CommitAsync(Durability.Flushed, default);
        var reader = new ValueReader(_store, written.Id, LongSize);
        var objects = await reader.ListObjectsAsync(default).ToListAsync();
        var random = new Random(Seed);

        for (var i = 0; i < 200; i++)
        {
            var offset = random.NextInt64(LongSize);
            var (actual, expected) = (new byte[5_000], new byte[5_000]);
            var count = await reader.ReadAsync(offset, actual, default);
            SyntheticStream.Fill(expected, offset, 5);
            Assert.True(actual.AsSpan(0, count).SequenceEqual(expected.AsSpan(0, count)), $"at {offset}, seed {Seed}");
            Assert.Equal(Math.Min(5_000, LongSize - offset), count);
        }

        Assert.InRange(objects.Count(item => item.Kind == ObjectKind.ValueIndex), 3, 25);
        Assert.Equal(LongSize, objects.Where(item => item.Kind == ObjectKind.Value).Sum(item => item.SizeBytes));
        Assert.Equal(new ValueObject(ObjectKind.ValueIndex, written.Id, LongSize), objects[0]);
    }

    [Fact]
    public async Task Missing_and_damaged_objects_are_named()
    {
        foreach (var item in _objects)
        {
            _store.Hide(item.Id);
            var missing = await Assert.ThrowsAsync<MissingObjectException>(ReadAllAsync);
            _store.Restore(item.Id);
            _store.Damage(item.Id);
            var corrupt = await Assert.ThrowsAsync<CorruptObjectException>(ReadAllAsync);
            _store.Restore(item.Id);

            Assert.Equal(item.Id, missing.Id);
            Assert.Equal(item.Id, corrupt.Id);
        }

        Assert.Equal(Size, (await ReadAllAsync()).Length);
    }

    [Fact]
    public async Task A_missing_chunk_harms_only_the_ranges_that_it_covers()
    {
        _store.Hide(_objects[3].Id);
        var reader = new ValueReader(_store, _value.Id, Size);
        var buffer = new byte[10];

        await Assert.ThrowsAsync<MissingObjectException>(() => reader.ReadAsync(_edges[2], buffer, default).AsTask());
        Assert.Equal(10, await reader.ReadAsync(_edges[3], buffer, default));
        Assert.Equal(10, await reader.ReadAsync(_edges[2] - 10, buffer, default));
    }

    [Theory]
    [InlineData(Size - 1)]
    [InlineData(Size + 1)]
    [InlineData(1)]
    public async Task A_wrong_size_is_damage(long sizeBytes)
    {
        var error = await Assert.ThrowsAsync<CorruptObjectException>(() =>
            new ValueReader(_store, sizeBytes == 1 ? _objects[1].Id : _value.Id, sizeBytes)
                .ReadAsync(0, new byte[10], default).AsTask());

        Assert.Equal(sizeBytes == 1 ? _objects[1].Id : _value.Id, error.Id);
    }

    [Fact]
    public async Task An_index_that_ends_early_is_refused_unless_it_is_the_last()
    {
        await using var lease = _store.BeginWrite();
        var chunk = new ValueChild(ObjectId.FromHash([.. Enumerable.Repeat((byte)0x11, 32)]), 100_000);
        var open = await PutIndexAsync(lease, 1, Enumerable.Repeat(chunk, 40));
        var root = await PutIndexAsync(lease, 2, [open, open]);
        await lease.CommitAsync(Durability.Flushed, default);
        var reader = new ValueReader(_store, root.Id, root.SizeBytes);

        var early = await Assert.ThrowsAsync<CorruptObjectException>(() =>
            reader.ReadAsync(0, new byte[1], default).AsTask());
        var listed = await Assert.ThrowsAsync<CorruptObjectException>(() =>
            reader.ListObjectsAsync(default).ToListAsync().AsTask());
        var last = await Assert.ThrowsAsync<MissingObjectException>(() =>
            reader.ReadAsync(open.SizeBytes, new byte[1], default).AsTask());

        Assert.Equal(open.Id, early.Id);
        Assert.Equal(open.Id, listed.Id);
        Assert.Equal(chunk.Id, last.Id);
    }

    [Fact]
    public async Task A_value_is_read_whole_only_below_the_limit_of_the_call()
    {
        var reader = new ValueReader(_store, _value.Id, Size);

        var error = await Assert.ThrowsAsync<ValueTooLargeException>(() =>
            reader.ReadAllAsync(Size - 1, default).AsTask());

        Assert.Equal((Size, Size - 1), (error.SizeBytes, error.SizeBytesMax));
        Assert.Empty(_store.Reads);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() =>
            reader.ReadAsync(-1, new byte[1], default).AsTask());
    }

    [Fact]
    public async Task Objects_that_still_wait_in_a_lease_are_read_through_it()
    {
        await using var store = new MemoryObjectStore();
        await using var lease = store.BeginWrite();
        var content = ValueTestKit.RandomBytes(300_000, Seed);
        var written = await ValueTestKit.Writer(lease).WriteAsync(content, default);

        var read = await new ValueReader(store, written.Id, 300_000, lease).ReadAllAsync(300_000, default);

        Assert.True(read.Span.SequenceEqual(content));
        await Assert.ThrowsAsync<MissingObjectException>(() =>
            new ValueReader(store, written.Id, 300_000).ReadAllAsync(300_000, default).AsTask());
    }

    [Fact]
    public async Task An_inline_value_is_read_like_any_other()
    {
        var reader = new ValueReader(new byte[] { 1, 2, 3, 4 });
        var buffer = new byte[10];

        Assert.Equal(2, await reader.ReadAsync(2, buffer, default));
        Assert.Equal([3, 4], buffer[..2]);
        Assert.Equal(4, (await reader.ReadAllAsync(4, default)).Length);
        Assert.Empty(await reader.ListObjectsAsync(default).ToListAsync());
        Assert.Equal(0, await new ValueReader(default).ReadAsync(0, buffer, default));
    }

    private static async Task<ValueChild> PutIndexAsync(
        IObjectWriter lease, int level, IEnumerable<ValueChild> children)
    {
        var all = children.ToArray();
        var writer = new ByteWriter();
        ValueIndex.Encode(writer, level, all);
        var id = await lease.PutAsync(ObjectKind.ValueIndex, writer.WrittenMemory, default);
        return new ValueChild(id, all.Sum(child => child.SizeBytes));
    }

    private static ObservedObjectStore OpenStore() => new(new MemoryObjectStore());

    private async Task<ReadOnlyMemory<byte>> ReadAllAsync() =>
        await new ValueReader(_store, _value.Id, Size).ReadAllAsync(Size, default);
}
