using System.Runtime.CompilerServices;
using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages.Merging;

/// <summary>What a merge makes of two heads. Dispose of it when the tree has another holder.</summary>
/// <param name="Left">The newer head.</param>
/// <param name="Right">The older head.</param>
/// <param name="Root">Root of the merged tree.</param>
/// <param name="Start">The head that <paramref name="Changes"/> are counted from.</param>
/// <param name="Changes">How the merged tree differs from it.</param>
/// <param name="Hold">Keeps the merged tree.</param>
internal sealed record MergedTree(
    Commit Left, Commit Right, ObjectId Root, Commit Start, ChangeList Changes, TreeHold Hold) : IDisposable
{
    /// <inheritdoc/>
    public void Dispose() => Hold.Dispose();
}

/// <summary>Two heads to be merged.</summary>
/// <param name="Left">The newer one, by (timestamp, id).</param>
/// <param name="Right">The older one.</param>
/// <param name="Comparison">How their ancestries relate.</param>
internal sealed record MergePair(Commit Left, Commit Right, CommitComparison Comparison)
{
    /// <summary>Puts two commits in order and compares them.</summary>
    public static async ValueTask<MergePair> CompareAsync(
        CommitGraph graph, Commit first, Commit second, CancellationToken cancellationToken)
    {
        var isFirstNewer = (first.Timestamp, first.Id).CompareTo((second.Timestamp, second.Id)) > 0;
        var (left, right) = isFirstNewer ? (first, second) : (second, first);
        return new MergePair(
            left, right, await CommitComparison.RunAsync(graph, left, right, cancellationToken));
    }
}

/// <summary>
/// Merges two commits of a page. What it makes follows from their ancestry, the settings and the resolver alone.
/// </summary>
/// <remarks>Reads what differs and nothing else; memory is bounded. Safe for concurrent use.</remarks>
/// <param name="services">The ledger's.</param>
/// <param name="page">The page.</param>
internal sealed class CommitMerger(LedgerServices services, PageId page)
{
    /// <summary>Merges two commits of which neither is an ancestor of the other one.</summary>
    /// <param name="pair">The commits.</param>
    /// <param name="settings">How; a resolver is called when the policy says so.</param>
    /// <param name="resolveAsync">Calls the resolver, with whatever bounds the call.</param>
    /// <param name="lease">Takes the change list, and the values that a resolver makes.</param>
    /// <param name="cancellationToken">Leaves the lease with objects that nothing names.</param>
    public async ValueTask<MergedTree> MergeAsync(
        MergePair pair, MergeSettings settings, Func<MergeContext, Task> resolveAsync, IObjectWriter lease,
        CancellationToken cancellationToken)
    {
        Invariant.Check(pair.Comparison.LeftOnly.Count > 0 && pair.Comparison.RightOnly.Count > 0);
        var (left, right, comparison) = pair;
        using var leftHold = await services.Trees.OpenAsync(page, left, cancellationToken);
        using var rightHold = await services.Trees.OpenAsync(page, right, cancellationToken);
        if (FindShortcut(pair, settings.Policy) is { } taken)
        {
            var hold = await services.Trees.OpenAsync(page, taken, cancellationToken);
            return new MergedTree(left, right, taken.Root, taken, ChangeList.Empty, hold);
        }

        return await MergeFullyAsync(pair, settings, resolveAsync, lease, cancellationToken);
    }

    /// <summary>Merges two commits without looking for a shortcut; somebody holds both trees.</summary>
    /// <inheritdoc cref="MergeAsync"/>
    internal async ValueTask<MergedTree> MergeFullyAsync(
        MergePair pair, MergeSettings settings, Func<MergeContext, Task> resolveAsync, IObjectWriter lease,
        CancellationToken cancellationToken)
    {
        var (left, right, comparison) = pair;
        await using var writers = await MergeWriters.ReadAsync(services, page, comparison, cancellationToken);
        if (settings.Policy is MergePolicy.LastOneWins or MergePolicy.None)
        {
            return await MergeByWriterAsync(left, right, writers, lease, cancellationToken);
        }

        var (root, rootHold) = services.Bugs.HasFlag(PlantedBugs.VirtualBaseAsksResolver)
            ? await FindBaseAsync(comparison, settings, resolveAsync, lease, cancellationToken)
            : await FindBaseAsync(comparison, lease, cancellationToken);
        using (rootHold)
        {
            var input = new MergeInput(services, writers, root, left, right);
            var mustAsk = settings.Policy == MergePolicy.Custom || await HasConflictAsync(input, cancellationToken);
            var decisions = mustAsk ? await AskAsync(input, resolveAsync, lease, cancellationToken) : null;
            var changes = DecideAsync(input, decisions, cancellationToken);
            return await ApplyAsync(left, right, left, changes, lease, cancellationToken);
        }
    }

    /// <summary>The commit that a merge makes.</summary>
    /// <param name="merged">The merge.</param>
    /// <param name="timestamp">Of an authored merge; an automatic one takes the greatest of its parents'.</param>
    /// <param name="author">Who asked for it; null for an automatic one, which is the same on every device.</param>
    /// <param name="cancellationToken">Cancels the reads.</param>
    public ValueTask<Commit> BuildAsync(
        MergedTree merged, HybridTimestamp? timestamp, Authorship? author, CancellationToken cancellationToken) =>
        BuildAsync(merged.Root, [merged.Left, merged.Right], timestamp, author, cancellationToken);

    private async ValueTask<Commit> BuildAsync(
        ObjectId root, IReadOnlyList<Commit> parents, HybridTimestamp? timestamp, Authorship? author,
        CancellationToken cancellationToken)
    {
        var (generation, skip) = await services.Graph.PlaceAboveAsync(parents, cancellationToken);
        return Commit.Create(new CommitFields
        {
            Root = root,
            Parents = [.. parents.Select(parent => parent.Id)],
            Generation = generation,
            Timestamp = timestamp ?? parents.Max(parent => parent.Timestamp),
            SkipLink = skip,
            Author = author,
        });
    }

    /// <summary>The state that two commits come from; its tree is kept until the hold is disposed of.</summary>
    /// <remarks>
    /// Several maximal common ancestors are merged by their writers, oldest first, into commits that are hashed and not
    /// stored; each of these has all the ancestors so far as its parents, so that nobody has to read one of them. A
    /// merge by writers needs no base, so this does not go deeper. Of more than a commit can name, the newest count.
    /// </remarks>
    public ValueTask<(Commit Base, TreeHold Hold)> FindBaseAsync(
        CommitComparison comparison, IObjectWriter lease, CancellationToken cancellationToken) =>
        FindBaseAsync(comparison, MergeSettings.Default, static _ => Task.CompletedTask, lease, cancellationToken);

    // Settings other than the default ones are a planted fault.
    private async ValueTask<(Commit Base, TreeHold Hold)> FindBaseAsync(
        CommitComparison comparison, MergeSettings settings, Func<MergeContext, Task> resolveAsync,
        IObjectWriter lease, CancellationToken cancellationToken)
    {
        var parents = new List<Commit>();
        var bases = comparison.Bases.TakeLast(Commit.ParentsMax).ToList();
        var root = bases[0];
        parents.Add(root);
        var hold = await services.Trees.OpenAsync(page, root, cancellationToken);
        var isMade = false;
        try
        {
            foreach (var next in bases.Skip(1))
            {
                var pair = await MergePair.CompareAsync(services.Graph, root, next, cancellationToken);
                var merged = await MergeAsync(pair, settings, resolveAsync, lease, cancellationToken);
                hold.Dispose();
                hold = merged.Hold;
                parents.Add(next);
                root = await BuildAsync(merged.Root, parents, timestamp: null, author: null, cancellationToken);
            }

            isMade = true;
            return (root, hold);
        }
        finally
        {
            if (!isMade)
            {
                hold.Dispose();
            }
        }
    }

    // A side that has only automatic merges to itself holds nothing that the other side lacks.
    private static Commit? FindShortcut(MergePair pair, MergePolicy policy)
    {
        var (left, right, comparison) = pair;
        var isLeftAutomatic = comparison.LeftOnly.All(commit => commit.Author is null);
        var isRightAutomatic = comparison.RightOnly.All(commit => commit.Author is null);
        if (isRightAutomatic)
        {
            return left;
        }

        // Equal trees may still have been reached by writes that a resolver wants to add up.
        return isLeftAutomatic ? right : left.Root == right.Root && policy != MergePolicy.Custom ? left : null;
    }

    private async ValueTask<MergedTree> MergeByWriterAsync(
        Commit left, Commit right, MergeWriters writers, IObjectWriter lease, CancellationToken cancellationToken)
    {
        // The root is the same whichever side it is made from; from the one with more writes there is less to do.
        var start = writers.LeftCount >= writers.RightCount ? left : right;
        return await ApplyAsync(left, right, start, TakeNewestAsync(), lease, cancellationToken);

        async IAsyncEnumerable<TreeChange> TakeNewestAsync()
        {
            var other = start == left ? right : left;
            await using var written = writers.ReadNewestAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
            var hasWritten = await written.MoveNextAsync();
            await foreach (var (key, mine, theirs) in services.Tree.DiffAsync(
                start.Root, other.Root, KeyRange.All, cancellationToken))
            {
                // Keys on which the sides agree are passed over: the newest writer is the same for both.
                while (hasWritten && written.Current.Key.Span.SequenceCompareTo(key.Span) < 0)
                {
                    hasWritten = await written.MoveNextAsync();
                }

                // A key that nobody wrote differs only where merges were decided otherwise: the newer head counts.
                var isSwapped = services.Bugs.HasFlag(PlantedBugs.SwapMergeParents);
                var value = isSwapped ? (start == left ? theirs : mine)
                    : hasWritten && written.Current.Key.Span.SequenceEqual(key.Span) ? written.Current.Value
                    : start == left ? mine
                    : theirs;
                if (!Nullable.Equals(value, mine))
                {
                    yield return new TreeChange(key, value);
                }
            }
        }
    }

    private static async ValueTask<bool> HasConflictAsync(MergeInput input, CancellationToken cancellationToken)
    {
        await foreach (var (values, _, _) in input.ReadAsync(cancellationToken))
        {
            if (values.IsConflict)
            {
                return true;
            }
        }

        return false;
    }

    private async ValueTask<TransactionChanges> AskAsync(
        MergeInput input, Func<MergeContext, Task> resolveAsync, IObjectWriter lease,
        CancellationToken cancellationToken)
    {
        await using var common = await ShowAsync(input.Base, cancellationToken);
        await using var left = await ShowAsync(input.Left, cancellationToken);
        await using var right = await ShowAsync(input.Right, cancellationToken);
        var context = new MergeContext(services, page, input, new MergeSnapshots(common, left, right), lease);
        try
        {
            await resolveAsync(context);
        }
        finally
        {
            await context.CloseAsync();
        }

        return await context.CloseAsync();
    }

    private async ValueTask<PageSnapshot> ShowAsync(Commit commit, CancellationToken cancellationToken)
    {
        var info = await new PageHistory(services, page).DescribeAsync(commit, cancellationToken);
        var hold = await services.Trees.OpenAsync(page, commit, cancellationToken);
        return new PageSnapshot(services, info, new SnapshotTree(commit.Root, hold, null), default);
    }

    /// <summary>How the merged tree differs from the newer head's.</summary>
    private async IAsyncEnumerable<TreeChange> DecideAsync(
        MergeInput input, TransactionChanges? decisions, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var decided = (decisions?.ReadAsync(cancellationToken) ?? AsyncEnumerable.Empty<TreeChange>())
            .GetAsyncEnumerator(cancellationToken);
        await using var entries = input.ReadAsync(cancellationToken).GetAsyncEnumerator(cancellationToken);
        var hasDecided = await decided.MoveNextAsync();
        var hasEntry = await entries.MoveNextAsync();
        while (hasDecided || hasEntry)
        {
            var order = !hasEntry ? -1 : !hasDecided ? 1
                : decided.Current.Key.Span.SequenceCompareTo(entries.Current.Values.Key.Span);
            var change = order <= 0
                ? decided.Current
                : new TreeChange(entries.Current.Values.Key, entries.Current.Undecided);
            var present = order < 0
                ? await services.Tree.GetAsync(input.Left.Root, change.Key, cancellationToken)
                : entries.Current.Values.Left;
            if (!Nullable.Equals(change.Value, present))
            {
                yield return change;
            }

            hasDecided = order <= 0 ? await decided.MoveNextAsync() : hasDecided;
            hasEntry = order >= 0 ? await entries.MoveNextAsync() : hasEntry;
        }
    }

    private async ValueTask<MergedTree> ApplyAsync(
        Commit left, Commit right, Commit start, IAsyncEnumerable<TreeChange> changes, IObjectWriter lease,
        CancellationToken cancellationToken)
    {
        var list = new ChangeListWriter(lease);
        using var batch = services.Tree.WriteBack.BeginBatch();
        var root = await services.Tree.ApplyAsync(start.Root, RecordAsync(), batch, cancellationToken);
        var stored = await list.FinishAsync(cancellationToken);
        var hold = await services.Tree.TryHoldAsync(root, cancellationToken);
        Invariant.Check(hold is not null);
        return new MergedTree(left, right, root, start, stored, hold);

        async IAsyncEnumerable<TreeChange> RecordAsync()
        {
            await foreach (var change in changes)
            {
                await list.AddAsync(change, cancellationToken);
                yield return change;
            }
        }
    }
}
