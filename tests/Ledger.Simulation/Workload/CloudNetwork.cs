using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Simulation.Worlds;
using Ledger.Sync;

namespace Ledger.Simulation.Workload;

/// <summary>The cloud of a run, and the network before it: loses, doubles and delays, and is cut at times.</summary>
/// <remarks>
/// What a device asks for is done in the cloud's own life, and the answer travels back; so a device that dies leaves
/// nothing half done in the cloud.
/// </remarks>
internal sealed class CloudNetwork
{
    private readonly Run _run;

    public CloudNetwork(Run run)
    {
        _run = run;
        Random = new Random(run.Random.Next());
        var runtime = new LedgerRuntime(
            run.Supervisor, new LifeClock(run.World, run.Supervisor, static () => TimeSpan.Zero), run.Supervisor,
            new MemoryFileSystem(), new MemoryNetwork());
        Cloud = new MemoryCloud(runtime);
    }

    public MemoryCloud Cloud { get; }

    public Random Random { get; }

    /// <summary>Operations that reached the cloud and could change it.</summary>
    public long Changes { get; set; }

    public CloudTrouble Trouble { get; set; } = CloudTrouble.None;

    /// <summary>Runs something in the cloud and brings its answer back, or does not.</summary>
    public void Send<T>(CloudLink link, bool repeats, Func<ValueTask<T>> work, TaskCompletionSource<T> answer)
    {
        var trouble = Trouble;
        if (link.IsCut || Happens(trouble.Lost))
        {
            FailLater(link, answer, "the request was lost");
            return;
        }

        var isRepeated = repeats && Happens(trouble.Repeated);
        After(_run.Supervisor, Delay(), () => _ = ServeAsync(link, work, answer));
        if (isRepeated)
        {
            var again = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
            After(_run.Supervisor, Delay(), () => _ = ServeAsync(link, work, again));
        }
    }

    public bool Happens(double probability) => probability > 0 && Random.NextDouble() < probability;

    private async Task ServeAsync<T>(CloudLink link, Func<ValueTask<T>> work, TaskCompletionSource<T> answer)
    {
        T result;
        try
        {
            result = await work();
        }
        catch (Exception problem) when (
            problem is LedgerException or OperationCanceledException or ArgumentException or ObjectDisposedException)
        {
            After(link.Life, Delay(), () => answer.TrySetException(problem));
            return;
        }
        catch (ViolationException violation)
        {
            _run.Fail(violation);
            return;
        }

        if (link.IsCut || Happens(Trouble.AnswersLost))
        {
            FailLater(link, answer, "the answer was lost");
            return;
        }

        After(link.Life, Delay(), () => answer.TrySetResult(result));
    }

    private void FailLater<T>(CloudLink link, TaskCompletionSource<T> answer, string why)
    {
        var patience = TimeSpan.FromMilliseconds(Random.Next(1, 20_000));
        After(link.Life, patience, () => answer.TrySetException(
            new CloudUnavailableException(CloudProblem.Unreachable, $"The cloud did not answer: {why}.")));
    }

    private void After(Life life, TimeSpan delay, Action action) =>
        _run.World.PostAfter(delay, new Work(life, null, null, action, null));

    private TimeSpan Delay() => Random.Next(2) == 0
        ? TimeSpan.Zero
        : TimeSpan.FromTicks(Random.NextInt64(Trouble.DelayMax.Ticks + 1));
}

/// <summary>What goes wrong between the devices and the cloud.</summary>
/// <param name="Lost">How likely a request is lost.</param>
/// <param name="AnswersLost">How likely it is done, and its answer is lost.</param>
/// <param name="Repeated">How likely it is done twice.</param>
/// <param name="Broken">How likely a connection breaks at a read.</param>
/// <param name="Doubled">How likely a push comes again.</param>
/// <param name="Reordered">How likely the entries of a push are turned round.</param>
/// <param name="Cut">How likely a call is the last for a while.</param>
/// <param name="DelayMax">The longest way, half have none.</param>
internal sealed record CloudTrouble(
    double Lost, double AnswersLost, double Repeated, double Broken, double Doubled, double Reordered, double Cut,
    TimeSpan DelayMax)
{
    public static CloudTrouble None { get; } = new(0, 0, 0, 0, 0, 0, 0, TimeSpan.FromMilliseconds(50));

    public static CloudTrouble Some { get; } =
        new(0.01, 0.02, 0.02, 0.02, 0.02, 0.05, 0.005, TimeSpan.FromMilliseconds(500));

    public static CloudTrouble Much { get; } =
        new(0.1, 0.1, 0.1, 0.1, 0.2, 0.2, 0.02, TimeSpan.FromSeconds(5));

    public override string ToString() => this == None ? "well" : this == Some ? "with trouble" : "with much trouble";
}

/// <summary>The cloud as one life of a device reaches it.</summary>
/// <param name="run">The run.</param>
/// <param name="life">Whose it is.</param>
internal sealed class CloudLink(Run run, Life life) : ICloudProvider
{
    private readonly CloudNetwork _network = run.Network;
    private readonly CancellationTokenSource _end = new();
    private TimeSpan _cutUntil;

    public Life Life => life;

    /// <summary>True while nothing comes through.</summary>
    public bool IsCut => run.World.Elapsed < _cutUntil && !run.IsHealing;

    public CloudCapabilities Capabilities => _network.Cloud.Capabilities;

    private MemoryCloud Cloud => _network.Cloud;

    /// <summary>The device died: whatever waits in the cloud for it ends.</summary>
    public void Close() => _end.Cancel();

    public async ValueTask<ICloudConnection> ConnectAsync(
        DeviceId device, IReadOnlyList<FeedCursor> cursors, IReadOnlySet<PageName>? pages,
        CancellationToken cancellationToken)
    {
        var inner = await CallAsync(
            repeats: false, () => Cloud.ConnectAsync(device, [.. cursors], pages, _end.Token), cancellationToken);
        return new Connection(this, inner);
    }

    public ValueTask<AppendResult> AppendAsync(
        LedgerName ledger, PageName page, IReadOnlyList<CloudEntry> entries, FeedPosition? expectedEnd,
        CancellationToken cancellationToken)
    {
        // Its own bytes: what the device does with its buffers afterwards is nothing to the cloud.
        CloudEntry[] sent = [.. entries.Select(entry => entry with { Content = entry.Content.ToArray() })];
        return CallAsync(
            repeats: true,
            async () =>
            {
                _network.Changes++;
                run.Sealed.Add(sent);
                var result = await Cloud.AppendAsync(ledger, page, sent, expectedEnd, _end.Token);
                run.Sealed.Accept(sent);
                return result;
            },
            cancellationToken);
    }

    public async ValueTask PutBlobAsync(
        BlobName name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
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

    private async ValueTask<T> CallAsync<T>(
        bool repeats, Func<ValueTask<T>> work, CancellationToken cancellationToken)
    {
        life.Call(30);
        cancellationToken.ThrowIfCancellationRequested();
        if (!IsCut && _network.Happens(_network.Trouble.Cut))
        {
            _cutUntil = run.World.Elapsed + TimeSpan.FromSeconds(Math.Pow(10, _network.Random.NextDouble() * 3.5));
        }

        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = cancellationToken.UnsafeRegister(_ => answer.TrySetCanceled(cancellationToken), null);
        _network.Send(this, repeats, work, answer);
        return await answer.Task;
    }

    /// <summary>A connection, whose pushes come twice or turned round at times.</summary>
    private sealed class Connection(CloudLink link, ICloudConnection inner) : ICloudConnection
    {
        private readonly List<CloudEvent> _held = [];
        private bool _isBroken;

        public CloudIncarnation Incarnation => inner.Incarnation;

        public IReadOnlyList<FeedState> Feeds => inner.Feeds;

        public async ValueTask<CloudEvent> ReadAsync(CancellationToken cancellationToken)
        {
            var (network, trouble) = (link._network, link._network.Trouble);
            _isBroken |= link.IsCut || network.Happens(trouble.Broken);
            if (_isBroken)
            {
                throw new CloudUnavailableException(CloudProblem.Unreachable, "The connection to the cloud broke.");
            }

            if (_held.Count == 0)
            {
                _held.Add(await ReadNextAsync(cancellationToken));
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
