namespace Ledger.Objects.Segments;

/// <summary>A lease of a <see cref="SegmentStore"/>.</summary>
/// <param name="store">Where it looks up and appends.</param>
internal sealed class SegmentWriter(SegmentStore store) : IObjectWriter
{
    /// <summary>Waiting objects from which on a put writes ahead.</summary>
    private const int WaitingSizeBytesMax = 1024 * 1024;

    /// <summary>Objects found present whose ids are kept; a lease that found more protects every object.</summary>
    internal const int FoundMax = 1 << 14;

    /// <summary>
    /// Write-ahead that this lease flushes itself, so that somebody else's small put never waits for more than this.
    /// </summary>
    private const long UnflushedSizeBytesMax = 4L << 20;

    private readonly Dictionary<ObjectId, (int Offset, int SizeBytes)> _waiting = [];
    private readonly HashSet<ObjectId> _found = [];
    private ByteWriter _body = store.Buffers.Rent();
    private List<RecordItem> _items = [];
    private readonly ByteWriter _rows = new(0);
    private readonly List<RecordItem> _rowItems = [];
    private long _unflushedBytes;
    private bool _disposed;

    // Somebody has a view of the body: it is left to them.
    private bool _isBodyShared;

    /// <summary>End of the log when the lease began: what is stored behind it may be this lease's own.</summary>
    public long BeganAt { get; } = store.EndPosition;

    /// <summary>Whether the lease found the object present, or may have.</summary>
    public bool Protects(ObjectId id)
    {
        lock (_found)
        {
            return _found.Count > FoundMax || _found.Contains(id);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ObjectId> PutAsync(
        ObjectKind kind, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        StoreLimits.CheckObjectSize(content.Length);
        var id = ObjectId.Of(kind, content.Span);
        await PutAsync(kind, id, content, cancellationToken);
        return id;
    }

    /// <inheritdoc/>
    public async ValueTask PutAsync(
        ObjectKind kind, ObjectId id, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        StoreLimits.CheckObjectSize(content.Length);
        if (await ContainsAsync(id, cancellationToken))
        {
            return;
        }

        var item = RecordItems.WriteObject(_body, kind, id, content.Span);
        _items.Add(item);
        _waiting.Add(id, (item.Offset + item.SizeBytes - content.Length, content.Length));
        if (_body.Length >= WaitingSizeBytesMax)
        {
            await WriteAheadAsync(cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> ContainsAsync(ObjectId id, CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        if (_waiting.ContainsKey(id))
        {
            return true;
        }

        if (await store.FindAsync(id) is null)
        {
            return false;
        }

        lock (_found)
        {
            if (_found.Count <= FoundMax)
            {
                _found.Add(id);
            }
        }

        return true;
    }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte>? TryGetWaiting(ObjectId id)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (!_waiting.TryGetValue(id, out var place))
        {
            return null;
        }

        _isBodyShared = true;
        return _body.WrittenMemory.Slice(place.Offset, place.SizeBytes);
    }

    /// <inheritdoc/>
    public void SetRow(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        StoreLimits.CheckRowKeySize(key.Length);
        StoreLimits.CheckRowValueSize(value.Length);
        _rowItems.Add(RecordItems.WriteRow(_rows, key.Span, value.Span));
    }

    /// <inheritdoc/>
    public void DeleteRow(ReadOnlyMemory<byte> key)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        StoreLimits.CheckRowKeySize(key.Length);
        _rowItems.Add(RecordItems.WriteDelete(_rows, key.Span));
    }

    /// <inheritdoc/>
    public void DeleteRows(ReadOnlyMemory<byte> fromInclusive, ReadOnlyMemory<byte> toExclusive)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        StoreLimits.CheckRowKeySize(fromInclusive.Length);
        StoreLimits.CheckRowKeySize(toExclusive.Length);
        _rowItems.Add(RecordItems.WriteDeleteRange(_rows, fromInclusive.Span, toExclusive.Span));
    }

    /// <inheritdoc/>
    public async ValueTask WriteAheadAsync(CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        if (_items.Count == 0)
        {
            return;
        }

        _unflushedBytes += _body.Length;
        var isFlushed = _unflushedBytes >= UnflushedSizeBytesMax;
        await AppendAsync(isFlushed ? Durability.Flushed : Durability.Buffered);
        _unflushedBytes = isFlushed ? 0 : _unflushedBytes;
    }

    /// <inheritdoc/>
    public async ValueTask CommitAsync(Durability durability, CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        StoreLimits.CheckRecordBodySize(_body.Length + _rows.Length);
        Join();
        var sizeBytes = _body.Length;
        await AppendAsync(durability);
        _unflushedBytes = durability == Durability.Flushed ? 0 : _unflushedBytes + sizeBytes;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        if (!_disposed)
        {
            _disposed = true;
            store.EndLease(this);
            if (!_isBodyShared)
            {
                store.Buffers.Return(_body);
            }
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Puts the rows behind the objects.</summary>
    private void Join()
    {
        var offset = _body.Length;
        _body.WriteBytes(_rows.WrittenSpan);
        foreach (var item in _rowItems)
        {
            _items.Add(item with { Offset = item.Offset + offset });
        }

        _rows.Clear();
        _rowItems.Clear();
    }

    private async ValueTask AppendAsync(Durability durability)
    {
        // Whatever happens to the append, nobody else gets the buffer before it is over.
        var isShared = _isBodyShared;
        _isBodyShared = true;
        await store.AppendAsync(new LogMember(_body, _items, durability));

        // Only now: until they are in the log, the objects are found here.
        _waiting.Clear();
        _items = [];
        _isBodyShared = false;
        if (isShared)
        {
            _body = store.Buffers.Rent();
        }
        else
        {
            _body.Clear();
        }
    }

    private void CheckUsable(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
    }
}
