using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>How far a ledger and its cloud know each other: what the rows of the whole ledger say, in memory.</summary>
/// <remarks>
/// Read and changed in turns of <see cref="SyncContext.Turns"/>; changed after the record is written.
/// </remarks>
/// <param name="services">The ledger's.</param>
internal sealed class SyncState(LedgerServices services)
{
    private readonly Dictionary<DeviceId, ChainRow> _chains = [];
    private SelfRow? _self;
    private bool _hasToSendValues;

    /// <summary>How far the feed was taken in; null for nothing.</summary>
    public FeedAnchor? Anchor { get; set; }

    /// <summary>Entries of this device that came back as nobody can open them, since the engine was started.</summary>
    public long Garbled { get; set; }

    /// <summary>How often the cloud was forgotten, since the engine was started.</summary>
    public long Repairs { get; private set; }

    /// <summary>The cloud may lack values of commits that it has, and that are here.</summary>
    public bool HasToSendValues
    {
        get => Volatile.Read(ref _hasToSendValues);
        set => Volatile.Write(ref _hasToSendValues, value);
    }

    /// <summary>The entry whose fate is not known, or null.</summary>
    public Outgoing? Outgoing { get; set; }

    /// <summary>Who this device is in the feed.</summary>
    public SelfRow Self
    {
        get => _self ?? throw new InvariantException("The state of synchronisation was not read.");
        set => _self = value;
    }

    /// <summary>What was seen of the entries of each device.</summary>
    public IReadOnlyDictionary<DeviceId, ChainRow> Chains => _chains;

    /// <summary>Reads the rows.</summary>
    /// <exception cref="CorruptObjectException">A row is damaged.</exception>
    public async Task LoadAsync(CancellationToken cancellationToken)
    {
        var store = services.Store;
        Anchor = await store.ReadRowAsync(SyncRowKeys.Anchor, cancellationToken) is { } anchor
            ? DecodeAnchor(anchor.Span)
            : null;
        Self = await store.ReadRowAsync(SyncRowKeys.Self, cancellationToken) is { } self
            ? SelfRow.Decode(self.Span)
            : new SelfRow(services.Device, 0, 0);
        services.Device = Self.Device;
        _chains.Clear();
        await foreach (var (key, value) in store.ScanRowsAsync(SyncRowKeys.Chains, cancellationToken))
        {
            _chains.Add(SyncRowKeys.ReadDevice(key.Span), ChainRow.Decode(value.Span));
        }

        HasToSendValues = await store.ReadRowAsync(SyncRowKeys.Values, cancellationToken) is not null;
        Outgoing = await store.ReadRowAsync(SyncRowKeys.Outgoing, cancellationToken) is { } outgoing
            ? await ReadOutgoingAsync(OutgoingRow.Decode(outgoing.Span), cancellationToken)
            : null;
    }

    /// <summary>Takes another name: somebody else writes under the present one. In a turn; durable.</summary>
    public async Task TakeNewNameAsync(CancellationToken cancellationToken)
    {
        await using var lease = services.Store.BeginWrite();
        var self = SetNewName(lease);
        await lease.CommitAsync(Durability.Flushed, cancellationToken);
        SetRenamed(self);
    }

    /// <summary>A record has another name for this device.</summary>
    public void SetRenamed(SelfRow self)
    {
        (Self, Outgoing) = (self, null);
        services.Device = self.Device;
    }

    /// <summary>Forgets what was known of the cloud: all of it is taken in anew, and what it lacks is sent.</summary>
    /// <remarks>
    /// In a turn; durable. Local data stays; ids make harmless what comes again, as does what waits for others.
    /// </remarks>
    public async Task ForgetCloudAsync(CancellationToken cancellationToken)
    {
        await using var lease = services.Store.BeginWrite();
        var self = SetNewName(lease);
        lease.DeleteRow(SyncRowKeys.Anchor);
        lease.SetRow(SyncRowKeys.Values, Ledger.Pages.Rows.RowFormat.Begin().ToArray());
        foreach (var prefix in new[] { SyncRowKeys.Chains, SyncRowKeys.Quarantine, SyncRowKeys.Waiting })
        {
            await foreach (var (key, _) in services.Store.ScanRowsAsync(prefix, cancellationToken))
            {
                lease.DeleteRow(key);
            }
        }

        await foreach (var (key, value) in services.Store.ScanRowsAsync(SyncRowKeys.Pages, cancellationToken))
        {
            var row = SyncPageRow.Decode(value.Span);
            var page = await PageLoader.ReadPageRowAsync(
                services.Store, SyncRowKeys.ReadPage(key.Span), cancellationToken);

            // Of a life that has ended here the cloud is still to be told.
            var isEnded = row.IsInCloud && page?.Incarnation > row.Incarnation;
            var next = page is { IsDeleted: true } deleted
                ? SyncPageRow.New(deleted.Incarnation - 1) with { IsAnnounced = true }
                : SyncPageRow.New(row.Incarnation) with { IsAnnounced = isEnded, Pending = row.Pending };
            lease.SetRow(key, next.Encode());
        }

        await lease.CommitAsync(Durability.Flushed, cancellationToken);
        (Self, Anchor, Outgoing) = (self, null, null);
        _chains.Clear();
        services.Device = self.Device;
        Repairs++;
        HasToSendValues = true;
    }

    /// <summary>Puts another name for this device into a record, and that no entry is on its way.</summary>
    public SelfRow SetNewName(IObjectWriter lease)
    {
        Span<byte> device = stackalloc byte[DeviceId.SizeBytes];
        services.Runtime.Random.Fill(device);
        var self = new SelfRow(DeviceId.Read(device), 0, 0);
        lease.SetRow(SyncRowKeys.Self, self.Encode());
        if (Outgoing is { } outgoing)
        {
            EntrySender.DeleteRows(lease, outgoing);
        }

        return self;
    }

    /// <summary>The bytes of an anchor's row.</summary>
    public static byte[] Encode(FeedAnchor anchor)
    {
        var writer = Ledger.Pages.Rows.RowFormat.Begin();
        anchor.Write(writer);
        return writer.ToArray();
    }

    /// <summary>A record has these chains now.</summary>
    public void SetChains(IReadOnlyDictionary<DeviceId, ChainRow> changed)
    {
        foreach (var (device, chain) in changed)
        {
            _chains[device] = chain;
        }
    }

    private static FeedAnchor DecodeAnchor(ReadOnlySpan<byte> content)
    {
        var reader = Ledger.Pages.Rows.RowFormat.Open(content, "the anchor row");
        var anchor = FeedAnchor.Read(ref reader);
        reader.ExpectEnd();
        return anchor;
    }

    private async ValueTask<Outgoing> ReadOutgoingAsync(OutgoingRow row, CancellationToken cancellationToken)
    {
        var content = new ByteWriter();
        for (var index = 0; index < row.Parts; index++)
        {
            var part = await services.Store.ReadRowAsync(SyncRowKeys.OutgoingPart(index), cancellationToken)
                ?? throw new CorruptObjectException($"part {index} of the entry {row.Id} on its way is missing");
            content.WriteBytes(part.Span);
        }

        return new Outgoing(row, Self.Device, content.ToArray());
    }
}

/// <summary>An entry that was composed, durable, and is sent unchanged until its fate is known.</summary>
/// <param name="Row">What is stored of it.</param>
/// <param name="Device">Who made it.</param>
/// <param name="Content">The sealed bytes.</param>
internal sealed record Outgoing(OutgoingRow Row, DeviceId Device, ReadOnlyMemory<byte> Content)
{
    /// <summary>As the cloud takes it.</summary>
    public CloudEntry Entry => new(Row.Id, Device, Row.Sequence, Content);

    /// <summary>What its next entry says of it.</summary>
    public UInt128 Hash => EntrySeal.HashOf(Content.Span);

    /// <summary>The blobs that must be in the cloud first; null when they were not found out since a restart.</summary>
    public IReadOnlyList<OutgoingBlob>? Blobs { get; init; }
}

/// <summary>A blob that an entry names.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Piece">Its sealed bytes; null for an object of the store.</param>
/// <param name="Kind">Kind of the object.</param>
/// <param name="Object">The object.</param>
internal readonly record struct OutgoingBlob(
    BlobName Name, ReadOnlyMemory<byte>? Piece, ObjectKind Kind, ObjectId Object);
