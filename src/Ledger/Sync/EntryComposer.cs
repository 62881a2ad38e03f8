using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>Composes the next entry of a page, and makes it durable before anybody sends it. In a turn.</summary>
/// <param name="context">The ledger's.</param>
/// <param name="state">The ledger's.</param>
internal sealed class EntryComposer(SyncContext context, SyncState state)
{
    /// <summary>Changes of one batch, about, in bytes; a commit is never split.</summary>
    private const long BatchSizeBytesMax = 1 << 20;

    /// <summary>Commits of one batch.</summary>
    private const int BatchCommitsMax = 1000;

    /// <summary>Composes what the cloud does not have of a page: the catalog's record first, then commits.</summary>
    /// <param name="page">The page.</param>
    /// <param name="isConditional">Append only where the page's part ends as this device knows it.</param>
    /// <param name="cancellationToken">Leaves everything as it was, until the record is handed over.</param>
    /// <returns>Null when the cloud has everything.</returns>
    public async ValueTask<Outgoing?> ComposeAsync(
        PageId page, bool isConditional, CancellationToken cancellationToken)
    {
        var (incarnation, isStored, _) = await context.ReadLifeAsync(page, cancellationToken);
        var row = await context.ReadPageAsync(page, incarnation, cancellationToken);
        if (await context.ReadEndedAsync(page, incarnation, cancellationToken) is not null)
        {
            return await ComposeAsync(
                new CatalogRecord(CatalogKind.Deleted, page, incarnation), cancellationToken);
        }

        if (!isStored)
        {
            return null;
        }

        if (!row.IsAnnounced && page != PageId.Root)
        {
            return await ComposeAsync(
                new CatalogRecord(CatalogKind.Created, page, incarnation), cancellationToken);
        }

        var missing = await ListMissingAsync(page, row, cancellationToken);
        return missing.Count == 0
            ? null
            : await ComposeBatchAsync(page, row, missing, isConditional, cancellationToken);
    }

    /// <summary>Composes a record of the catalog.</summary>
    private ValueTask<Outgoing> ComposeAsync(CatalogRecord record, CancellationToken cancellationToken) => SaveAsync(
        new OutgoingRow(
            NewEntryId(), context.Keys.Catalog, record.Page, record.Incarnation, state.Self.Next, null, 0),
        EntryKind.Catalog, record.Encode(), [], cancellationToken);

    /// <summary>The commits of a page that the cloud does not have, parents first.</summary>
    public async ValueTask<List<Commit>> ListMissingAsync(
        PageId page, SyncPageRow row, CancellationToken cancellationToken)
    {
        var heads = await context.ReadHeadsAsync(page, row.Incarnation, cancellationToken);
        var uploaded = new List<Commit>();
        foreach (var id in row.Uploaded)
        {
            uploaded.Add(await context.Services.Graph.ReadAsync(id, cancellationToken));
        }

        return heads.TrueForAll(head => row.Uploaded.Contains(head.Id))
            ? []
            : await Unsynced.ListAsync(context.Services.Graph, heads, uploaded, cancellationToken);
    }

    private async ValueTask<Outgoing> ComposeBatchAsync(
        PageId page, SyncPageRow row, List<Commit> missing, bool isConditional, CancellationToken cancellationToken)
    {
        var source = new CommitChanges(context, page);
        var writer = new BatchWriter(row.Incarnation, state.Self.Device);
        var values = new Dictionary<ObjectId, EntryValue>();
        var sizeBytes = 0L;
        var count = 0;
        foreach (var commit in missing)
        {
            var start = await source.ChooseBaseAsync(commit, row.Uploaded, cancellationToken);
            writer.BeginCommit(commit, start);
            await foreach (var change in source.ReadAsync(commit, start, cancellationToken))
            {
                writer.Add(change);
                sizeBytes += CommitChanges.SizeOf(change);
                if (change.Value is { IsInline: false } value)
                {
                    values[value.Id] = value;
                }
            }

            writer.EndCommit();
            if (++count >= BatchCommitsMax || sizeBytes >= BatchSizeBytesMax)
            {
                break;
            }
        }

        var id = NewEntryId();
        var blobs = new List<OutgoingBlob>();
        await new ValueObjects(context).ListAsync(values.Values, blobs, cancellationToken);
        var pieces = writer.Finish();
        var outgoing = new OutgoingRow(
            id, context.Keys.NameOf(page), page, row.Incarnation, state.Self.Next, isConditional ? row.End : null, 0);
        if (pieces.Count == 1)
        {
            return await SaveAsync(outgoing, EntryKind.Batch, pieces[0], blobs, cancellationToken);
        }

        for (var index = 0; index < pieces.Count; index++)
        {
            var name = context.Keys.NameOf(id, index);
            blobs.Add(new OutgoingBlob(name, BlobSeal.Seal(context.Keys, name, pieces[index]), default, default));
        }

        return await SaveAsync(
            outgoing, EntryKind.Pieces, EntryOpener.WritePieceCount(pieces.Count), blobs, cancellationToken);
    }

    private async ValueTask<Outgoing> SaveAsync(
        OutgoingRow row, EntryKind kind, ReadOnlyMemory<byte> content, IReadOnlyList<OutgoingBlob> blobs,
        CancellationToken cancellationToken)
    {
        var self = state.Self;
        var header = new EntryHeader(kind, row.PageName, row.Id, self.Device, self.Next, self.Previous);
        var sealedEntry = EntrySeal.Seal(
            context.Keys, context.Runtime.Random, header, content.Span, context.Services.Bugs);
        row = row with
        {
            Parts = (sealedEntry.Length + OutgoingRow.PartSizeBytes - 1) / OutgoingRow.PartSizeBytes,
        };
        if (!context.Has(PlantedBugs.SyncAppendBeforeDurable))
        {
            await using var lease = context.Store.BeginWrite();
            lease.SetRow(SyncRowKeys.Outgoing, row.Encode());
            for (var index = 0; index < row.Parts; index++)
            {
                var start = index * OutgoingRow.PartSizeBytes;
                var length = Math.Min(OutgoingRow.PartSizeBytes, sealedEntry.Length - start);
                lease.SetRow(SyncRowKeys.OutgoingPart(index), sealedEntry.AsMemory(start, length));
            }

            // Flushed: with it everything that the entry speaks of is on the disk before it leaves the process.
            await lease.CommitAsync(Durability.Flushed, cancellationToken);
        }

        state.Outgoing = new Outgoing(row, self.Device, sealedEntry) { Blobs = blobs };
        return state.Outgoing;
    }

    private EntryId NewEntryId()
    {
        Span<byte> bytes = stackalloc byte[EntryId.SizeBytes];
        context.Runtime.Random.Fill(bytes);
        return EntryId.Read(bytes);
    }
}
