using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Pages.Rows;

namespace Ledger.Sync;

/// <summary>Makes received commits heads of their page, once everything that must be here is.</summary>
/// <remarks>
/// A branch whose head is an ancestor moves on to the received commit; a journal on top of it is folded first, and then
/// histories have diverged. What is no descendant of a head becomes a branch of its own, for the merger.
/// </remarks>
/// <param name="context">The ledger's.</param>
/// <param name="holds">Trees of what was received.</param>
internal sealed class HeadInstaller(SyncContext context, PendingTrees holds)
{
    /// <summary>Installs those pending heads of a page whose values are here, in a turn.</summary>
    /// <param name="page">Held by the caller.</param>
    /// <param name="isReady">Says of a pending head whether it may be shown.</param>
    /// <param name="cancellationToken">Cancels the wait for folds and transactions.</param>
    public async Task InstallAsync(
        PageState page, Func<CommitId, bool> isReady, CancellationToken cancellationToken)
    {
        var row = await context.ReadPageAsync(page.Id, page.Incarnation, cancellationToken);
        if (row.Pending.Count == 0)
        {
            return;
        }

        try
        {
            await page.Commits.InTurnAsync(
                () => InstallInTurnAsync(page, isReady, cancellationToken), cancellationToken);
        }
        catch (PageDeletedException)
        {
            // Nothing of it is shown any more; the row is of a life that has ended.
            return;
        }

        page.Changed.Pulse();
        context.Services.Moved.Add(page.Id);
        page.Merger.Touch();
    }

    private async Task InstallInTurnAsync(
        PageState page, Func<CommitId, bool> isReady, CancellationToken cancellationToken)
    {
        var row = await context.ReadPageAsync(page.Id, page.Incarnation, cancellationToken);
        foreach (var id in row.Pending.Where(isReady))
        {
            var commit = await context.Services.Graph.ReadAsync(id, cancellationToken);
            using var hold = await context.Services.Trees.OpenAsync(page.Id, commit, cancellationToken);
            await InstallInTurnAsync(page, commit, cancellationToken);
            holds.Remove(id);
        }
    }

    private async Task InstallInTurnAsync(PageState page, Commit commit, CancellationToken cancellationToken)
    {
        if (!context.Has(PlantedBugs.SyncDropJournal))
        {
            await FoldAncestorsAsync(page, commit, cancellationToken);
        }

        var (isCovered, ancestors) = await CompareAsync(page, commit, cancellationToken);
        await page.Commits.RunExclusivelyAsync(async () =>
        {
            Plan plan;
            List<(uint Number, ulong Covered)> unwritten;
            lock (page.Gate)
            {
                page.ThrowIfUnusable();
                plan = isCovered ? default : MakePlan(page, ancestors);
                unwritten = isCovered ? [] : FindUnwritten(page, plan);
            }

            await WriteAsync(page, commit, isCovered, plan, unwritten);
            lock (page.Gate)
            {
                page.MarkStored();
                if (!isCovered)
                {
                    Show(page, commit, plan);
                }
            }
        });
    }

    private async Task FoldAncestorsAsync(PageState page, Commit commit, CancellationToken cancellationToken)
    {
        foreach (var branch in BranchesOf(page))
        {
            bool isClean;
            Commit head;
            lock (page.Gate)
            {
                (isClean, head) = (branch.IsClean, branch.Head);
            }

            if (!isClean && await context.Services.Graph.IsAncestorAsync(head, commit, cancellationToken))
            {
                await page.Commits.FoldInTurnAsync(branch, cancellationToken);
            }
        }
    }

    /// <summary>Whether a branch has the commit already, and which branches' heads are ancestors of it.</summary>
    private async ValueTask<(bool IsCovered, List<(Branch Branch, CommitId Head)> Ancestors)> CompareAsync(
        PageState page, Commit commit, CancellationToken cancellationToken)
    {
        var ancestors = new List<(Branch, CommitId)>();
        foreach (var branch in BranchesOf(page))
        {
            var head = branch.Head;
            if (await context.Services.Graph.IsAncestorAsync(commit, head, cancellationToken))
            {
                return (true, ancestors);
            }

            if (await context.Services.Graph.IsAncestorAsync(head, commit, cancellationToken))
            {
                ancestors.Add((branch, head.Id));
            }
        }

        return (false, ancestors);
    }

    // A branch that took a write meanwhile stays a head of its own: it is merged next.
    private Plan MakePlan(PageState page, List<(Branch Branch, CommitId Head)> ancestors)
    {
        var still = ancestors
            .Where(each => page.Branches.Contains(each.Branch) && each.Branch.Head.Id == each.Head &&
                (each.Branch.IsClean || context.Has(PlantedBugs.SyncDropJournal)))
            .Select(each => each.Branch)
            .OrderBy(branch => branch.Number)
            .ToList();
        return still.Count == 0
            ? new Plan(page.NextBranchNumber(), null, [])
            : new Plan(still[0].Number, still[0], still[1..]);
    }

    // A page without head rows stands on genesis, and its journal counts: one row ends that for every branch.
    private static List<(uint Number, ulong Covered)> FindUnwritten(PageState page, Plan plan) =>
        [.. page.Branches
            .Where(branch => branch.Head.Id == Commit.Genesis.Id && branch != plan.Target &&
                !plan.Absorbed.Contains(branch))
            .Select(branch => (branch.Number, branch.Covered))];

    private async ValueTask WriteAsync(
        PageState page, Commit commit, bool isCovered, Plan plan, List<(uint Number, ulong Covered)> unwritten)
    {
        await using var lease = context.Store.BeginWrite();
        var row = await context.ReadPageAsync(page.Id, page.Incarnation, CancellationToken.None);
        row = row with { Pending = [.. row.Pending.Where(pending => pending != commit.Id)] };
        lease.SetRow(SyncRowKeys.Page(page.Id), row.Encode());
        if (!isCovered)
        {
            lease.SetRow(
                RowKeys.Head(page.Id, plan.Number),
                new HeadRow(page.Incarnation, commit.Id, plan.Target?.Covered ?? 0).Encode());
            foreach (var (number, covered) in unwritten)
            {
                lease.SetRow(
                    RowKeys.Head(page.Id, number),
                    new HeadRow(page.Incarnation, Commit.Genesis.Id, covered).Encode());
            }

            foreach (var absorbed in plan.Absorbed)
            {
                lease.DeleteRow(RowKeys.Head(page.Id, absorbed.Number));
            }
        }

        if (!page.IsStored)
        {
            lease.SetRow(RowKeys.Page(page.Id), page.NewRow().Encode());
        }

        // What is lost is in the cloud, and is read again.
        await lease.CommitAsync(Durability.Buffered, CancellationToken.None);
    }

    private void Show(PageState page, Commit commit, Plan plan)
    {
        var target = plan.Target;
        if (target is null)
        {
            target = page.AddBranch(plan.Number, commit);
        }
        else
        {
            target.Advance(commit, target.Covered);
        }

        context.Services.Heads.Set(page.Id, target.Number, commit.Root);
        foreach (var absorbed in plan.Absorbed)
        {
            page.RemoveBranch(absorbed, target);
            context.Services.Heads.Remove(page.Id, absorbed.Number);
        }
    }

    private static Branch[] BranchesOf(PageState page)
    {
        lock (page.Gate)
        {
            return [.. page.Branches];
        }
    }

    /// <summary>Which branches become one.</summary>
    /// <param name="Number">Number of the branch that stays, or is new.</param>
    /// <param name="Target">The branch that moves on; null for a new one.</param>
    /// <param name="Absorbed">The others.</param>
    private readonly record struct Plan(uint Number, Branch? Target, IReadOnlyList<Branch> Absorbed);
}
