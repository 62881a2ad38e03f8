using Ledger.Commits;
using Ledger.Sync;

namespace Ledger.Conformance;

/// <summary>A cloud that does with its entries and blobs what it likes, and counts what passes.</summary>
/// <remarks>The cloud behind it stays as it is: two devices may be told different things.</remarks>
/// <param name="inner">Does the work; owned by whoever made it.</param>
internal sealed class TamperingCloud(ICloudProvider inner) : ICloudProvider
{
    /// <summary>What a reader gets instead of an entry; null for all as they are.</summary>
    public Func<FeedEntry, IEnumerable<FeedEntry>>? Tamper { get; set; }

    /// <summary>What a reader gets instead of a blob; null for all as they are.</summary>
    public Func<BlobName, ReadOnlyMemory<byte>?, ReadOnlyMemory<byte>?>? TamperBlob { get; set; }

    /// <summary>Called before each append with the entries; what it throws comes out of the call.</summary>
    public Action<IReadOnlyList<CloudEntry>>? Appending { get; set; }

    /// <summary>Called after each append that was done; what it throws comes out of the call.</summary>
    public Action<IReadOnlyList<CloudEntry>>? Appended { get; set; }

    /// <summary>Called before each blob is put; what it throws comes out of the call.</summary>
    public Action<BlobName>? Putting { get; set; }

    /// <summary>Awaited before a blob is read.</summary>
    public Func<BlobName, Task>? Getting { get; set; }

    /// <summary>Calls that wait for an answer: all that there are.</summary>
    public int RoundTrips { get; private set; }

    /// <summary>Bytes that a device has sent: names, positions, ids and contents.</summary>
    public long SentBytes { get; private set; }

    /// <summary>Bytes that a device was given, in answers and through connections.</summary>
    public long ReceivedBytes { get; private set; }

    /// <summary>
    /// Everything that was sent, names and ids too, for those who look for what should not be there.
    /// </summary>
    public List<ReadOnlyMemory<byte>> Sent { get; } = [];

    public CloudCapabilities Capabilities => inner.Capabilities;

    /// <summary>Begins to count anew.</summary>
    public void ResetCounts() => (RoundTrips, SentBytes, ReceivedBytes) = (0, 0, 0);

    public async ValueTask<ICloudConnection> ConnectAsync(
        DeviceId device, IReadOnlyList<FeedCursor> cursors, IReadOnlySet<PageName>? pages,
        CancellationToken cancellationToken)
    {
        Count(DeviceId.SizeBytes + (cursors.Count * (LedgerName.SizeBytes + sizeof(long))));
        ReceivedBytes += CloudIncarnation.SizeBytes +
            (cursors.Count * (LedgerName.SizeBytes + EntryId.SizeBytes + sizeof(long) + sizeof(long)));
        NoteSent(DeviceId.SizeBytes, device.CopyTo);
        foreach (var cursor in cursors)
        {
            NoteSent(LedgerName.SizeBytes, cursor.Ledger.CopyTo);
        }

        foreach (var page in pages ?? new HashSet<PageName>())
        {
            SentBytes += PageName.SizeBytes;
            NoteSent(PageName.SizeBytes, page.CopyTo);
        }

        return new Connection(this, await inner.ConnectAsync(device, cursors, pages, cancellationToken));
    }

    public async ValueTask<AppendResult> AppendAsync(
        LedgerName ledger, PageName page, IReadOnlyList<CloudEntry> entries, FeedPosition? expectedEnd,
        CancellationToken cancellationToken)
    {
        Count(LedgerName.SizeBytes + PageName.SizeBytes + sizeof(long));
        NoteSent(LedgerName.SizeBytes, ledger.CopyTo);
        NoteSent(PageName.SizeBytes, page.CopyTo);
        foreach (var entry in entries)
        {
            SentBytes += EntryId.SizeBytes + DeviceId.SizeBytes + sizeof(long) + entry.Content.Length;
            NoteSent(EntryId.SizeBytes, entry.Id.CopyTo);
            NoteSent(DeviceId.SizeBytes, entry.Device.CopyTo);
            Sent.Add(entry.Content);
        }

        Appending?.Invoke(entries);
        var result = await inner.AppendAsync(ledger, page, entries, expectedEnd, cancellationToken);
        Appended?.Invoke(entries);
        return result;
    }

    public ValueTask PutBlobAsync(BlobName name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        Putting?.Invoke(name);
        Count(BlobName.SizeBytes + content.Length);
        NoteSent(BlobName.SizeBytes, name.CopyTo);
        Sent.Add(content);
        return inner.PutBlobAsync(name, content, cancellationToken);
    }

    public async ValueTask<ReadOnlyMemory<byte>?> GetBlobAsync(BlobName name, CancellationToken cancellationToken)
    {
        if (Getting is { } gettingAsync)
        {
            await gettingAsync(name);
        }

        Count(BlobName.SizeBytes);
        NoteSent(BlobName.SizeBytes, name.CopyTo);
        var found = await inner.GetBlobAsync(name, cancellationToken);
        ReceivedBytes += found?.Length ?? 0;
        return TamperBlob is { } tamper ? tamper(name, found) : found;
    }

    public ValueTask<IReadOnlyList<bool>> HasBlobsAsync(
        IReadOnlyList<BlobName> names, CancellationToken cancellationToken)
    {
        Count(names.Count * BlobName.SizeBytes);
        foreach (var name in names)
        {
            NoteSent(BlobName.SizeBytes, name.CopyTo);
        }

        return inner.HasBlobsAsync(names, cancellationToken);
    }

    public ValueTask PutCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<CloudCheckpoint> checkpoints, CancellationToken cancellationToken)
    {
        Count(LedgerName.SizeBytes);
        NoteSent(LedgerName.SizeBytes, ledger.CopyTo);
        foreach (var checkpoint in checkpoints)
        {
            SentBytes += PageName.SizeBytes + sizeof(long) + checkpoint.Content.Length;
            NoteSent(PageName.SizeBytes, checkpoint.Page.CopyTo);
            Sent.Add(checkpoint.Content);
        }

        return inner.PutCheckpointsAsync(ledger, checkpoints, cancellationToken);
    }

    public IAsyncEnumerable<CloudCheckpoint> GetCheckpointsAsync(
        LedgerName ledger, IReadOnlyList<PageName> pages, CancellationToken cancellationToken)
    {
        Count(LedgerName.SizeBytes + (pages.Count * PageName.SizeBytes));
        NoteSent(LedgerName.SizeBytes, ledger.CopyTo);
        foreach (var page in pages)
        {
            NoteSent(PageName.SizeBytes, page.CopyTo);
        }

        return inner.GetCheckpointsAsync(ledger, pages, cancellationToken);
    }

    public ValueTask RegisterDeviceAsync(
        LedgerName ledger, DeviceId device, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        CountDevice(ledger, device, content.Length);
        Sent.Add(content);
        return inner.RegisterDeviceAsync(ledger, device, content, cancellationToken);
    }

    public ValueTask<IReadOnlyList<CloudDevice>> ListDevicesAsync(
        LedgerName ledger, CancellationToken cancellationToken)
    {
        Count(LedgerName.SizeBytes);
        NoteSent(LedgerName.SizeBytes, ledger.CopyTo);
        return inner.ListDevicesAsync(ledger, cancellationToken);
    }

    public ValueTask<bool> RemoveDeviceAsync(
        LedgerName ledger, DeviceId device, CancellationToken cancellationToken)
    {
        CountDevice(ledger, device, 0);
        return inner.RemoveDeviceAsync(ledger, device, cancellationToken);
    }

    public ValueTask<bool> AcknowledgeAsync(
        LedgerName ledger, DeviceId device, FeedPosition position, CancellationToken cancellationToken)
    {
        CountDevice(ledger, device, sizeof(long));
        return inner.AcknowledgeAsync(ledger, device, position, cancellationToken);
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private void Count(long sentBytes)
    {
        RoundTrips++;
        SentBytes += sentBytes;
    }

    private void CountDevice(LedgerName ledger, DeviceId device, int sizeBytes)
    {
        Count(LedgerName.SizeBytes + DeviceId.SizeBytes + sizeBytes);
        NoteSent(LedgerName.SizeBytes, ledger.CopyTo);
        NoteSent(DeviceId.SizeBytes, device.CopyTo);
    }

    private void NoteSent(int sizeBytes, Action<Span<byte>> copyTo)
    {
        var bytes = new byte[sizeBytes];
        copyTo(bytes);
        Sent.Add(bytes);
    }

    private sealed class Connection(TamperingCloud cloud, ICloudConnection inner) : ICloudConnection
    {
        public CloudIncarnation Incarnation => inner.Incarnation;

        public IReadOnlyList<FeedState> Feeds => inner.Feeds;

        public async ValueTask<CloudEvent> ReadAsync(CancellationToken cancellationToken)
        {
            while (true)
            {
                var next = await inner.ReadAsync(cancellationToken);
                if (next is not CloudEvent.Entries entries)
                {
                    return next;
                }

                cloud.ReceivedBytes += entries.Items.Sum(item =>
                    PageName.SizeBytes + EntryId.SizeBytes + DeviceId.SizeBytes + 16L + item.Entry.Content.Length);
                FeedEntry[] items = cloud.Tamper is { } tamper
                    ? [.. entries.Items.SelectMany(tamper)]
                    : [.. entries.Items];
                if (items.Length > 0)
                {
                    return entries with { Items = items };
                }
            }
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
