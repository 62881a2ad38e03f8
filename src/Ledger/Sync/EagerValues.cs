using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>Brings the eager values of received heads here, before they are shown.</summary>
/// <param name="context">The ledger's.</param>
internal sealed class EagerValues(SyncContext context)
{
    private readonly ValueObjects _objects = new(context);

    /// <summary>Fetches the eager values of a received commit that are not here.</summary>
    /// <remarks>Looks at what differs from a head of the page, whose own values are all here.</remarks>
    /// <exception cref="MissingObjectException">The cloud does not have an object.</exception>
    /// <exception cref="CorruptObjectException">What the cloud has is not the object.</exception>
    /// <exception cref="CloudUnavailableException">The cloud cannot be reached.</exception>
    public async ValueTask CompleteAsync(PageState page, CommitId received, CancellationToken cancellationToken)
    {
        if (context.Has(PlantedBugs.SyncHeadBeforeValues))
        {
            return;
        }

        Commit head;
        lock (page.Gate)
        {
            page.ThrowIfUnusable();
            head = page.NewestBranch().Head;
        }

        var services = context.Services;
        var commit = await services.Graph.ReadAsync(received, cancellationToken);
        using var headHold = await services.Trees.OpenAsync(page.Id, head, cancellationToken);
        using var hold = await services.Trees.OpenAsync(page.Id, commit, cancellationToken);
        await using var lease = context.Store.BeginWrite();
        var isMissing = false;
        var differences = services.Tree.DiffAsync(head.Root, commit.Root, KeyRange.All, cancellationToken);
        await foreach (var (_, _, after) in differences)
        {
            if (after is { IsInline: false, Priority: EntryPriority.Eager } value)
            {
                isMissing = true;
                await _objects.FetchAsync(value, lease, cancellationToken);
            }
        }

        if (isMissing)
        {
            await lease.WriteAheadAsync(cancellationToken);
        }
    }
}
