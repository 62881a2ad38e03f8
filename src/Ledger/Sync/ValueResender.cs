using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>
/// Puts into the cloud what it lacks of the values that are here, once after the user took it as it is.
/// </summary>
/// <remarks>
/// A cloud that was erased may have got a commit from a device that does not have its lazy values. Then it knows the
/// commit, and nobody has a reason to send it again: whoever has the values puts them there. Only those that heads
/// name.
/// </remarks>
/// <param name="context">The ledger's.</param>
/// <param name="state">The ledger's.</param>
/// <param name="sender">Puts blobs.</param>
internal sealed class ValueResender(SyncContext context, SyncState state, EntrySender sender)
{
    private const int ValuesMax = 250;

    /// <summary>Looks through the heads of every page.</summary>
    /// <param name="isKnown">As for <see cref="EntrySender.SendAsync"/>.</param>
    /// <param name="cancellationToken">What was put stays; all is looked at anew.</param>
    /// <returns>Why a page could not be looked at; the next engine tries it again. Null for none.</returns>
    /// <exception cref="CloudUnavailableException">Not everything was put.</exception>
    public async ValueTask<LedgerException?> SendAsync(Func<bool> isKnown, CancellationToken cancellationToken)
    {
        var repairs = state.Repairs;
        var pages = new List<(PageId Page, uint Incarnation)>();
        await foreach (var (key, content) in context.Store.ScanRowsAsync(RowKeys.Pages, cancellationToken))
        {
            if (PageRow.Decode(content.Span) is { IsDeleted: false } row)
            {
                pages.Add((RowKeys.ReadPage(key.Span), row.Incarnation));
            }
        }

        LedgerException? failure = null;
        foreach (var (page, incarnation) in pages)
        {
            try
            {
                foreach (var head in await context.ReadHeadsAsync(page, incarnation, cancellationToken))
                {
                    await SendAsync(page, head, isKnown, cancellationToken);
                }
            }
            catch (LedgerException exception) when (
                exception is CorruptObjectException or MissingObjectException or FormatTooNewException)
            {
                failure = exception;
            }
        }

        using var turn = await context.Turns.AcquireAsync(cancellationToken);
        if (state.Repairs == repairs)
        {
            if (failure is null)
            {
                await using var lease = context.Store.BeginWrite();
                lease.DeleteRow(SyncRowKeys.Values);
                await lease.CommitAsync(Durability.Buffered, cancellationToken);
            }

            state.HasToSendValues = false;
        }

        return failure;
    }

    private async ValueTask SendAsync(
        PageId page, Commit head, Func<bool> isKnown, CancellationToken cancellationToken)
    {
        var values = new List<EntryValue>();
        using var hold = await context.Services.Trees.OpenAsync(page, head, cancellationToken);
        await foreach (var (_, value) in context.Services.Tree.ScanAsync(
            head.Root, KeyRange.All, reverse: false, cancellationToken))
        {
            if (!value.IsInline)
            {
                values.Add(value);
            }

            if (values.Count >= ValuesMax)
            {
                await SendAsync(values, isKnown, cancellationToken);
                values.Clear();
            }
        }

        await SendAsync(values, isKnown, cancellationToken);
    }

    private async ValueTask SendAsync(
        List<EntryValue> values, Func<bool> isKnown, CancellationToken cancellationToken)
    {
        var blobs = new List<OutgoingBlob>();
        await new ValueObjects(context).ListAsync(values, blobs, cancellationToken);
        await sender.PutBlobsAsync("values", blobs, isKnown, cancellationToken);
    }
}
