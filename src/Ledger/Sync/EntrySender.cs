using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>Sends the entry that is on its way, unchanged, until its fate is known: blobs first.</summary>
/// <param name="context">The ledger's.</param>
/// <param name="state">The ledger's.</param>
internal sealed class EntrySender(SyncContext context, SyncState state)
{
    private const int NamesMax = 500;

    /// <summary>Puts the blobs and appends the entry.</summary>
    /// <remarks>
    /// That it is in the feed is noted when it comes back through the feed, together with the anchor behind it: so what
    /// counts as uploaded is never more than what the anchor vouches for, also when the cloud is rolled back.
    /// </remarks>
    /// <param name="outgoing">The entry.</param>
    /// <param name="isKnown">
    /// Asked before each call: whether this is still the cloud that was looked at. One that lost what was taken in must
    /// not be sent anything before the user has decided.
    /// </param>
    /// <param name="cancellationToken">Leaves its fate unknown.</param>
    /// <returns>Null when the cloud has it; otherwise it was dropped: the page's part of the feed ends here.</returns>
    /// <exception cref="CloudUnavailableException">Its fate is not known, or nothing was done.</exception>
    public async ValueTask<FeedPosition?> SendAsync(
        Outgoing outgoing, Func<bool> isKnown, CancellationToken cancellationToken)
    {
        var blobs = outgoing.Blobs ?? await FindBlobsAsync(outgoing, cancellationToken);
        if (blobs is null)
        {
            // Pieces are put before the entry: without them it was never appended.
            await DropAsync(outgoing, cancellationToken);
            return FeedPosition.Start;
        }

        var isLate = context.Has(PlantedBugs.SyncEntryBeforeBlobs);
        if (!isLate)
        {
            await PutBlobsAsync(NameOf(outgoing), blobs, isKnown, cancellationToken);
        }

        try
        {
            ThrowUnless(isKnown, NameOf(outgoing));
            await context.Cloud.AppendAsync(
                context.Keys.Ledger, outgoing.Row.PageName, [outgoing.Entry], outgoing.Row.ExpectedEnd,
                cancellationToken);
            if (isLate)
            {
                await PutBlobsAsync(NameOf(outgoing), blobs, isKnown, cancellationToken);
            }

            return null;
        }
        catch (FeedMovedException moved)
        {
            await DropAsync(outgoing, cancellationToken);
            return moved.ActualEnd;
        }
        catch (CloudUnavailableException) when (context.Has(PlantedBugs.SyncRecomposeAfterLostAnswer))
        {
            await DropAsync(outgoing, cancellationToken);
            throw;
        }
    }

    /// <summary>Puts into a record that an entry is in the feed.</summary>
    /// <returns>What this device says next.</returns>
    public static SelfRow SetDone(IObjectWriter lease, SelfRow self, Outgoing outgoing)
    {
        var next = self with { Next = outgoing.Row.Sequence + 1, Previous = outgoing.Hash };
        lease.SetRow(SyncRowKeys.Self, next.Encode());
        DeleteRows(lease, outgoing);
        return next;
    }

    /// <summary>Puts into a record that there is no entry on its way.</summary>
    public static void DeleteRows(IObjectWriter lease, Outgoing outgoing)
    {
        lease.DeleteRow(SyncRowKeys.Outgoing);
        for (var index = 0; index < outgoing.Row.Parts; index++)
        {
            lease.DeleteRow(SyncRowKeys.OutgoingPart(index));
        }
    }

    /// <summary>Forgets an entry that is not in the feed.</summary>
    public async ValueTask DropAsync(Outgoing outgoing, CancellationToken cancellationToken)
    {
        using var turn = await context.Turns.AcquireAsync(cancellationToken);
        if (state.Outgoing?.Row.Id != outgoing.Row.Id)
        {
            return;
        }

        await using var lease = context.Store.BeginWrite();
        DeleteRows(lease, outgoing);
        await lease.CommitAsync(Durability.Buffered, cancellationToken);
        state.Outgoing = null;
    }

    private static string NameOf(Outgoing outgoing) => $"entry {outgoing.Row.Id}";

    private static void ThrowUnless(Func<bool> isKnown, string what)
    {
        if (!isKnown())
        {
            throw new CloudUnavailableException(
                CloudProblem.Unreachable, $"The connection to the cloud ended while {what} was being sent.");
        }
    }

    /// <summary>Puts blobs that the cloud does not have.</summary>
    /// <param name="what">Whose they are, for the message.</param>
    /// <param name="blobs">In the order in which they are put.</param>
    /// <param name="isKnown">As for <see cref="SendAsync"/>.</param>
    /// <param name="cancellationToken">What was put stays.</param>
    /// <exception cref="CloudUnavailableException">Not all were put.</exception>
    public async ValueTask PutBlobsAsync(
        string what, IReadOnlyList<OutgoingBlob> blobs, Func<bool> isKnown, CancellationToken cancellationToken)
    {
        foreach (var part in blobs.Where(blob => blob.Piece is null).Chunk(NamesMax))
        {
            var found = await context.Cloud.HasBlobsAsync([.. part.Select(blob => blob.Name)], cancellationToken);
            for (var index = 0; index < part.Length; index++)
            {
                var (name, _, kind, id) = part[index];
                if (!found[index] && await context.Store.ReadAsync(kind, id, cancellationToken) is { } content)
                {
                    var blob = BlobSeal.Seal(context.Keys, name, content.Span);
                    ThrowUnless(isKnown, what);
                    await context.Cloud.PutBlobAsync(name, blob, cancellationToken);
                }
            }
        }

        foreach (var blob in blobs)
        {
            if (blob.Piece is { } piece)
            {
                ThrowUnless(isKnown, what);
                await context.Cloud.PutBlobAsync(blob.Name, piece, cancellationToken);
            }
        }
    }

    /// <summary>
    /// The blobs of an entry that an earlier life composed; null when pieces of it are not in the cloud.
    /// </summary>
    private async ValueTask<IReadOnlyList<OutgoingBlob>?> FindBlobsAsync(
        Outgoing outgoing, CancellationToken cancellationToken)
    {
        var opened = await new EntryOpener(context).OpenAsync(
            new FeedEntry(FeedPosition.Start, outgoing.Row.PageName, outgoing.Entry), cancellationToken);
        if (opened.Problem is not null)
        {
            return null;
        }

        var values = new Dictionary<ObjectId, EntryValue>();
        foreach (var change in opened.Commits.SelectMany(commit => commit.Changes))
        {
            if (change.Value is { IsInline: false } value)
            {
                values[value.Id] = value;
            }
        }

        var blobs = new List<OutgoingBlob>();
        await new ValueObjects(context).ListAsync(values.Values, blobs, cancellationToken);
        return blobs;
    }
}
