using System.Runtime.CompilerServices;
using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// Objects and rows in a directory: an append-only log in segments, and runs that say where everything is.
/// </summary>
/// <remarks>
/// Safe for concurrent use within one process; a second one is refused. docs/formats/log.md and run.md.
/// </remarks>
internal sealed class SegmentStore : IObjectStore
{
    private readonly LedgerRuntime _runtime;
    private readonly SegmentStoreOptions _options;
    private readonly IDisposable? _lock;
    private readonly StoreIndex _index;
    private readonly SegmentSet _segments;
    private readonly StoreManifest _manifest;
    private readonly LogTail _tail;
    private readonly SegmentLog _log;
    private readonly Checkpointer _checkpointer;
    private readonly Lock _gate = new();
    private readonly HashSet<SegmentWriter> _leases = [];
    private bool _disposed;

    private SegmentStore(
        LedgerRuntime runtime, string directory, SegmentStoreOptions options, IDisposable? heldLock, Manifest manifest,
        StoreIndex index, RecoveredLog recovered)
    {
        (_runtime, _options, _lock, _index) = (runtime, options, heldLock, index);
        (_segments, Recovery) = (recovered.Segments, recovered.Report);
        _manifest = new StoreManifest(runtime.Files, directory, options, manifest, recovered);
        _checkpointer = new Checkpointer(runtime, directory, options, _manifest, index);
        _tail = new LogTail(runtime.Files, directory, recovered, options, _manifest);
        _log = new SegmentLog(runtime, _tail, index, options.Bugs, _checkpointer);
        if (!IsReadOnly)
        {
            _manifest.RemoveUnlistedRuns();
        }
    }

    /// <summary>What opening found.</summary>
    public RecoveryReport Recovery { get; }

    /// <summary>Log position behind the last record.</summary>
    public long EndPosition => _tail.End.Position;

    /// <summary>Bytes of runs that are in memory now.</summary>
    public long IndexCacheSizeBytes => _index.Cache.SizeBytes;

    private bool IsReadOnly => _options.ReadOnly || Recovery.Damage is not null;

    /// <summary>Opens the store of a directory, and makes it when there is none and the options say so.</summary>
    /// <exception cref="StoreUnavailableException">Someone has it open, there is none, or the disk refuses.</exception>
    /// <exception cref="CorruptObjectException">The manifest or a run is damaged, or a segment is missing.</exception>
    /// <exception cref="FormatTooNewException">A newer version wrote it.</exception>
    public static ValueTask<SegmentStore> OpenAsync(
        LedgerRuntime runtime, string directory, SegmentStoreOptions options, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return runtime.Offload(
            static state => StoreOpening.Open(state.runtime, state.directory, state.options, Make),
            (runtime, directory, options));

        static SegmentStore Make(
            LedgerRuntime runtime, string directory, SegmentStoreOptions options, IDisposable? heldLock,
            Manifest manifest, StoreIndex index, RecoveredLog recovered) =>
            new(runtime, directory, options, heldLock, manifest, index, recovered);
    }

    /// <summary>Of its leases.</summary>
    internal WriteBuffers Buffers { get; } = new();

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        if (await _index.FindObjectAsync(id) is not { } location)
        {
            return null;
        }

        var item = await ReadItemAsync(location);
        if (RecordItems.TryDecodeObject(item, id) is not { } found)
        {
            throw new CorruptObjectException("the log holds something else where the index says it is", id);
        }

        // The pair of the hash taken when it was put: damage stops here, also that of the kind.
        var content = item.AsMemory(found.ContentOffset);
        var actual = ObjectId.Of(found.Kind, content.Span);
        if (actual != id)
        {
            throw new CorruptObjectException(id, actual);
        }

        // An object of another kind has the id; none of this kind can have it.
        return found.Kind == kind ? content : default(ReadOnlyMemory<byte>?);
    }

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadRowAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        StoreLimits.CheckRowKeySize(key.Length);
        var row = key.ToArray();
        return await _index.FindRowAsync(row) is { } location
            ? await ReadRowValueAsync(row, location)
            : default(ReadOnlyMemory<byte>?);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoredRow> ScanRowsAsync(
        ReadOnlyMemory<byte> prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        using var scan = _index.Scan(prefix.ToArray());
        while (await scan.NextAsync() is { Count: > 0 } rows)
        {
            foreach (var row in rows)
            {
                CheckUsable(cancellationToken);
                yield return new StoredRow(row.Key, await ReadRowValueAsync(row.Key, row.Location!.Value));
            }
        }
    }

    /// <inheritdoc/>
    public IObjectWriter BeginWrite()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        var lease = new SegmentWriter(this);
        lock (_gate)
        {
            _leases.Add(lease);
        }

        return lease;
    }

    /// <inheritdoc/>
    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        if (!IsReadOnly)
        {
            await _log.FlushAsync();
        }
    }

    /// <summary>Reads the whole log and all runs and checks every checksum.</summary>
    /// <returns>Bytes of log checked, and a sentence for each fault.</returns>
    public async ValueTask<(long LogBytes, IReadOnlyList<string> Problems)> VerifyAsync(
        CancellationToken cancellationToken)
    {
        CheckUsable(cancellationToken);
        return await StoreVerification.RunAsync(_runtime, _manifest.StoreId, _segments, _tail.End, _index);
    }

    /// <summary>Whether an open lease protects an object from being collected.</summary>
    public async ValueTask<bool> IsLeasedAsync(ObjectId id)
    {
        SegmentWriter[] leases;
        lock (_gate)
        {
            leases = [.. _leases];
        }

        var position = (await _index.FindObjectAsync(id))?.Position;
        return leases.Any(lease => lease.Protects(id) || position >= lease.BeganAt);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        try
        {
            if (!IsReadOnly)
            {
                await CloseLogAsync();
            }
        }
        finally
        {
            _index.Dispose();
            _segments.Dispose();
            _lock?.Dispose();
        }
    }

    private async ValueTask CloseLogAsync()
    {
        try
        {
            await _log.DisposeAsync();
        }
        finally
        {
            await _checkpointer.CloseAsync(_tail);
        }
    }

    /// <summary>Where an object is, for a lease that is about to write it.</summary>
    internal ValueTask<ItemLocation?> FindAsync(ObjectId id) => _index.FindObjectAsync(id);

    /// <summary>Takes the next place in the log for a member, at once.</summary>
    internal Task AppendAsync(LogMember member)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return IsReadOnly
            ? Task.FromException(new StoreUnavailableException(
                StoreUnavailableReason.ReadOnly, Recovery.Damage ?? "The store was opened for reading only."))
            : _log.AppendAsync(member);
    }

    /// <summary>Ends a lease.</summary>
    internal void EndLease(SegmentWriter lease)
    {
        lock (_gate)
        {
            _leases.Remove(lease);
        }
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReadRowValueAsync(byte[] key, ItemLocation location) =>
        RecordItems.DecodeRowValue(
            await ReadItemAsync(location), key, verify: !_options.Bugs.HasFlag(PlantedBugs.SkipChecksum));

    private async ValueTask<byte[]> ReadItemAsync(ItemLocation location)
    {
        if (location.SizeBytes is <= 0 or > StoreLimits.RecordSizeBytesMax)
        {
            throw new CorruptObjectException($"the index gives an item {location.SizeBytes} bytes");
        }

        try
        {
            return await _runtime.Offload(
                static state =>
                {
                    var item = new byte[state.location.SizeBytes];
                    var read = state.segments.Read(state.location.Position, item);
                    return read == item.Length
                        ? item
                        : throw new CorruptObjectException(
                            $"the log ends inside an item of {item.Length} bytes at {state.location.Position}");
                },
                (segments: _segments, location));
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.InputOutput, $"The disk refused a read. {error.Message}", error);
        }
    }

    private void CheckUsable(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        cancellationToken.ThrowIfCancellationRequested();
    }
}
