using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Runtime;
using Ledger.Sync;

namespace Ledger.Conformance;

/// <summary>Any cloud behind a network that fails: errors before and after the effect, delays, broken pushes.</summary>
/// <remarks>
/// Without faults it is the cloud behind it. Duplicated and reordered pushes break the contract of a cloud on purpose:
/// a device must stand them. Erasing and rolling back belong to the cloud behind it.
/// </remarks>
/// <param name="runtime">Gives the time that delays take.</param>
/// <param name="inner">Does the work; owned by whoever made it.</param>
/// <param name="faults">What goes wrong.</param>
internal sealed class FaultyCloud(LedgerRuntime runtime, ICloudProvider inner, CloudFaults faults) : ICloudProvider
{
    public CloudCapabilities Capabilities => inner.Capabilities;

    public async ValueTask<ICloudConnection> ConnectAsync(
        DeviceId device, IReadOnlyList<FeedCursor> cursors, IReadOnlySet<PageName>? pages,
        CancellationToken cancellationToken) => await PerformAsync<ICloudConnection>(
        "Connecting", repeats: false,
        async () => new Connection(
            runtime, await inner.ConnectAsync(device, cursors, pages, cancellationToken), faults),
        cancellationToken);

    public ValueTask<AppendResult> AppendAsync(
        LedgerName ledger, PageName page, IReadOnlyList<CloudEntry> entries, FeedPosition? expectedEnd,
        CancellationToken cancellationToken) => PerformAsync(
        "Appending", repeats: true,
        () => inner.AppendAsync(ledger, page, entries, expectedEnd, cancellationToken), cancellationToken);

    public async ValueTask PutBlobAsync(
        BlobName name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => await PerformAsync(
        "Putting a blob", repeats: true,
        () => DoAsync(() => inner.PutBlobAsync(name, content, cancellationToken)), cancellationToken);

    public ValueTask<ReadOnlyMemory<byte>?> GetBlobAsync(BlobName name, CancellationToken cancellationToken) =>
        PerformAsync(
            "Getting a blob", repeats: true, () => inner.GetBlobAsync(name, cancellationToken), cancellationToken);

    public ValueTask<IReadOnlyList<bool>> HasBlobsAsync(
        IReadOnlyList<BlobName> names, CancellationToken cancellationToken) => PerformAsync(
        "Asking for blobs", repeats: true, () => inner.HasBlobsAsync(names, cancellationToken), cancellationToken);

    public async ValueTask PutCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<CloudCheckpoint> checkpoints, CancellationToken cancellationToken) =>
        await PerformAsync(
            "Putting checkpoints", repeats: true,
            () => DoAsync(() => inner.PutCheckpointsAsync(ledger, checkpoints, cancellationToken)), cancellationToken);

    public async IAsyncEnumerable<CloudCheckpoint> GetCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<PageName> pages,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await PerformAsync(
            "Getting checkpoints", repeats: false, () => DoAsync(() => ValueTask.CompletedTask), cancellationToken);
        await foreach (var checkpoint in inner.GetCheckpointsAsync(ledger, pages, cancellationToken))
        {
            if (faults.Happens(faults.DisconnectProbability))
            {
                throw NewError("Getting checkpoints", "the connection broke");
            }

            yield return checkpoint;
        }
    }

    public async ValueTask RegisterDeviceAsync(
        LedgerName ledger, DeviceId device, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        await PerformAsync(
            "Registering a device", repeats: true,
            () => DoAsync(() => inner.RegisterDeviceAsync(ledger, device, content, cancellationToken)),
            cancellationToken);

    public ValueTask<IReadOnlyList<CloudDevice>> ListDevicesAsync(
        LedgerName ledger, CancellationToken cancellationToken) => PerformAsync(
        "Listing devices", repeats: true, () => inner.ListDevicesAsync(ledger, cancellationToken), cancellationToken);

    public ValueTask<bool> RemoveDeviceAsync(
        LedgerName ledger, DeviceId device, CancellationToken cancellationToken) => PerformAsync(
        "Removing a device", repeats: false, () => inner.RemoveDeviceAsync(ledger, device, cancellationToken),
        cancellationToken);

    public ValueTask<bool> AcknowledgeAsync(
        LedgerName ledger, DeviceId device, FeedPosition position, CancellationToken cancellationToken) =>
        PerformAsync(
            "Acknowledging", repeats: true, () => inner.AcknowledgeAsync(ledger, device, position, cancellationToken),
            cancellationToken);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static CloudUnavailableException NewError(string what, string why) =>
        new(CloudProblem.Unreachable, $"{what} failed: {why} (simulated).");

    private static async ValueTask<bool> DoAsync(Func<ValueTask> operation)
    {
        await operation();
        return true;
    }

    private async ValueTask<T> PerformAsync<T>(
        string what, bool repeats, Func<ValueTask<T>> operation, CancellationToken cancellationToken)
    {
        await DelayAsync(runtime, faults, cancellationToken);
        if (faults.IsPartitioned || faults.Happens(faults.FailureBeforeProbability))
        {
            throw NewError(what, "it never reached the cloud");
        }

        var result = await operation();
        if (repeats && faults.Happens(faults.RepeatProbability))
        {
            await DelayAsync(runtime, faults, cancellationToken);
            result = await operation();
        }

        await DelayAsync(runtime, faults, cancellationToken);
        if (!faults.IsPartitioned && !faults.Happens(faults.LostAnswerProbability))
        {
            return result;
        }

        if (result is ICloudConnection connection)
        {
            await connection.DisposeAsync();
        }

        throw NewError(what, "the answer was lost");
    }

    private static async ValueTask DelayAsync(
        LedgerRuntime runtime, CloudFaults faults, CancellationToken cancellationToken)
    {
        var delay = faults.NextDelay();
        if (delay > TimeSpan.Zero)
        {
            await runtime.Delay(delay, cancellationToken);
        }
    }

    private sealed class Connection(LedgerRuntime runtime, ICloudConnection inner, CloudFaults faults)
        : ICloudConnection
    {
        // What was taken from the cloud and is given out before anything new.
        private readonly List<CloudEvent> _held = [];
        private bool _isBroken;

        public CloudIncarnation Incarnation => inner.Incarnation;

        public IReadOnlyList<FeedState> Feeds => inner.Feeds;

        public async ValueTask<CloudEvent> ReadAsync(CancellationToken cancellationToken)
        {
            _isBroken |= faults.IsPartitioned || faults.Happens(faults.DisconnectProbability);
            if (_isBroken)
            {
                throw NewError("Reading", "the connection broke");
            }

            await DelayAsync(runtime, faults, cancellationToken);
            if (_held.Count == 0)
            {
                _held.Add(await inner.ReadAsync(cancellationToken));
            }

            var next = _held[0];
            if (next is CloudEvent.Entries { Items.Count: > 1 } several &&
                faults.Happens(faults.ReorderPushProbability))
            {
                next = several with { Items = [.. several.Items.Reverse()] };
            }

            // A duplicate is given out at the next read.
            if (next is not CloudEvent.Entries || !faults.Happens(faults.DuplicatePushProbability))
            {
                _held.RemoveAt(0);
            }

            return next;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
