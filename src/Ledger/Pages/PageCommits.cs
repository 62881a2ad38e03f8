using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>
/// What makes commits in a page, one at a time: folds and transactions; and what ends the page: deletion.
/// </summary>
/// <param name="services">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class PageCommits(LedgerServices services, PageState page)
{
    private readonly AsyncLock _turns = new();

    /// <summary>Makes the journal of a branch part of its head.</summary>
    /// <remarks>Writers go on meanwhile. On failure everything is in the journal as before.</remarks>
    /// <param name="branch">The branch.</param>
    /// <param name="cancellationToken">Leaves no trace until the fold's record is handed over.</param>
    /// <returns>A head that includes everything acknowledged before the call.</returns>
    public async ValueTask<Commit> FoldAsync(Branch branch, CancellationToken cancellationToken)
    {
        lock (page.Gate)
        {
            page.ThrowIfUnusable();
            branch = branch.Living;
            if (branch.IsClean)
            {
                return branch.Head;
            }
        }

        using var turn = await _turns.AcquireAsync(cancellationToken);
        return await StoppingAtFaultsAsync(() => FoldInTurnAsync(branch, cancellationToken));
    }

    /// <summary>Makes a transaction's changes one commit.</summary>
    /// <param name="pending">What to commit.</param>
    /// <param name="cancellationToken">Leaves no trace until the commit's record is handed over.</param>
    /// <exception cref="PageMovedException">The branch moved, and the caller asked to be told.</exception>
    public async Task<Commit> CommitAsync(PendingCommit pending, CancellationToken cancellationToken)
    {
        using var turn = await _turns.AcquireAsync(cancellationToken);
        return await StoppingAtFaultsAsync(async () =>
        {
            while (true)
            {
                if (await TryAdvanceAsync(pending) is { } made)
                {
                    return made;
                }

                // A journal that changes nothing leaves the head where it was: then the branch has not moved after all.
                var head = await FoldInTurnAsync(pending.Branch, cancellationToken);
                if (head.Id == pending.Base.Id)
                {
                    continue;
                }

                return pending.FailIfMoved
                    ? throw new PageMovedException(page.Id, pending.Base.Id, head.Id)
                    : await DivergeAsync(pending);
            }
        });
    }

    /// <summary>Stores the page's row, unless it is stored; durable when it completes.</summary>
    public Task CreateAsync() => RunExclusivelyAsync(async () =>
    {
        lock (page.Gate)
        {
            page.ThrowIfUnusable();
            if (page.IsStored)
            {
                return;
            }
        }

        await using var lease = services.Store.BeginWrite();
        lease.SetRow(RowKeys.Page(page.Id), page.NewRow().Encode());
        await lease.CommitAsync(Durability.Flushed, CancellationToken.None);
        lock (page.Gate)
        {
            page.MarkStored();
        }

        services.Moved.Add(page.Id);
    });

    /// <summary>Deletes the page; durable when it completes.</summary>
    /// <param name="deleted">Called under the gate, in the same section in which the page becomes unusable.</param>
    /// <param name="cancellationToken">Cancels the wait for folds and transactions.</param>
    /// <param name="next">
    /// The least incarnation of a later page with this id: the page was deleted elsewhere. Then it need not be stored.
    /// </param>
    /// <returns>False when it is not stored, or is of that incarnation already.</returns>
    public async Task<bool> DeleteAsync(Action deleted, CancellationToken cancellationToken, uint next = 0)
    {
        using var turn = await _turns.AcquireAsync(cancellationToken);
        var wasStored = false;
        await RunExclusivelyAsync(async () =>
        {
            lock (page.Gate)
            {
                wasStored = next == 0
                    ? page.IsStored && !page.IsDeleted
                    : page.Incarnation < next && !page.IsDeleted;
                if (!wasStored)
                {
                    return;
                }
            }

            await using var lease = services.Store.BeginWrite();
            var tombstone = new PageRow(
                IsDeleted: true, Math.Max(next, checked(page.Incarnation + 1)), page.WallClockMs(), page.Clock.Last);
            lease.SetRow(RowKeys.Page(page.Id), tombstone.Encode());
            var heads = RowKeys.Heads(page.Id);
            lease.DeleteRows(heads, RowKeys.EndOf(heads));
            var journals = RowKeys.Journals(page.Id);
            lease.DeleteRows(journals, RowKeys.EndOf(journals));
            await lease.CommitAsync(Durability.Flushed, CancellationToken.None);
            lock (page.Gate)
            {
                page.MarkDeleted();
                services.Heads.Remove(page.Id);
                deleted();
            }
        });
        page.Changed.Pulse();
        services.Moved.Add(page.Id);
        return wasStored;
    }

    /// <summary>Runs a piece of work between folds and transactions.</summary>
    /// <param name="work">The work.</param>
    /// <param name="cancellationToken">Cancels the wait for those that are running.</param>
    public async Task InTurnAsync(Func<Task> work, CancellationToken cancellationToken)
    {
        using var turn = await _turns.AcquireAsync(cancellationToken);
        await work();
    }

    /// <summary>Completes when no write, fold or transaction is on its way any more.</summary>
    public async Task DrainAsync()
    {
        using var turn = await _turns.AcquireAsync(CancellationToken.None);
        await RunExclusivelyAsync(() => Task.CompletedTask);
    }

    /// <summary><see cref="FoldAsync"/> for work that runs in turn already.</summary>
    internal async Task<Commit> FoldInTurnAsync(Branch branch, CancellationToken cancellationToken)
    {
        JournalLayer layer;
        Commit parent;
        lock (page.Gate)
        {
            page.ThrowIfUnusable();
            branch = branch.Living;
            if (branch.IsClean)
            {
                return branch.Head;
            }

            parent = branch.Head;
            layer = branch.Freeze();
        }

        using var batch = services.Tree.WriteBack.BeginBatch();
        (Commit Commit, long Changes)? folded = null;
        try
        {
            folded = await WriteFoldAsync(branch, parent, layer, batch, cancellationToken);
        }
        finally
        {
            lock (page.Gate)
            {
                if (folded is { Commit: var commit })
                {
                    Advance(branch, commit, layer.LastSequence);
                    page.FoldRefusal = null;
                }
                else
                {
                    branch.Thaw();
                }
            }
        }

        page.Changed.Pulse();
        services.Moved.Add(page.Id);
        services.WriteBacks.Committed(folded.Value.Changes);
        return folded.Value.Commit;
    }

    private async Task<(Commit Commit, long Changes)> WriteFoldAsync(
        Branch branch, Commit parent, JournalLayer layer, NodeBatch batch, CancellationToken cancellationToken)
    {
        await using var lease = services.Store.BeginWrite();
        var before = layer.IsCleared ? Tree.EmptyRoot : await BaseOfFoldAsync(parent, cancellationToken);
        using var hold = await services.Trees.OpenAsync(page, parent, cancellationToken);
        var isOnParent = before == parent.Root;
        var made = new ChangeListWriter(lease);
        var root = await services.Tree.ApplyAsync(
            before, layer.Changes, batch, cancellationToken, isOnParent ? made.AddAsync : null);
        var folded = parent;
        var changes = ChangeList.Empty;
        if (root != parent.Root)
        {
            changes = isOnParent
                ? await made.FinishAsync(cancellationToken)
                : await WriteChangesAsync(parent.Root, root, lease, cancellationToken);
            var (generation, skip) = await services.Graph.PlaceAboveAsync([parent], cancellationToken);
            folded = Commit.Create(new CommitFields
            {
                Root = root,
                Parents = [parent.Id],
                Generation = generation,
                Timestamp = HybridTimestamp.Max(layer.LastTimestamp, parent.Timestamp.Next()),
                SkipLink = skip,
                Author = new Authorship(services.Device, page.Incarnation, layer.LastWallClockMs, Message: null),
            });
            page.Clock.Observe(folded.Timestamp);
            await AddCommitAsync(lease, folded, parent, changes, cancellationToken);
        }

        lease.SetRow(
            RowKeys.Head(page.Id, branch.Number),
            new HeadRow(page.Incarnation, folded.Id, layer.LastSequence).Encode());
        lease.DeleteRows(
            RowKeys.JournalEntry(page.Id, new JournalPlace(page.Incarnation, branch.Number, 0)),
            RowKeys.JournalEntry(page.Id, new JournalPlace(page.Incarnation, branch.Number, layer.LastSequence + 1)));

        // The journal is durable as it was acknowledged; if this record is lost, the fold is done again.
        await lease.CommitAsync(Durability.Buffered, cancellationToken);
        if (folded != parent)
        {
            Remember(folded, changes);
        }

        return (folded, changes.Count);
    }

    private async ValueTask<ObjectId> BaseOfFoldAsync(Commit parent, CancellationToken cancellationToken)
    {
        if (!services.Bugs.HasFlag(PlantedBugs.FoldOnWrongBase))
        {
            return parent.Root;
        }

        using var hold = await services.Tree.TryHoldAsync(parent.Root, cancellationToken);
        return hold is null ? Tree.EmptyRoot : parent.Root;
    }

    /// <summary>A branch has a new head, whose tree a batch still holds; under the gate.</summary>
    private void Advance(Branch branch, Commit head, ulong covered)
    {
        branch.Advance(head, covered);
        services.Heads.Set(page.Id, branch.Number, head.Root);
    }

    /// <summary>Commits on the pinned head, if that is still where the branch is, with nothing on top.</summary>
    private async Task<Commit?> TryAdvanceAsync(PendingCommit pending)
    {
        Commit? made = null;
        await RunExclusivelyAsync(async () =>
        {
            Branch branch;
            lock (page.Gate)
            {
                page.ThrowIfUnusable();
                branch = pending.Branch.Living;
                if (branch.Head.Id != pending.Base.Id || !branch.IsClean)
                {
                    return;
                }
            }

            var commit = await WriteAsync(pending, branch.Number, branch.Covered);
            lock (page.Gate)
            {
                Advance(branch, commit, branch.Covered);
                page.MarkStored();
                pending.Installed(branch);
            }

            made = commit;
            services.Moved.Add(page.Id);
        });
        page.Changed.Pulse();
        return made;
    }

    /// <summary>Commits on the pinned head as a branch of its own.</summary>
    private async Task<Commit> DivergeAsync(PendingCommit pending)
    {
        Commit? made = null;
        await RunExclusivelyAsync(async () =>
        {
            uint number;
            lock (page.Gate)
            {
                page.ThrowIfUnusable();
                number = page.NextBranchNumber();
            }

            made = await WriteAsync(pending, number, covered: 0);
            lock (page.Gate)
            {
                pending.Installed(page.AddBranch(number, made));
                services.Heads.Set(page.Id, number, made.Root);
            }
        });
        page.Changed.Pulse();
        services.Moved.Add(page.Id);
        page.Merger.Touch();
        Invariant.Check(made is not null);
        return made;
    }

    private async Task<Commit> WriteAsync(PendingCommit pending, uint branch, ulong covered)
    {
        var (generation, skip) = await services.Graph.PlaceAboveAsync([pending.Base], CancellationToken.None);
        var commit = Commit.Create(new CommitFields
        {
            Root = pending.Root,
            Parents = [pending.Base.Id],
            Generation = generation,
            Timestamp = page.Clock.Issue(pending.Base.Timestamp),
            SkipLink = skip,
            Author = new Authorship(services.Device, page.Incarnation, page.WallClockMs(), pending.Message),
        });
        await AddCommitAsync(pending.Lease, commit, pending.Base, pending.Changes, CancellationToken.None);
        pending.Lease.SetRow(
            RowKeys.Head(page.Id, branch), new HeadRow(page.Incarnation, commit.Id, covered).Encode());
        if (!page.IsStored)
        {
            pending.Lease.SetRow(RowKeys.Page(page.Id), page.NewRow().Encode());
        }

        await pending.Lease.CommitAsync(pending.Durability, CancellationToken.None);
        Remember(commit, pending.Changes);
        services.WriteBacks.Committed(pending.Changes.Count);
        return commit;
    }

    /// <summary>Writes what differs between two trees; somebody holds both.</summary>
    public async ValueTask<ChangeList> WriteChangesAsync(
        ObjectId before, ObjectId after, IObjectWriter lease, CancellationToken cancellationToken)
    {
        var writer = new ChangeListWriter(lease);
        var differences = services.Tree.DiffAsync(before, after, KeyRange.All, cancellationToken);
        await foreach (var (key, _, value) in differences)
        {
            await writer.AddAsync(new TreeChange(key, value), cancellationToken);
        }

        return await writer.FinishAsync(cancellationToken);
    }

    private async ValueTask AddCommitAsync(
        IObjectWriter lease, Commit commit, Commit parent, ChangeList changes, CancellationToken cancellationToken)
    {
        await lease.PutAsync(ObjectKind.Commit, commit.Id.Value, commit.Content, cancellationToken);
        lease.SetRow(
            RowKeys.Commit(page.Id, commit.Id), new CommitRow(page.Incarnation, parent.Id, changes).Encode());
    }

    /// <summary>A commit is in the log: the next one to ask for it need not read.</summary>
    private void Remember(Commit commit, ChangeList changes)
    {
        services.Graph.Add(commit);
        page.Described = PageHistory.Describe(commit, changes.Count);
    }

    /// <summary>Runs a write alone, in the order of the page's writes.</summary>
    internal async Task RunExclusivelyAsync(Func<Task> work)
    {
        var write = new ExclusiveWrite(work);
        lock (page.Gate)
        {
            page.Writes.Enqueue(write);
        }

        await page.Writes.CompleteAsync(write);
    }

    private async Task<Commit> StoppingAtFaultsAsync(Func<Task<Commit>> work)
    {
        try
        {
            return await work();
        }
        catch (InvariantException fault)
        {
            page.Stop(fault);
            throw;
        }
    }
}

/// <summary>A transaction that is ready to become a commit.</summary>
/// <param name="Branch">The branch that it was begun on.</param>
/// <param name="Base">The commit that it was begun on.</param>
/// <param name="Root">
/// Root of the new tree; not that of <paramref name="Base"/>. Its maker holds it until it is installed.
/// </param>
/// <param name="Changes">What differs from <paramref name="Base"/>.</param>
/// <param name="Lease">Holds the new values and change lists; committed with the rows.</param>
/// <param name="Message">Kept with the commit, or null.</param>
/// <param name="FailIfMoved">Rather fail than make a new branch.</param>
/// <param name="Durability">What the acknowledged commit has survived.</param>
/// <param name="Installed">Called under the page's gate with the branch whose head the commit now is.</param>
internal sealed record PendingCommit(
    Branch Branch, Commit Base, ObjectId Root, ChangeList Changes, IObjectWriter Lease, string? Message,
    bool FailIfMoved, Durability Durability, Action<Branch> Installed);
