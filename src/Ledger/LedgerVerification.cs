using Ledger.Commits;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger;

/// <summary>
/// Walks everything that is reachable in a ledger, from every head to its beginning, and reads each object once.
/// </summary>
/// <remarks>
/// Verifies: every object hashes to its id and is canonical; parents, generations, timestamps and skip links fit; nodes
/// are what their parents say; each commit's change list is exactly what differs from its parent; large values are
/// whole; journals can be read and their values are there. Does not verify that a tree is cut where the salt says.
/// Keeps the ids of the objects it has seen in memory: about 60 bytes for each. Writers may go on meanwhile; what they
/// add is not looked at.
/// </remarks>
/// <param name="services">The ledger's.</param>
/// <param name="ledger">Its name, for the sentences.</param>
/// <param name="tally">Takes what is found.</param>
internal sealed class LedgerVerification(LedgerServices services, string ledger, VerifyTally tally)
{
    // Node and commit caches of its own, almost empty ones, so that objects are read and not remembered.
    private readonly NodeReader _nodes = new(services.Store, new NodeCache(1), services.Tree.Dirty);
    private readonly CommitGraph _graph = new(services.Runtime, services.Store, cacheCount: 256);
    private readonly HashSet<ObjectId> _seen = [];
    private readonly HashSet<CommitId> _heads = [];

    /// <summary>Walks the ledger.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await GuardAsync($"The list of pages of ledger '{ledger}'", async () =>
        {
            await foreach (var (key, value) in services.Store.ScanRowsAsync(RowKeys.Pages, cancellationToken))
            {
                await GuardAsync($"A page of ledger '{ledger}'", async () =>
                {
                    var page = RowKeys.ReadPage(key.Span);
                    if (!PageRow.Decode(value.Span).IsDeleted)
                    {
                        await VerifyPageAsync(page, cancellationToken);
                    }
                });
            }
        });
        tally.Ledgers++;
        tally.Report();
    }

    private async Task VerifyPageAsync(PageId page, CancellationToken cancellationToken)
    {
        var where = $"Page {page} of ledger '{ledger}'";
        tally.Pages++;
        await GuardAsync(where, async () =>
        {
            var loaded = await PageLoader.LoadAsync(services, page, cancellationToken);
            _heads.UnionWith(loaded.Branches.Select(branch => branch.Head.Id));
            foreach (var branch in loaded.Branches)
            {
                await VerifyHistoryAsync(page, branch.Head, cancellationToken);
                foreach (var change in branch.Active.Changes)
                {
                    if (change.Value is { } value)
                    {
                        await VerifyValueAsync($"The journal of page {page}", value, cancellationToken);
                    }
                }
            }
        });
        tally.Report();
    }

    private async Task VerifyHistoryAsync(PageId page, Commit head, CancellationToken cancellationToken)
    {
        // Oldest first, so that a tree which is not stored is made of the one before it by its own changes alone.
        var last = TreeHold.Stored;
        try
        {
            foreach (var (_, id) in (await ListCommitsAsync(page, head, cancellationToken)).Order())
            {
                cancellationToken.ThrowIfCancellationRequested();
                await GuardAsync($"Commit {id} of page {page}", async () =>
                {
                    var commit = await _graph.ReadAsync(id, cancellationToken);
                    await VerifyPlaceAsync(commit, cancellationToken);
                    if (await OpenTreeAsync(page, commit, cancellationToken) is { } hold)
                    {
                        last.Dispose();
                        last = hold;
                        await VerifyTreeAsync(commit, cancellationToken);
                        await VerifyChangesAsync(page, commit, cancellationToken);
                    }
                });
            }
        }
        finally
        {
            last.Dispose();
        }
    }

    /// <summary>The commits from a head to the beginning that were not seen before, each read once.</summary>
    private async Task<List<(long Generation, CommitId Id)>> ListCommitsAsync(
        PageId page, Commit head, CancellationToken cancellationToken)
    {
        var commits = new List<(long Generation, CommitId Id)>();
        var waiting = new Stack<CommitId>([head.Id]);
        while (waiting.TryPop(out var id))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (id == Commit.Genesis.Id || !_seen.Add(id.Value))
            {
                continue;
            }

            await GuardAsync($"Commit {id} of page {page}", async () =>
            {
                var commit = await _graph.ReadAsync(id, cancellationToken);
                tally.Commits++;
                tally.AddObject(commit.Content.Length);
                commits.Add((commit.Generation, id));
                foreach (var parent in commit.Parents)
                {
                    waiting.Push(parent);
                }
            });
        }

        return commits;
    }

    /// <summary>The tree of a commit; when it is not stored it is rebuilt, and compared with the root.</summary>
    private async ValueTask<TreeHold?> OpenTreeAsync(
        PageId page, Commit commit, CancellationToken cancellationToken)
    {
        TreeHold? opened = null;
        await GuardAsync($"The tree of commit {commit}", async () =>
        {
            opened = await services.Tree.TryHoldAsync(commit.Root, cancellationToken);
            if (opened is null)
            {
                opened = await services.Trees.OpenAsync(page, commit, cancellationToken);
                tally.RebuiltTrees++;
            }
        });
        return opened;
    }

    /// <summary>Generation, timestamp and skip link follow from the parents.</summary>
    private async Task VerifyPlaceAsync(Commit commit, CancellationToken cancellationToken)
    {
        var parents = new List<Commit>();
        foreach (var parent in commit.Parents)
        {
            parents.Add(await _graph.ReadAsync(parent, cancellationToken));
        }

        var (generation, skipLink) = await _graph.PlaceAboveAsync(parents, cancellationToken);
        var newest = parents.Max(parent => parent.Timestamp);
        if (commit.Generation != generation)
        {
            tally.AddProblem($"Commit {commit} has generation {commit.Generation}, not {generation}.");
        }
        else if (commit.SkipLink != skipLink)
        {
            tally.AddProblem($"Commit {commit} links to {commit.SkipLink}, not to {skipLink}.");
        }

        if (commit.Author is null ? commit.Timestamp != newest : commit.Timestamp <= newest)
        {
            tally.AddProblem($"Commit {commit} has time {commit.Timestamp}; its newest parent has {newest}.");
        }
    }

    private Task VerifyTreeAsync(Commit commit, CancellationToken cancellationToken) =>
        GuardAsync($"The tree of commit {commit}", async () =>
        {
            if (commit.Root == Tree.EmptyRoot || !_seen.Add(commit.Root))
            {
                return;
            }

            var waiting = new Stack<Node>();
            waiting.Push(await _nodes.ReadRootAsync(commit.Root, cancellationToken));
            while (waiting.TryPop(out var node))
            {
                cancellationToken.ThrowIfCancellationRequested();
                tally.AddObject(node.Content.Length);
                for (var index = 0; index < node.Count; index++)
                {
                    if (node.IsLeaf)
                    {
                        await VerifyValueAsync(
                            $"The tree of commit {commit}", node.ValueAt(index), cancellationToken,
                            mayBeAbsent: services.IsPartial &&
                                (!_heads.Contains(commit.Id) || node.ValueAt(index).Priority == EntryPriority.Lazy));
                    }
                    else if (_seen.Add(node.ChildAt(index).Id))
                    {
                        await GuardAsync(
                            $"The tree of commit {commit}",
                            async () => waiting.Push(await _nodes.ReadChildAsync(node, index, cancellationToken)));
                    }
                }
            }
        });

    private async Task VerifyChangesAsync(PageId page, Commit commit, CancellationToken cancellationToken)
    {
        var content = await services.Store.ReadRowAsync(RowKeys.Commit(page, commit.Id), cancellationToken);
        if (content is not { } bytes)
        {
            tally.AddProblem($"Commit {commit} has no row in page {page}.");
            return;
        }

        var row = CommitRow.Decode(bytes.Span);
        if (!commit.Parents.Contains(row.Parent))
        {
            tally.AddProblem($"The changes of commit {commit} are counted from {row.Parent}, which is no parent.");
            return;
        }

        await VerifyChangeObjectsAsync(row.Changes, cancellationToken);
        var parent = await _graph.ReadAsync(row.Parent, cancellationToken);
        using var hold = await services.Trees.OpenAsync(page, parent, cancellationToken);
        await using var listed = services.Changes.ReadAsync(row.Changes, default, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        await foreach (var difference in services.Tree.DiffAsync(
            parent.Root, commit.Root, KeyRange.All, cancellationToken))
        {
            if (!await listed.MoveNextAsync() || !IsSame(listed.Current, difference))
            {
                tally.AddProblem($"The changes of commit {commit} are not what differs from {row.Parent}.");
                return;
            }
        }

        if (await listed.MoveNextAsync())
        {
            tally.AddProblem($"The changes of commit {commit} are more than what differs from {row.Parent}.");
        }
    }

    private async Task VerifyChangeObjectsAsync(ChangeList changes, CancellationToken cancellationToken)
    {
        if (changes.Count == 0)
        {
            return;
        }

        var waiting = new Stack<(ObjectId Id, int Level)>([(changes.Id, changes.Level)]);
        while (waiting.TryPop(out var next))
        {
            if (!_seen.Add(next.Id))
            {
                continue;
            }

            var kind = next.Level == 0 ? ObjectKind.ChangeList : ObjectKind.ChangeIndex;
            var content = await ReadAsync(kind, next.Id, cancellationToken);
            tally.AddObject(content.Length);
            if (next.Level > 0)
            {
                foreach (var child in ChangeListCodec.DecodeIndex(content, next.Level))
                {
                    waiting.Push((child.Id, next.Level - 1));
                }
            }
        }
    }

    /// <param name="where">What names the value.</param>
    /// <param name="value">The value.</param>
    /// <param name="cancellationToken">Ends the walk.</param>
    /// <param name="mayBeAbsent">It came from elsewhere, and only what a head needs at once must be here.</param>
    private async Task VerifyValueAsync(
        string where, EntryValue value, CancellationToken cancellationToken, bool mayBeAbsent = false)
    {
        if (value.IsInline || _seen.Contains(value.Id))
        {
            return;
        }

        await GuardAsync(where, async () =>
        {
            if (mayBeAbsent && value.SizeBytes > ValueFormat.SingleSizeBytesMax &&
                await services.Store.ReadAsync(ObjectKind.ValueIndex, value.Id, cancellationToken) is null)
            {
                return;
            }

            var reader = new ValueReader(services.Store, value.Id, value.SizeBytes);
            await foreach (var part in reader.ListObjectsAsync(cancellationToken))
            {
                if (!_seen.Add(part.Id))
                {
                    continue;
                }

                if (await services.Store.ReadAsync(part.Kind, part.Id, cancellationToken) is not { } content)
                {
                    if (mayBeAbsent)
                    {
                        continue;
                    }

                    throw new MissingObjectException(part.Id);
                }

                tally.AddObject(content.Length);
                if (part.Kind == ObjectKind.Value && content.Length != part.SizeBytes)
                {
                    tally.AddProblem(
                        $"{where}: value object {part.Id} has {content.Length} bytes, not {part.SizeBytes}.");
                }
            }
        });
    }

    private async ValueTask<ReadOnlyMemory<byte>> ReadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken) =>
        await services.Store.ReadAsync(kind, id, cancellationToken) ?? throw new MissingObjectException(id);

    private static bool IsSame(TreeChange listed, TreeDifference difference) =>
        listed.Key.Span.SequenceEqual(difference.Key.Span) && Nullable.Equals(listed.Value, difference.After);

    /// <summary>Turns what is wrong into a sentence, so that the rest is walked too.</summary>
    private async Task GuardAsync(string where, Func<Task> work)
    {
        try
        {
            await work();
        }
        catch (LedgerException problem) when (
            problem is CorruptObjectException or MissingObjectException or FormatTooNewException)
        {
            tally.AddProblem($"{where}: {problem.Message}");
        }
        catch (StoreUnavailableException problem) when (problem.Reason == StoreUnavailableReason.InputOutput)
        {
            tally.AddProblem($"{where}: {problem.Message}");
        }
    }
}
