using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>A cloud in memory; nothing survives it. Safe from any thread.</summary>
/// <remarks>
/// What is asked of it is done at one instant. A reader that has caught up and then lets more than
/// <see cref="PushEntriesMax"/> entries pass is told that it is behind, as a server would that holds no more for it.
/// </remarks>
internal sealed class MemoryCloud : ICloudProvider
{
    /// <summary>Entries that a reader may be behind once it has caught up.</summary>
    public const int PushEntriesMax = 1000;

    private const int EntriesInEventMax = 64;

    private readonly Lock _gate = new();
    private readonly LedgerRuntime _runtime;
    private readonly AsyncSignal _changed = new();
    private readonly Dictionary<BlobName, StoredBlob> _blobs = [];
    private readonly Dictionary<LedgerName, Feed> _feeds = [];
    private CloudIncarnation _incarnation;

    // Raised whenever every connection breaks.
    private long _epoch;

    /// <summary>Makes an empty cloud.</summary>
    /// <param name="runtime">Gives the incarnation and the clock of leases.</param>
    public MemoryCloud(LedgerRuntime runtime)
    {
        _runtime = runtime;
        _incarnation = NewIncarnation();
    }

    /// <inheritdoc/>
    public CloudCapabilities Capabilities { get; } = new(ConditionalAppend: true, Push: true);

    /// <summary>Breaks every connection.</summary>
    public void Disconnect() => Change(() => _epoch++);

    /// <summary>Takes everything away: what is found next is another, empty cloud.</summary>
    public void Erase() => Change(() =>
    {
        _feeds.Clear();
        _blobs.Clear();
        _incarnation = NewIncarnation();
        _epoch++;
    });

    /// <summary>
    /// Forgets the last entries of a feed, as a cloud does that was restored behind everybody's back.
    /// </summary>
    /// <param name="ledger">The ledger.</param>
    /// <param name="last">Position of the last entry that stays.</param>
    public void RollBack(LedgerName ledger, FeedPosition last) => Change(() =>
    {
        FeedOf(ledger).CutAfter(last);
        _epoch++;
    });

    /// <summary>Keeps everything and changes the incarnation: an administrative restore.</summary>
    public void Restore() => Change(() =>
    {
        _incarnation = NewIncarnation();
        _epoch++;
    });

    /// <summary>Until when a blob stays whatever names it; null when there is none.</summary>
    public DateTimeOffset? LeaseOf(BlobName name)
    {
        lock (_gate)
        {
            return _blobs.TryGetValue(name, out var blob) ? blob.LeasedUntil : null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ICloudConnection> ConnectAsync(
        DeviceId device, IReadOnlyList<FeedCursor> cursors, IReadOnlySet<PageName>? pages,
        CancellationToken cancellationToken)
    {
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            FeedState[] states = [.. cursors.Select(cursor => StateOf(cursor, device))];
            return new Connection(this, states, [.. cursors.Select(cursor => new Reader(
                cursor.Ledger, FeedOf(cursor.Ledger).EndPosition, cursor.After))], pages);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<AppendResult> AppendAsync(
        LedgerName ledger, PageName page, IReadOnlyList<CloudEntry> entries, FeedPosition? expectedEnd,
        CancellationToken cancellationToken)
    {
        CloudLimits.CheckAppend(entries);
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        AppendResult result;
        lock (_gate)
        {
            result = Append(FeedOf(ledger), page, entries, expectedEnd);
        }

        _changed.Pulse();
        return result;
    }

    /// <inheritdoc/>
    public async ValueTask PutBlobAsync(
        BlobName name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfZero(content.Length, nameof(content));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, CloudLimits.BlobSizeBytesMax, nameof(content));
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            var kept = _blobs.TryGetValue(name, out var blob) ? blob.Content : content.ToArray();
            _blobs[name] = new StoredBlob(kept, NewLease());
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> GetBlobAsync(BlobName name, CancellationToken cancellationToken)
    {
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            return _blobs.TryGetValue(name, out var blob) ? (ReadOnlyMemory<byte>?)blob.Content : null;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<bool>> HasBlobsAsync(
        IReadOnlyList<BlobName> names, CancellationToken cancellationToken)
    {
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            var found = new bool[names.Count];
            for (var index = 0; index < found.Length; index++)
            {
                if (_blobs.TryGetValue(names[index], out var blob))
                {
                    found[index] = true;
                    _blobs[names[index]] = blob with { LeasedUntil = NewLease() };
                }
            }

            return found;
        }
    }

    /// <inheritdoc/>
    public async ValueTask PutCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<CloudCheckpoint> checkpoints, CancellationToken cancellationToken)
    {
        CheckpointRules.Check(checkpoints);
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            var feed = FeedOf(ledger);
            foreach (var checkpoint in checkpoints)
            {
                if (!feed.Checkpoints.TryGetValue(checkpoint.Page, out var kept))
                {
                    feed.Checkpoints.Add(checkpoint.Page, kept = []);
                }

                kept.TryAdd(checkpoint.Position, checkpoint with { Content = checkpoint.Content.ToArray() });
                var stableCut = CheckpointRules.StableCutOf(feed.Devices.Values.Select(each => each.Acknowledged));
                foreach (var position in CheckpointRules.FindUnneeded([.. kept.Keys], stableCut))
                {
                    kept.Remove(position);
                }
            }
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<CloudCheckpoint> GetCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<PageName> pages,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await _runtime.Enter();
        foreach (var page in pages)
        {
            cancellationToken.ThrowIfCancellationRequested();
            CloudCheckpoint[] found;
            lock (_gate)
            {
                found = FeedOf(ledger).Checkpoints.TryGetValue(page, out var kept) ? [.. kept.Values.Reverse()] : [];
            }

            foreach (var checkpoint in found)
            {
                yield return checkpoint;
                await _runtime.Enter();
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask RegisterDeviceAsync(
        LedgerName ledger, DeviceId device, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, CloudLimits.DeviceSizeBytesMax, nameof(content));
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            var devices = FeedOf(ledger).Devices;
            var acknowledged = devices.TryGetValue(device.Value, out var known) ? known.Acknowledged : default;
            devices[device.Value] = new StoredDevice(content.ToArray(), acknowledged);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<CloudDevice>> ListDevicesAsync(
        LedgerName ledger, CancellationToken cancellationToken)
    {
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            var feed = FeedOf(ledger);
            return [.. feed.Devices.Select(pair => new CloudDevice(
                new DeviceId(pair.Key), pair.Value.Content, feed.LastSequenceOf(new DeviceId(pair.Key)),
                pair.Value.Acknowledged))];
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> RemoveDeviceAsync(
        LedgerName ledger, DeviceId device, CancellationToken cancellationToken)
    {
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            return FeedOf(ledger).Devices.Remove(device.Value);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> AcknowledgeAsync(
        LedgerName ledger, DeviceId device, FeedPosition position, CancellationToken cancellationToken)
    {
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        lock (_gate)
        {
            var devices = FeedOf(ledger).Devices;
            if (!devices.TryGetValue(device.Value, out var known))
            {
                return false;
            }

            devices[device.Value] = known with
            {
                Acknowledged = position > known.Acknowledged ? position : known.Acknowledged,
            };
            return true;
        }
    }

    /// <summary>Nothing to release.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static AppendResult Append(
        Feed feed, PageName page, IReadOnlyList<CloudEntry> entries, FeedPosition? expectedEnd)
    {
        var known = feed.Known;
        if (entries.All(entry => known.ContainsKey(entry.Id)))
        {
            return new AppendResult(null, [.. entries.Select(entry => known[entry.Id])]);
        }

        var end = feed.Ends.GetValueOrDefault(page);
        if (expectedEnd is { } expected && expected != end)
        {
            throw new FeedMovedException(page, expected, end);
        }

        feed.Appends++;
        foreach (var entry in entries.Where(entry => !known.ContainsKey(entry.Id)))
        {
            var position = new FeedPosition(feed.EndPosition.Value + 1);
            var copy = entry with { Content = entry.Content.ToArray() };
            feed.Add(new StoredEntry(position, page, copy, feed.Appends));
        }

        return new AppendResult(end, [.. entries.Select(entry => known[entry.Id])]);
    }

    private void Change(Action change)
    {
        lock (_gate)
        {
            change();
        }

        _changed.Pulse();
    }

    private CloudIncarnation NewIncarnation()
    {
        Span<byte> bytes = stackalloc byte[CloudIncarnation.SizeBytes];
        _runtime.Random.Fill(bytes);
        return CloudIncarnation.Read(bytes);
    }

    private DateTimeOffset NewLease() => _runtime.Time.GetUtcNow() + CloudLimits.BlobLease;

    private Feed FeedOf(LedgerName ledger)
    {
        if (!_feeds.TryGetValue(ledger, out var feed))
        {
            _feeds.Add(ledger, feed = new Feed());
        }

        return feed;
    }

    private FeedState StateOf(FeedCursor cursor, DeviceId device)
    {
        var feed = FeedOf(cursor.Ledger);
        return new FeedState(
            cursor.Ledger, feed.At(cursor.After)?.Entry.Id, feed.EndPosition, feed.LastSequenceOf(device));
    }

    private sealed record StoredBlob(byte[] Content, DateTimeOffset LeasedUntil);

    private sealed record StoredDevice(byte[] Content, FeedPosition Acknowledged);

    private sealed record StoredEntry(FeedPosition Position, PageName Page, CloudEntry Entry, long Append);

    private sealed class Feed
    {
        public List<StoredEntry> Entries { get; } = [];

        public SortedDictionary<UInt128, StoredDevice> Devices { get; } = [];

        public Dictionary<PageName, SortedDictionary<FeedPosition, CloudCheckpoint>> Checkpoints { get; } = [];

        public long Appends { get; set; }

        public FeedPosition EndPosition => Entries.Count == 0 ? FeedPosition.Start : Entries[^1].Position;

        public Dictionary<EntryId, FeedPosition> Known { get; } = [];

        public Dictionary<PageName, FeedPosition> Ends { get; } = [];

        private Dictionary<DeviceId, long> Sequences { get; } = [];

        // The entry at position n is the n-th: the feed is only ever cut at its end.
        public StoredEntry? At(FeedPosition position) =>
            position.Value >= 1 && position.Value <= Entries.Count ? Entries[(int)position.Value - 1] : null;

        public void Add(StoredEntry entry)
        {
            Entries.Add(entry);
            Known.Add(entry.Entry.Id, entry.Position);
            Ends[entry.Page] = entry.Position;
            var device = entry.Entry.Device;
            Sequences[device] = Math.Max(Sequences.GetValueOrDefault(device), entry.Entry.Sequence);
        }

        public void CutAfter(FeedPosition last)
        {
            StoredEntry[] kept = [.. Entries.TakeWhile(entry => entry.Position <= last)];
            Entries.Clear();
            Known.Clear();
            Ends.Clear();
            Sequences.Clear();
            foreach (var entry in kept)
            {
                Add(entry);
            }
        }

        public long? LastSequenceOf(DeviceId device) =>
            Sequences.TryGetValue(device, out var sequence) ? sequence : null;
    }

    private sealed class Reader(LedgerName ledger, FeedPosition backlogEnd, FeedPosition after)
    {
        public LedgerName Ledger { get; } = ledger;

        public FeedPosition BacklogEnd { get; } = backlogEnd;

        public FeedPosition After { get; set; } = after;

        public bool IsCaughtUp { get; set; }
    }

    private sealed class Connection(
        MemoryCloud cloud, FeedState[] states, Reader[] readers, IReadOnlySet<PageName>? pages) : ICloudConnection
    {
        private readonly long _epoch = cloud._epoch;
        private bool _isBehind;
        private bool _isDisposed;

        public CloudIncarnation Incarnation { get; } = cloud._incarnation;

        public IReadOnlyList<FeedState> Feeds { get; } = states;

        public async ValueTask<CloudEvent> ReadAsync(CancellationToken cancellationToken)
        {
            await cloud._runtime.Enter();
            while (true)
            {
                ObjectDisposedException.ThrowIf(_isDisposed, this);
                var version = cloud._changed.Version;
                lock (cloud._gate)
                {
                    if (TryTake() is { } taken)
                    {
                        return taken;
                    }
                }

                await cloud._changed.WaitAsync(version, cancellationToken);
            }
        }

        public ValueTask DisposeAsync()
        {
            _isDisposed = true;
            cloud._changed.Pulse();
            return ValueTask.CompletedTask;
        }

        private CloudEvent? TryTake()
        {
            if (_epoch != cloud._epoch)
            {
                throw new CloudUnavailableException(CloudProblem.Unreachable, "The connection to the cloud broke.");
            }

            if (_isBehind)
            {
                return new CloudEvent.Behind();
            }

            foreach (var reader in readers)
            {
                if (TryTake(reader) is { } taken)
                {
                    return taken;
                }
            }

            return null;
        }

        private CloudEvent? TryTake(Reader reader)
        {
            var entries = cloud.FeedOf(reader.Ledger).Entries;
            var next = (int)reader.After.Value;
            if (reader.IsCaughtUp && entries.Count - next > PushEntriesMax)
            {
                _isBehind = true;
                return new CloudEvent.Behind();
            }

            var items = new List<FeedEntry>();
            for (; next < entries.Count; next++)
            {
                var entry = entries[next];
                if (items.Count >= EntriesInEventMax && entry.Append != entries[next - 1].Append)
                {
                    break;
                }

                reader.After = entry.Position;
                if (pages?.Contains(entry.Page) ?? true)
                {
                    items.Add(new FeedEntry(entry.Position, entry.Page, entry.Entry));
                }
            }

            if (items.Count > 0)
            {
                return new CloudEvent.Entries(reader.Ledger, items);
            }

            if (!reader.IsCaughtUp && reader.After >= reader.BacklogEnd)
            {
                reader.IsCaughtUp = true;
                return new CloudEvent.CaughtUp(reader.Ledger);
            }

            return null;
        }
    }
}
