using Ledger.Commits;
using Ledger.Simulation.Worlds;
using Ledger.Sync;

namespace Ledger.Simulation.Workload;

/// <summary>The cloud as one life of a device reaches it.</summary>
/// <param name="run">The run.</param>
/// <param name="session">Whose it is.</param>
internal sealed class CloudLink(Run run, Session session) : ICloudProvider
{
    private readonly CloudNetwork _network = run.Network;
    private readonly Life _life = session.Life;
    private readonly Given _given = session.Device.Given;
    private readonly CancellationTokenSource _end = new();
    private TimeSpan _cutUntil;

    // The last connection showed that what was taken in is not there: nothing may move before the user decides.
    private bool _isLost;

    public Life Life => _life;

    /// <summary>True while nothing comes through.</summary>
    public bool IsCut => run.World.Elapsed < _cutUntil && !run.IsHealing;

    public CloudCapabilities Capabilities => _network.Cloud.Capabilities;

    private MemoryCloud Cloud => _network.Cloud;

    /// <summary>Nothing comes through for a while.</summary>
    public void Cut(TimeSpan time)
    {
        var end = run.World.Elapsed + time;
        _cutUntil = end > _cutUntil ? end : _cutUntil;
    }

    /// <summary>The device died: whatever waits in the cloud for it ends.</summary>
    public void Close() => _end.Cancel();

    public async ValueTask<ICloudConnection> ConnectAsync(
        DeviceId device, IReadOnlyList<FeedCursor> cursors, IReadOnlySet<PageName>? pages,
        CancellationToken cancellationToken)
    {
        var inner = await CallAsync(
            repeats: false, () => Cloud.ConnectAsync(device, [.. cursors], null, _end.Token), cancellationToken);
        if (pages is not null)
        {
            return new Connection(this, inner, pages);
        }

        _isLost = !_given.Fits(cursors[0].After, inner.Incarnation, inner.Feeds[0].AtCursor);
        return new Connection(this, inner, null);
    }

    public ValueTask<AppendResult> AppendAsync(
        LedgerName ledger, PageName page, IReadOnlyList<CloudEntry> entries, FeedPosition? expectedEnd,
        CancellationToken cancellationToken)
    {
        CheckMayMove();

        // Its own bytes: what the device does with its buffers afterwards is nothing to the cloud.
        CloudEntry[] sent = [.. entries.Select(entry => entry with { Content = entry.Content.ToArray() })];
        return CallAsync(
            repeats: true,
            async () =>
            {
                _network.Changes++;
                run.Sealed.Add(sent);
                await _network.Attacks.BeforeAppendAsync(page, sent);
                var result = await Cloud.AppendAsync(ledger, page, sent, expectedEnd, _end.Token);
                _network.Attacks.Appended(result);
                run.Sealed.Accept(sent);
                return result;
            },
            cancellationToken);
    }

    public async ValueTask PutBlobAsync(
        BlobName name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        CheckMayMove();
        var sent = content.ToArray();
        await CallAsync(
            repeats: true, () => DoAsync(() => Cloud.PutBlobAsync(name, sent, _end.Token)), cancellationToken);
    }

    public ValueTask<ReadOnlyMemory<byte>?> GetBlobAsync(BlobName name, CancellationToken cancellationToken) =>
        CallAsync(repeats: true, () => Cloud.GetBlobAsync(name, _end.Token), cancellationToken);

    public ValueTask<IReadOnlyList<bool>> HasBlobsAsync(
        IReadOnlyList<BlobName> names, CancellationToken cancellationToken) =>
        CallAsync(repeats: true, () => Cloud.HasBlobsAsync([.. names], _end.Token), cancellationToken);

    public async ValueTask PutCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<CloudCheckpoint> checkpoints, CancellationToken cancellationToken) =>
        await CallAsync(
            repeats: true, () => DoAsync(() => Cloud.PutCheckpointsAsync(ledger, [.. checkpoints], _end.Token)),
            cancellationToken);

    public async IAsyncEnumerable<CloudCheckpoint> GetCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<PageName> pages,
        [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var checkpoints = await CallAsync(repeats: true, ListAsync, cancellationToken);
        foreach (var checkpoint in checkpoints)
        {
            yield return checkpoint;
        }

        async ValueTask<List<CloudCheckpoint>> ListAsync()
        {
            var list = new List<CloudCheckpoint>();
            await foreach (var checkpoint in Cloud.GetCheckpointsAsync(ledger, [.. pages], _end.Token))
            {
                list.Add(checkpoint);
            }

            return list;
        }
    }

    public async ValueTask RegisterDeviceAsync(
        LedgerName ledger, DeviceId device, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var sent = content.ToArray();
        await CallAsync(
            repeats: true, () => DoAsync(() => Cloud.RegisterDeviceAsync(ledger, device, sent, _end.Token)),
            cancellationToken);
    }

    public ValueTask<IReadOnlyList<CloudDevice>> ListDevicesAsync(
        LedgerName ledger, CancellationToken cancellationToken) =>
        CallAsync(repeats: true, () => Cloud.ListDevicesAsync(ledger, _end.Token), cancellationToken);

    public ValueTask<bool> RemoveDeviceAsync(
        LedgerName ledger, DeviceId device, CancellationToken cancellationToken) =>
        CallAsync(repeats: false, () => Cloud.RemoveDeviceAsync(ledger, device, _end.Token), cancellationToken);

    public ValueTask<bool> AcknowledgeAsync(
        LedgerName ledger, DeviceId device, FeedPosition position, CancellationToken cancellationToken) =>
        CallAsync(
            repeats: true, () => Cloud.AcknowledgeAsync(ledger, device, position, _end.Token), cancellationToken);

    public ValueTask DisposeAsync()
    {
        _end.Dispose();
        return ValueTask.CompletedTask;
    }

    private static async ValueTask<bool> DoAsync(Func<ValueTask> operation)
    {
        await operation();
        return true;
    }

    private void CheckMayMove()
    {
        if (_isLost)
        {
            var violation = new ViolationException(
                "R18", $"Device {session.Device.Number} goes on with a cloud that does not have what it took in.");
            run.Fail(violation);
            throw violation;
        }
    }

    private async ValueTask<T> CallAsync<T>(
        bool repeats, Func<ValueTask<T>> work, CancellationToken cancellationToken)
    {
        _life.Call(30);
        session.TellName();
        cancellationToken.ThrowIfCancellationRequested();
        if (!IsCut && _network.Happens(_network.Trouble.Cut))
        {
            Cut(TimeSpan.FromSeconds(Math.Pow(10, _network.Random.NextDouble() * 3.5)));
        }

        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = cancellationToken.UnsafeRegister(_ => answer.TrySetCanceled(cancellationToken), null);
        _network.Send(this, repeats, work, answer);
        return await answer.Task;
    }

    /// <summary>A connection, whose pushes come twice or turned round at times.</summary>
    private sealed class Connection(
        CloudLink link, ICloudConnection inner, IReadOnlySet<PageName>? pages) : ICloudConnection
    {
        private readonly List<CloudEvent> _held = [];
        private bool _isBroken;

        public CloudIncarnation Incarnation => inner.Incarnation;

        public IReadOnlyList<FeedState> Feeds => inner.Feeds;

        public async ValueTask<CloudEvent> ReadAsync(CancellationToken cancellationToken)
        {
            link.CheckMayMove();
            var (network, trouble) = (link._network, link._network.Trouble);
            _isBroken |= link.IsCut || network.Happens(trouble.Broken);
            if (_isBroken)
            {
                throw new CloudUnavailableException(CloudProblem.Unreachable, "The connection to the cloud broke.");
            }

            if (_held.Count == 0)
            {
                var read = await ReadNextAsync(cancellationToken);
                _held.Add(read is CloudEvent.Entries entries
                    ? pages is null
                        ? network.Attacks.Deliver(link._given, Incarnation, entries)
                        : link._given.Again(entries, pages)
                    : read);
            }

            var next = _held[0];
            if (next is CloudEvent.Entries { Items.Count: > 1 } several && network.Happens(trouble.Reordered))
            {
                next = several with { Items = [.. several.Items.Reverse()] };
            }

            // A duplicate is given out at the next read.
            if (next is not CloudEvent.Entries || !network.Happens(trouble.Doubled))
            {
                _held.RemoveAt(0);
            }

            return next;
        }

        public ValueTask DisposeAsync()
        {
            _isBroken = true;
            return ValueTask.CompletedTask;
        }

        private async ValueTask<CloudEvent> ReadNextAsync(CancellationToken cancellationToken)
        {
            // A push that is given up is lost with its connection, which then is of no use.
            using var end = CancellationTokenSource.CreateLinkedTokenSource(link._end.Token);
            var isRead = false;
            try
            {
                var read = await link.CallAsync(repeats: false, () => inner.ReadAsync(end.Token), cancellationToken);
                isRead = true;
                return read;
            }
            finally
            {
                _isBroken |= !isRead;
                end.Cancel();
            }
        }
    }
}
