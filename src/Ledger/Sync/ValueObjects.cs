using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>The objects that values consist of: which are here, and where the others come from.</summary>
/// <param name="context">The ledger's.</param>
internal sealed class ValueObjects(SyncContext context)
{
    /// <summary>Adds the objects of values, those that are here; others are in the cloud already.</summary>
    public async ValueTask ListAsync(
        IEnumerable<EntryValue> values, List<OutgoingBlob> blobs, CancellationToken cancellationToken)
    {
        foreach (var value in values)
        {
            var isSingle = value.SizeBytes <= ValueFormat.SingleSizeBytesMax;
            await ListAsync(
                isSingle ? ObjectKind.Value : ObjectKind.ValueIndex, value.Id, blobs, cancellationToken);
        }
    }

    /// <summary>Brings what is missing of a value from the cloud into a lease.</summary>
    /// <param name="value">Not inline.</param>
    /// <param name="lease">Takes the objects.</param>
    /// <param name="cancellationToken">Leaves the lease with part of them.</param>
    /// <exception cref="MissingObjectException">The cloud does not have an object.</exception>
    /// <exception cref="CorruptObjectException">What the cloud has is not the object.</exception>
    /// <exception cref="CloudUnavailableException">The cloud cannot be reached.</exception>
    public ValueTask FetchAsync(EntryValue value, IObjectWriter lease, CancellationToken cancellationToken) =>
        FetchAsync(
            value.SizeBytes <= ValueFormat.SingleSizeBytesMax ? ObjectKind.Value : ObjectKind.ValueIndex, value.Id,
            lease, cancellationToken);

    /// <summary>Brings what is missing of a part of a value from the cloud into a lease.</summary>
    /// <inheritdoc cref="FetchAsync(EntryValue, IObjectWriter, CancellationToken)"/>
    public async ValueTask FetchAsync(
        EntryValue value, long offset, long length, IObjectWriter lease, CancellationToken cancellationToken)
    {
        if (value.SizeBytes <= ValueFormat.SingleSizeBytesMax)
        {
            await FetchAsync(value, lease, cancellationToken);
            return;
        }

        var waiting = new Stack<(ObjectId Id, long Start)>([(value.Id, 0L)]);
        while (waiting.TryPop(out var next))
        {
            await FetchOneAsync(ObjectKind.ValueIndex, next.Id, lease, cancellationToken);
            var content = await ReadAsync(ObjectKind.ValueIndex, next.Id, lease, cancellationToken);
            var index = ValueIndex.Decode(content.Span, next.Id);
            for (var child = 0; child < index.Count; child++)
            {
                var start = next.Start + index.StartOf(child);
                if (start >= offset + length || start + index.SizeBytesOf(child) <= offset)
                {
                    continue;
                }

                if (index.Level == 1)
                {
                    await FetchOneAsync(ObjectKind.Value, index.IdOf(child), lease, cancellationToken);
                }
                else
                {
                    waiting.Push((index.IdOf(child), start));
                }
            }
        }
    }

    private async ValueTask ListAsync(
        ObjectKind kind, ObjectId id, List<OutgoingBlob> blobs, CancellationToken cancellationToken)
    {
        var content = await context.Store.ReadAsync(kind, id, cancellationToken);
        if (content is not { } found)
        {
            return;
        }

        if (kind == ObjectKind.ValueIndex)
        {
            var index = ValueIndex.Decode(found.Span, id);
            for (var child = 0; child < index.Count; child++)
            {
                await ListAsync(ChildKind(index), index.IdOf(child), blobs, cancellationToken);
            }
        }

        blobs.Add(new OutgoingBlob(context.Keys.NameOf(kind, id), null, kind, id));
    }

    private async ValueTask FetchAsync(
        ObjectKind kind, ObjectId id, IObjectWriter lease, CancellationToken cancellationToken)
    {
        await FetchOneAsync(kind, id, lease, cancellationToken);
        if (kind == ObjectKind.ValueIndex)
        {
            var index = ValueIndex.Decode((await ReadAsync(kind, id, lease, cancellationToken)).Span, id);
            for (var child = 0; child < index.Count; child++)
            {
                await FetchAsync(ChildKind(index), index.IdOf(child), lease, cancellationToken);
            }
        }
    }

    private async ValueTask FetchOneAsync(
        ObjectKind kind, ObjectId id, IObjectWriter lease, CancellationToken cancellationToken)
    {
        if (!await lease.ContainsAsync(id, cancellationToken))
        {
            var content = await DownloadAsync(kind, id, cancellationToken);
            await lease.PutAsync(kind, id, content, cancellationToken);
        }
    }

    private async ValueTask<byte[]> DownloadAsync(ObjectKind kind, ObjectId id, CancellationToken cancellationToken)
    {
        var name = context.Keys.NameOf(kind, id);
        var blob = await context.Cloud.GetBlobAsync(name, cancellationToken) ?? throw new MissingObjectException(id);
        var content = BlobSeal.Open(context.Keys, name, blob.Span);
        var actual = ObjectId.Of(kind, content);
        return actual == id ? content : throw new CorruptObjectException(id, actual);
    }

    private ValueTask<ReadOnlyMemory<byte>> ReadAsync(
        ObjectKind kind, ObjectId id, IObjectWriter lease, CancellationToken cancellationToken) =>
        new Commits.ObjectSource(context.Store, lease).ReadAsync(kind, id, cancellationToken);

    private static ObjectKind ChildKind(ValueIndex index) =>
        index.Level == 1 ? ObjectKind.Value : ObjectKind.ValueIndex;
}
