using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages.Rows;
using Ledger.Runtime;

namespace Ledger.Pages.Merging;

/// <summary>Makes a merge the head of the branches that it merges, in one record.</summary>
/// <remarks>
/// What was written meanwhile stays on top: entries of one branch as they are, entries of two in the order in which
/// they were acknowledged. A branch that has a newer commit meanwhile stays a head of its own, to be merged next.
/// </remarks>
/// <param name="services">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class MergeInstaller(LedgerServices services, PageState page)
{
    // Entries of two branches are written anew only where they surely fit into the record.
    private const long RebasedSizeBytesMax = 1 << 20;

    /// <summary>Installs a merge, between folds and transactions.</summary>
    /// <param name="made">The merge, and how it came about.</param>
    /// <param name="lease">Holds what belongs to it; committed here.</param>
    /// <param name="durability">What the installed merge has survived.</param>
    public async Task InstallAsync(MadeMerge made, IObjectWriter lease, Durability durability)
    {
        await page.Commits.RunExclusivelyAsync(async () =>
        {
            Plan plan;
            lock (page.Gate)
            {
                page.ThrowIfUnusable();
                plan = MakePlan(made.Tree);
            }

            await AddCommitAsync(made, lease);
            var rebased = plan.IsRebased ? await RebaseAsync(plan, lease) : [];
            var covered = rebased.Count > 0 ? rebased[0].Sequence - 1 : plan.Target?.Covered ?? 0;
            lease.SetRow(
                RowKeys.Head(page.Id, plan.Number), new HeadRow(page.Incarnation, made.Commit.Id, covered).Encode());
            if (plan.Absorbed is { } absorbed)
            {
                lease.DeleteRow(RowKeys.Head(page.Id, absorbed.Number));
            }

            await lease.CommitAsync(durability, CancellationToken.None);
            services.Graph.Add(made.Commit);
            lock (page.Gate)
            {
                Show(plan, made.Commit, covered, rebased);
            }
        });
        page.Changed.Pulse();
        services.Moved.Add(page.Id);
        services.WriteBacks.Committed(made.Tree.Changes.Count);
    }

    /// <summary>Forgets a head that is an ancestor of another one, between folds and transactions.</summary>
    public async Task AbsorbAsync(Commit ancestor, Commit descendant)
    {
        await page.Commits.RunExclusivelyAsync(async () =>
        {
            Branch? absorbed;
            Branch? target;
            lock (page.Gate)
            {
                page.ThrowIfUnusable();
                absorbed = page.Branches.FirstOrDefault(branch => branch.Head.Id == ancestor.Id && branch.IsClean);
                target = page.Branches.FirstOrDefault(
                    branch => branch != absorbed && branch.Head.Id == descendant.Id);
            }

            if (absorbed is null || target is null)
            {
                return;
            }

            await using var lease = services.Store.BeginWrite();
            lease.DeleteRow(RowKeys.Head(page.Id, absorbed.Number));
            await lease.CommitAsync(Durability.Buffered, CancellationToken.None);
            lock (page.Gate)
            {
                page.RemoveBranch(absorbed, target);
                services.Heads.Remove(page.Id, absorbed.Number);
            }
        });
        page.Changed.Pulse();
    }

    private Plan MakePlan(MergedTree merged)
    {
        var still = page.Branches
            .Where(branch => (branch.Head.Id == merged.Left.Id || branch.Head.Id == merged.Right.Id) &&
                branch.Frozen is null && !branch.Active.IsCleared)
            .OrderBy(branch => branch.Active.IsEmpty).ThenBy(branch => branch.Number)
            .ToList();
        if (still.Count == 0)
        {
            return new Plan(page.NextBranchNumber(), null, null, IsRebased: false);
        }

        var absorbed = still.Count > 1 ? still[1] : null;
        if (absorbed is not null && !absorbed.Active.IsEmpty &&
            absorbed.Active.SizeBytes + still[0].Active.SizeBytes > RebasedSizeBytesMax)
        {
            absorbed = null;
        }

        return new Plan(still[0].Number, still[0], absorbed, absorbed is { Active.IsEmpty: false });
    }

    private async ValueTask AddCommitAsync(MadeMerge made, IObjectWriter lease)
    {
        var (commit, tree) = (made.Commit, made.Tree);
        await lease.PutAsync(ObjectKind.Commit, commit.Id.Value, commit.Content, CancellationToken.None);
        lease.SetRow(
            RowKeys.Commit(page.Id, commit.Id),
            new CommitRow(page.Incarnation, tree.Start.Id, tree.Changes).Encode());
        lease.SetRow(
            RowKeys.MergeNote(page.Id, commit.Id),
            new MergeNoteRow(made.Settings.Policy, made.Settings.ResolverName).Encode());
    }

    /// <summary>Writes the entries of both branches under the one that stays, in the order of their times.</summary>
    private async ValueTask<List<RebasedEntry>> RebaseAsync(Plan plan, IObjectWriter lease)
    {
        Invariant.Check(plan.Target is not null && plan.Absorbed is not null);
        var entries = new List<JournalRow>();
        await foreach (var (key, value) in services.Store.ScanRowsAsync(
            RowKeys.Journals(page.Id), CancellationToken.None))
        {
            var place = RowKeys.ReadJournalPlace(key.Span);
            var branch = place.Branch == plan.Target.Number ? plan.Target
                : place.Branch == plan.Absorbed.Number ? plan.Absorbed
                : null;
            if (branch is not null && place.Incarnation == page.Incarnation && place.Sequence > branch.Covered)
            {
                entries.Add(JournalRow.Decode(value));
                lease.DeleteRow(key);
            }
        }

        var sequence = plan.Target.Active.LastSequence;
        var rebased = new List<RebasedEntry>(entries.Count);
        foreach (var entry in entries.OrderBy(entry => entry.Timestamp))
        {
            rebased.Add(new RebasedEntry(++sequence, entry));
            var place = new JournalPlace(page.Incarnation, plan.Target.Number, sequence);
            lease.SetRow(RowKeys.JournalEntry(page.Id, place), entry.Encode());
        }

        return rebased;
    }

    private void Show(Plan plan, Commit commit, ulong covered, List<RebasedEntry> rebased)
    {
        var target = plan.Target;
        if (target is null)
        {
            target = page.AddBranch(plan.Number, commit);
        }
        else if (plan.IsRebased)
        {
            target.Rebase(commit, covered, rebased.Select(entry => (entry.Sequence, entry.Row)));
        }
        else
        {
            target.Advance(commit, covered);
        }

        services.Heads.Set(page.Id, target.Number, commit.Root);
        if (plan.Absorbed is { } absorbed)
        {
            page.RemoveBranch(absorbed, target);
            services.Heads.Remove(page.Id, absorbed.Number);
        }
    }

    /// <summary>Which branches become one.</summary>
    /// <param name="Number">Number of the branch that stays, or is new.</param>
    /// <param name="Target">The branch that stays; null when both heads have moved.</param>
    /// <param name="Absorbed">The branch that goes; null when it has moved.</param>
    /// <param name="IsRebased">Both have entries on top.</param>
    private readonly record struct Plan(uint Number, Branch? Target, Branch? Absorbed, bool IsRebased);

    private readonly record struct RebasedEntry(ulong Sequence, JournalRow Row);
}

/// <summary>A merge that is ready to be installed.</summary>
/// <param name="Commit">The commit.</param>
/// <param name="Tree">Its tree; held until the merge is installed.</param>
/// <param name="Settings">How it was made.</param>
internal sealed record MadeMerge(Commit Commit, MergedTree Tree, MergeSettings Settings);
