using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>
/// A cloud in a directory that several processes and machines share (docs/formats/cloud-directory.md).
/// </summary>
/// <remarks>
/// The file system must give a free name to exactly one of those who want it (<see cref="IFileSystem.TryRename"/>).
/// There are no locks: whoever dies leaves a valid cloud and stops nobody. What an operation did is on the disk when it
/// returns, and nothing is shown to a reader that is not. Safe for concurrent use.
/// </remarks>
internal sealed class DirectoryCloud : ICloudProvider
{
    private readonly LedgerRuntime _runtime;
    private readonly DirectoryCloudFiles _files;
    private readonly DirectoryCloudObjects _objects;
    private readonly AsyncSignal _appended = new();
    private readonly Dictionary<LedgerName, DirectoryFeed> _feeds = [];
    private readonly Lock _gate = new();

    private DirectoryCloud(LedgerRuntime runtime, DirectoryCloudFiles files)
    {
        (_runtime, _files) = (runtime, files);
        _objects = new DirectoryCloudObjects(runtime, files);
    }

    /// <summary>Longest time until a connection looks by itself whether something was appended.</summary>
    public TimeSpan CheckInterval { get; init; } = TimeSpan.FromSeconds(5);

    /// <inheritdoc/>
    public CloudCapabilities Capabilities { get; } = new(ConditionalAppend: true, Push: false);

    /// <summary>The cloud in a directory that is not looked at: each operation finds out whether it is there.</summary>
    /// <param name="runtime">Disk, randomness, clock and waiting.</param>
    /// <param name="path">The directory.</param>
    public static DirectoryCloud At(LedgerRuntime runtime, string path) =>
        new(runtime, new DirectoryCloudFiles(runtime, path));

    /// <summary>Opens the cloud in a directory.</summary>
    /// <param name="runtime">Disk, randomness, clock and waiting.</param>
    /// <param name="path">The directory.</param>
    /// <param name="create">Makes the directory and the cloud when there is none.</param>
    /// <param name="cancellationToken">Ends the opening.</param>
    /// <exception cref="CloudUnavailableException">
    /// There is no cloud and none was to be made, its file cannot be understood, or the disk refuses.
    /// </exception>
    public static async ValueTask<DirectoryCloud> OpenAsync(
        LedgerRuntime runtime, string path, bool create, CancellationToken cancellationToken)
    {
        await runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        var files = new DirectoryCloudFiles(runtime, path);
        await runtime.Offload(
            static state => state.files.Guard(() => state.files.Open(state.create)), (files, create));
        return new DirectoryCloud(runtime, files);
    }

    /// <summary>Until when a blob stays whatever names it; null when there is none.</summary>
    public ValueTask<DateTimeOffset?> LeaseOfAsync(BlobName name) =>
        OffloadAsync(() => _objects.LeaseOf(name), default);

    /// <inheritdoc/>
    public async ValueTask<ICloudConnection> ConnectAsync(
        DeviceId device, IReadOnlyList<FeedCursor> cursors, IReadOnlySet<PageName>? pages,
        CancellationToken cancellationToken)
    {
        var (incarnation, states) = await OffloadAsync(
            () =>
            {
                // Read anew: the cloud may have been taken away and made again.
                var found = _files.ReadIncarnation();
                FeedState[] states = [.. cursors.Select(cursor => FeedOf(cursor.Ledger).StateOf(cursor, device))];

                // What was not found counts only when the cloud was there all the time.
                return _files.ReadIncarnation() == found ? (found, states) : throw NewReplaced();
            },
            cancellationToken);
        return new DirectoryConnection(this, incarnation, states, cursors, pages);
    }

    /// <inheritdoc/>
    public async ValueTask<AppendResult> AppendAsync(
        LedgerName ledger, PageName page, IReadOnlyList<CloudEntry> entries, FeedPosition? expectedEnd,
        CancellationToken cancellationToken)
    {
        CloudLimits.CheckAppend(entries);
        var result = await OffloadAsync(() => FeedOf(ledger).Append(page, entries, expectedEnd), cancellationToken);
        _appended.Pulse();
        return result;
    }

    /// <inheritdoc/>
    public async ValueTask PutBlobAsync(
        BlobName name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfZero(content.Length, nameof(content));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, CloudLimits.BlobSizeBytesMax, nameof(content));
        await OffloadAsync(() => _objects.PutBlob(name, content), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> GetBlobAsync(BlobName name, CancellationToken cancellationToken) =>
        OffloadAsync(() => _objects.GetBlob(name), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<bool>> HasBlobsAsync(
        IReadOnlyList<BlobName> names, CancellationToken cancellationToken) =>
        OffloadAsync(() => _objects.HasBlobs(names), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask PutCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<CloudCheckpoint> checkpoints, CancellationToken cancellationToken)
    {
        CheckpointRules.Check(checkpoints);
        foreach (var checkpoint in checkpoints)
        {
            await OffloadAsync(() => _objects.PutCheckpoint(ledger, checkpoint), cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<CloudCheckpoint> GetCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<PageName> pages,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var page in pages)
        {
            var positions = await OffloadAsync(() => _objects.ListCheckpoints(ledger, page), cancellationToken);
            foreach (var position in positions.Reverse())
            {
                // Null when another process found meanwhile that it is not needed any more.
                if (await OffloadAsync(() => _objects.GetCheckpoint(ledger, page, position), cancellationToken) is
                    { } checkpoint)
                {
                    yield return checkpoint;
                }
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask RegisterDeviceAsync(
        LedgerName ledger, DeviceId device, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(content.Length, CloudLimits.DeviceSizeBytesMax, nameof(content));
        await OffloadAsync(() => _objects.RegisterDevice(ledger, device, content), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<CloudDevice>> ListDevicesAsync(
        LedgerName ledger, CancellationToken cancellationToken) => OffloadAsync<IReadOnlyList<CloudDevice>>(
        () =>
        {
            var feed = FeedOf(ledger);
            return
            [
                .. _objects.ListDevices(ledger).Select(
                    device => device with { LastSequence = feed.LastSequenceOf(device.Device) }),
            ];
        },
        cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> RemoveDeviceAsync(
        LedgerName ledger, DeviceId device, CancellationToken cancellationToken) =>
        OffloadAsync(() => _objects.RemoveDevice(ledger, device), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<bool> AcknowledgeAsync(
        LedgerName ledger, DeviceId device, FeedPosition position, CancellationToken cancellationToken) =>
        OffloadAsync(() => _objects.Acknowledge(ledger, device, position), cancellationToken);

    /// <summary>Nothing to release: connections are disposed of by whoever made them.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private CloudUnavailableException NewReplaced() => new(
        CloudProblem.Unreachable, $"The cloud in '{_files.Path}' was replaced by another one.");

    private DirectoryFeed FeedOf(LedgerName ledger)
    {
        lock (_gate)
        {
            if (!_feeds.TryGetValue(ledger, out var feed))
            {
                _feeds.Add(ledger, feed = new DirectoryFeed(_files, ledger));
            }

            return feed;
        }
    }

    private async ValueTask<T> OffloadAsync<T>(Func<T> work, CancellationToken cancellationToken)
    {
        await _runtime.Enter();
        cancellationToken.ThrowIfCancellationRequested();
        return await _runtime.Offload(static state => state._files.Guard(state.work), (_files, work));
    }

    private sealed class DirectoryConnection : ICloudConnection
    {
        private readonly DirectoryCloud _cloud;
        private readonly IReadOnlySet<PageName>? _pages;
        private readonly Reader[] _readers;
        private readonly AsyncSignal _changed = new();
        private readonly List<IDisposable> _watches = [];
        private bool _isWatching;

        public DirectoryConnection(
            DirectoryCloud cloud, CloudIncarnation incarnation, FeedState[] states, IReadOnlyList<FeedCursor> cursors,
            IReadOnlySet<PageName>? pages)
        {
            (_cloud, Incarnation, Feeds, _pages) = (cloud, incarnation, states, pages);
            _readers =
            [
                .. cursors.Zip(states, (cursor, state) =>
                    new Reader(cloud.FeedOf(cursor.Ledger), cursor.Ledger, state.End, cursor.After, state.AtCursor)),
            ];
        }

        public CloudIncarnation Incarnation { get; }

        public IReadOnlyList<FeedState> Feeds { get; }

        public async ValueTask<CloudEvent> ReadAsync(CancellationToken cancellationToken)
        {
            if (!_isWatching)
            {
                _isWatching = true;
                _watches.AddRange(await _cloud.OffloadAsync(BeginWatches, cancellationToken));
            }

            while (true)
            {
                var (appended, changed) = (_cloud._appended.Version, _changed.Version);
                foreach (var reader in _readers)
                {
                    if (await _cloud.OffloadAsync(() => Take(reader), cancellationToken) is { } taken)
                    {
                        return taken;
                    }
                }

                await WaitAsync(appended, changed, cancellationToken);

                // A cloud that was taken away and made anew has feeds of its own: these here have ended.
                if (await _cloud.OffloadAsync(_cloud._files.ReadIncarnation, cancellationToken) != Incarnation)
                {
                    throw _cloud.NewReplaced();
                }
            }
        }

        public async ValueTask DisposeAsync()
        {
            await _cloud._runtime.Enter();
            foreach (var watch in _watches)
            {
                watch.Dispose();
            }

            _watches.Clear();
        }

        private List<IDisposable> BeginWatches()
        {
            var watches = new List<IDisposable>();
            foreach (var reader in _readers)
            {
                if (_cloud._files.TryWatch(reader.Feed.EndsPath, _changed.Pulse) is { } watch)
                {
                    watches.Add(watch);
                }
            }

            return watches;
        }

        private async ValueTask WaitAsync(long appended, long changed, CancellationToken cancellationToken)
        {
            using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task[] waits =
            [
                _cloud._appended.WaitAsync(appended, ending.Token).AsTask(),
                _changed.WaitAsync(changed, ending.Token).AsTask(),
                _cloud._runtime.Delay(_cloud.CheckInterval, ending.Token),
            ];
            await Task.WhenAny(waits);
            ending.Cancel();
            foreach (var wait in waits)
            {
                try
                {
                    await wait;
                }
                catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
                {
                    // Another one was first.
                }
            }

            cancellationToken.ThrowIfCancellationRequested();
        }

        private CloudEvent? Take(Reader reader)
        {
            while (reader.Feed.ReadAfter(reader.After, reader.AtAfter) is { } slot)
            {
                FeedEntry[] items =
                [
                    .. slot.Entries.Where(entry =>
                        entry.Position > reader.After && (slot.IsDamaged || (_pages?.Contains(slot.Page) ?? true))),
                ];
                (reader.After, reader.AtAfter) = (slot.Last, slot.IsDamaged ? null : slot.Entries[^1].Entry.Id);
                if (items.Length > 0)
                {
                    return new CloudEvent.Entries(reader.Ledger, items);
                }
            }

            if (!reader.IsCaughtUp && reader.After >= reader.BacklogEnd)
            {
                reader.IsCaughtUp = true;
                return new CloudEvent.CaughtUp(reader.Ledger);
            }

            return null;
        }
    }

    private sealed class Reader(
        DirectoryFeed feed, LedgerName ledger, FeedPosition backlogEnd, FeedPosition after, EntryId? atAfter)
    {
        public DirectoryFeed Feed { get; } = feed;

        public LedgerName Ledger { get; } = ledger;

        public FeedPosition BacklogEnd { get; } = backlogEnd;

        public FeedPosition After { get; set; } = after;

        /// <summary>Id of the entry there; null when it is not known.</summary>
        public EntryId? AtAfter { get; set; } = atAfter;

        public bool IsCaughtUp { get; set; }
    }
}
