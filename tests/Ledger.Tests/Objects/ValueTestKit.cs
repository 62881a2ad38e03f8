using System.Buffers.Binary;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Runtime.Real;

namespace Ledger.Tests.Objects;

/// <summary>What the tests of values share.</summary>
internal static class ValueTestKit
{
    public static readonly ChunkSeed Seed = new(0x0123_4567_89AB_CDEF, 0xFEDC_BA98_7654_3210);

    public static ContentChunker Chunker { get; } = new(Seed);

    /// <summary>The real seams, except that nothing leaves the calling thread.</summary>
    public static LedgerRuntime Runtime(EnteringScheduler? scheduler = null) => new(
        scheduler ?? new EnteringScheduler(), TimeProvider.System, new SystemRandomness(), new SystemFileSystem(),
        new SocketNetwork());

    public static ValueWriter Writer(
        IObjectWriter objects, int inlineSizeBytesMax = 0, long sizeBytesMax = ValueFormat.SizeBytesMax) =>
        new(Runtime(), Chunker, objects, inlineSizeBytesMax, sizeBytesMax);

    public static byte[] RandomBytes(int size, int seed)
    {
        var content = new byte[size];
        new Random(seed).NextBytes(content);
        return content;
    }

    /// <summary>Stores a value that is not inline.</summary>
    public static async Task<WrittenValue> StoreAsync(IObjectStore store, ReadOnlyMemory<byte> content)
    {
        await using var lease = store.BeginWrite();
        var written = await Writer(lease).WriteAsync(content, default);
        await lease.CommitAsync(Durability.Flushed, default);
        return written;
    }
}

/// <summary>Counts how often it was entered; runs everything at once, on the calling thread.</summary>
internal sealed class EnteringScheduler : IScheduler
{
    public int Entered { get; private set; }

    public bool IsEntered
    {
        get
        {
            Entered++;
            return true;
        }
    }

    public void Post(Action continuation) => continuation();

    public ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state) =>
        ValueTask.FromResult(work(state));

    public ValueTask Linger(TimeSpan bound, Func<bool> condition) => ValueTask.CompletedTask;

    public Task Delay(TimeSpan delay, CancellationToken cancellationToken) => Task.CompletedTask;
}

/// <summary>A lease that keeps nothing but the ids and counts of what is put.</summary>
internal sealed class CountingObjectWriter : IObjectWriter
{
    private readonly Dictionary<ObjectId, int> _sizes = [];

    public Dictionary<ObjectKind, int> Puts { get; } = [];

    public int LargestSizeBytes { get; private set; }

    public IReadOnlyDictionary<ObjectId, int> Sizes => _sizes;

    public async ValueTask<ObjectId> PutAsync(
        ObjectKind kind, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var id = ObjectId.Of(kind, content.Span);
        await PutAsync(kind, id, content, cancellationToken);
        return id;
    }

    public ValueTask PutAsync(
        ObjectKind kind, ObjectId id, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        Puts[kind] = Puts.GetValueOrDefault(kind) + 1;
        LargestSizeBytes = Math.Max(LargestSizeBytes, content.Length);
        _sizes[id] = content.Length;
        return ValueTask.CompletedTask;
    }

    public ValueTask<bool> ContainsAsync(ObjectId id, CancellationToken cancellationToken) =>
        ValueTask.FromResult(_sizes.ContainsKey(id));

    public ReadOnlyMemory<byte>? TryGetWaiting(ObjectId id) => null;

    public void SetRow(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value) =>
        throw new NotSupportedException("Values write no rows.");

    public void DeleteRow(ReadOnlyMemory<byte> key) => throw new NotSupportedException("Values write no rows.");

    public void DeleteRows(ReadOnlyMemory<byte> fromInclusive, ReadOnlyMemory<byte> toExclusive) =>
        throw new NotSupportedException("Values write no rows.");

    public ValueTask WriteAheadAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    public ValueTask CommitAsync(Durability durability, CancellationToken cancellationToken) =>
        ValueTask.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>Gives content in reads of 1 byte to <paramref name="readSizeMax"/>, decided by a seed.</summary>
internal sealed class UnevenStream(ReadOnlyMemory<byte> content, int readSizeMax, int seed) : Stream
{
    private readonly Random _random = new(seed);
    private int _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    /// <summary>Bytes given so far.</summary>
    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override async ValueTask<int> ReadAsync(
        Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (_random.Next(8) == 0)
        {
            await Task.Yield();
        }

        var count = Math.Min(Math.Min(buffer.Length, _random.Next(1, readSizeMax + 1)), content.Length - _position);
        content.Slice(_position, count).CopyTo(buffer);
        _position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

/// <summary>Content of any length that is never in memory: block i of eight bytes is a mix of i and a seed.</summary>
internal sealed class SyntheticStream(long sizeBytes, ulong seed) : Stream
{
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => sizeBytes;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    /// <summary>The bytes from <paramref name="offset"/> on.</summary>
    public static void Fill(Span<byte> destination, long offset, ulong seed)
    {
        Span<byte> block = stackalloc byte[8];
        for (var i = 0; i < destination.Length;)
        {
            var (number, within) = Math.DivRem(offset + i, 8);
            var mixed = ((ulong)number ^ seed) * 0x9E37_79B9_7F4A_7C15;
            mixed = (mixed ^ (mixed >> 29)) * 0xBF58_476D_1CE4_E5B9;
            BinaryPrimitives.WriteUInt64LittleEndian(block, mixed ^ (mixed >> 32));
            var count = Math.Min(8 - (int)within, destination.Length - i);
            block.Slice((int)within, count).CopyTo(destination[i..]);
            i += count;
        }
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = (int)Math.Min(buffer.Length, sizeBytes - _position);
        Fill(buffer.Span[..count], _position, seed);
        _position += count;
        return ValueTask.FromResult(count);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}

/// <summary>So many zeros.</summary>
internal sealed class ZeroStream(long sizeBytes) : Stream
{
    private long _position;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => sizeBytes;

    public override long Position
    {
        get => _position;
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var count = (int)Math.Min(buffer.Length, sizeBytes - _position);
        buffer.Span[..count].Clear();
        _position += count;
        return ValueTask.FromResult(count);
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
