namespace Ledger.Objects;

/// <summary>Reads a value, or any part of it: only the objects that cover what is asked.</summary>
/// <remarks>
/// Holds one index of each level and one chunk, so that reading on loads nothing twice. For one caller at a time.
/// Everything read is verified, and an index that no value can have is refused.
/// </remarks>
internal sealed class ValueReader
{
    private readonly IObjectStore? _store;
    private readonly IObjectWriter? _lease;
    private readonly ObjectId _id;
    private readonly List<Place> _path = [];
    private ReadOnlyMemory<byte> _chunk;
    private long _chunkStart;

    /// <summary>Reads a value that is in objects.</summary>
    /// <param name="store">Where they are.</param>
    /// <param name="id">The object, or the root of the indexes.</param>
    /// <param name="sizeBytes">Length of the value, 1 to <see cref="ValueFormat.SizeBytesMax"/>.</param>
    /// <param name="lease">Searched first for objects that are not written yet; or null.</param>
    public ValueReader(IObjectStore store, ObjectId id, long sizeBytes, IObjectWriter? lease = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sizeBytes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(sizeBytes, ValueFormat.SizeBytesMax);
        _store = store;
        _lease = lease;
        _id = id;
        SizeBytes = sizeBytes;
    }

    /// <summary>Reads a value that is inline.</summary>
    public ValueReader(ReadOnlyMemory<byte> inline)
    {
        _chunk = inline;
        SizeBytes = inline.Length;
    }

    /// <summary>Length of the value.</summary>
    public long SizeBytes { get; }

    /// <summary>The whole value.</summary>
    /// <param name="sizeBytesMax">Longest value that is read into memory.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <exception cref="ValueTooLargeException">The value is longer; nothing was read.</exception>
    /// <exception cref="MissingObjectException">An object of the value is not in the store.</exception>
    /// <exception cref="CorruptObjectException">An object of the value is damaged.</exception>
    public async ValueTask<ReadOnlyMemory<byte>> ReadAllAsync(int sizeBytesMax, CancellationToken cancellationToken)
    {
        if (SizeBytes > sizeBytesMax)
        {
            throw new ValueTooLargeException(SizeBytes, sizeBytesMax);
        }

        if (SizeBytes <= ValueFormat.SingleSizeBytesMax)
        {
            await LoadChunkAsync(0, cancellationToken);
            return _chunk;
        }

        var content = new byte[SizeBytes];
        await ReadAsync(0, content, cancellationToken);
        return content;
    }

    /// <summary>The bytes from <paramref name="offset"/> on.</summary>
    /// <param name="offset">0 or more; nothing is read at or after the end.</param>
    /// <param name="destination">Filled as far as the value goes.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    /// <returns>Bytes read; fewer than the destination's length only at the end.</returns>
    /// <exception cref="MissingObjectException">An object that covers the range is not in the store.</exception>
    /// <exception cref="CorruptObjectException">An object that covers the range is damaged.</exception>
    public async ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        var total = 0;
        while (total < destination.Length && offset < SizeBytes)
        {
            await LoadChunkAsync(offset, cancellationToken);
            var available = _chunk[(int)(offset - _chunkStart)..];
            var count = Math.Min(available.Length, destination.Length - total);
            available.Span[..count].CopyTo(destination.Span[total..]);
            total += count;
            offset += count;
        }

        return total;
    }

    /// <summary>Every object of the value, an index before what is below it; chunks are named and not read.</summary>
    /// <remarks>Nothing when the value is inline; an object in several places of the value is given for each.</remarks>
    /// <exception cref="MissingObjectException">An index is not in the store.</exception>
    /// <exception cref="CorruptObjectException">An index is damaged.</exception>
    public async IAsyncEnumerable<ValueObject> ListObjectsAsync(
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (_store is null || SizeBytes <= ValueFormat.SingleSizeBytesMax)
        {
            if (_store is not null)
            {
                yield return new ValueObject(ObjectKind.Value, _id, SizeBytes);
            }

            yield break;
        }

        var waiting = new Stack<(ObjectId Id, long SizeBytes, int Level, bool IsLast)>();
        waiting.Push((_id, SizeBytes, 0, true));
        while (waiting.TryPop(out var next))
        {
            var index = await LoadIndexAsync(next.Id, next.Level, next.SizeBytes, next.IsLast, cancellationToken);
            yield return new ValueObject(ObjectKind.ValueIndex, next.Id, next.SizeBytes);
            for (var i = 0; index.Level == 1 && i < index.Count; i++)
            {
                yield return new ValueObject(ObjectKind.Value, index.IdOf(i), index.SizeBytesOf(i));
            }

            for (var i = index.Count - 1; index.Level > 1 && i >= 0; i--)
            {
                var isLast = next.IsLast && i == index.Count - 1;
                waiting.Push((index.IdOf(i), index.SizeBytesOf(i), index.Level - 1, isLast));
            }
        }
    }

    /// <summary>Makes <see cref="_chunk"/> the chunk that holds the byte at <paramref name="offset"/>.</summary>
    private async ValueTask LoadChunkAsync(long offset, CancellationToken cancellationToken)
    {
        if (_store is null || (offset >= _chunkStart && offset < _chunkStart + _chunk.Length))
        {
            return;
        }

        var chunk = new ValueChild(_id, SizeBytes);
        long start = 0;
        if (SizeBytes > ValueFormat.SingleSizeBytesMax)
        {
            var leaf = await FindLeafAsync(offset, cancellationToken);
            var child = leaf.Index.FindChild(offset - leaf.Start);
            chunk = new ValueChild(leaf.Index.IdOf(child), leaf.Index.SizeBytesOf(child));
            start = leaf.Start + leaf.Index.StartOf(child);
        }

        var content = await LoadAsync(ObjectKind.Value, chunk.Id, cancellationToken);
        if (content.Length != chunk.SizeBytes)
        {
            throw new CorruptObjectException(
                $"it holds {content.Length} bytes of a value, and should hold {chunk.SizeBytes}", chunk.Id);
        }

        (_chunk, _chunkStart) = (content, start);
    }

    /// <summary>The index of level 1 that covers <paramref name="offset"/>; keeps the way to it.</summary>
    private async ValueTask<Place> FindLeafAsync(long offset, CancellationToken cancellationToken)
    {
        if (_path.Count == 0)
        {
            _path.Add(new(await LoadIndexAsync(_id, 0, SizeBytes, isLast: true, cancellationToken), 0, true));
        }

        for (var depth = 0; ; depth++)
        {
            var place = _path[depth];
            if (place.Index.Level == 1)
            {
                return place;
            }

            var child = place.Index.FindChild(offset - place.Start);
            var start = place.Start + place.Index.StartOf(child);
            if (depth + 1 < _path.Count && _path[depth + 1].Start == start)
            {
                continue;
            }

            var isLast = place.IsLast && child == place.Index.Count - 1;
            var below = await LoadIndexAsync(
                place.Index.IdOf(child), place.Index.Level - 1, place.Index.SizeBytesOf(child), isLast,
                cancellationToken);
            _path.RemoveRange(depth + 1, _path.Count - depth - 1);
            _path.Add(new(below, start, isLast));
        }
    }

    private async ValueTask<ValueIndex> LoadIndexAsync(
        ObjectId id, int level, long sizeBytes, bool isLast, CancellationToken cancellationToken)
    {
        var content = await LoadAsync(ObjectKind.ValueIndex, id, cancellationToken);
        var index = ValueIndex.Decode(content.Span, id);
        index.CheckPlace(id, level, sizeBytes, isLast);
        return index;
    }

    private async ValueTask<ReadOnlyMemory<byte>> LoadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken) =>
        _lease?.TryGetWaiting(id)
        ?? await _store!.ReadAsync(kind, id, cancellationToken)
        ?? throw new MissingObjectException(id);

    /// <summary>An index that was read, and where in the value it begins.</summary>
    private readonly record struct Place(ValueIndex Index, long Start, bool IsLast);
}

/// <summary>An object of a value.</summary>
/// <param name="Kind"><see cref="ObjectKind.Value"/> or <see cref="ObjectKind.ValueIndex"/>.</param>
/// <param name="Id">Its id.</param>
/// <param name="SizeBytes">Bytes of the value in it or below it.</param>
internal readonly record struct ValueObject(ObjectKind Kind, ObjectId Id, long SizeBytes);
