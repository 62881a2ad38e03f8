using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages.Rows;
using Ledger.Runtime;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>
/// Gives the trees of commits; one that is not stored is rebuilt from the nearest one that is and the changes since.
/// </summary>
/// <remarks>
/// Safe for concurrent use; one tree is rebuilt at a time, so that memory stays bounded. What is rebuilt is held like
/// any other new tree. How much there is to replay, the limits of the write-back bound.
/// </remarks>
/// <param name="services">The ledger's.</param>
internal sealed class CommitTrees(LedgerServices services)
{
    /// <summary>Memory of the changes that are put together before they are applied.</summary>
    public const long MergedSizeBytesMax = 8L << 20;

    private const int ChangeOverheadBytes = 160;

    private readonly AsyncLock _turns = new();
    private long _rebuilt;

    /// <summary>Trees rebuilt so far.</summary>
    public long Rebuilt => Volatile.Read(ref _rebuilt);

    /// <summary>The tree of a commit.</summary>
    /// <returns>Keeps the tree's nodes at hand until it is disposed of.</returns>
    /// <exception cref="CorruptObjectException">The tree is not stored, and its changes do not make it.</exception>
    public async ValueTask<TreeHold> OpenAsync(PageId page, Commit commit, CancellationToken cancellationToken) =>
        await services.Tree.TryHoldAsync(commit.Root, cancellationToken) ??
        (await RebuildAsync(page, commit, cancellationToken)).Hold;

    /// <summary>The tree of a commit; one that was rebuilt and is a head's stays with the head.</summary>
    /// <inheritdoc cref="OpenAsync(PageId, Commit, CancellationToken)"/>
    public ValueTask<TreeHold> OpenAsync(PageState page, Commit commit, CancellationToken cancellationToken) =>
        TryOpen(commit) is { } hold
            ? new ValueTask<TreeHold>(hold)
            : OpenAbsentAsync(page, commit, cancellationToken);

    /// <summary>The tree of a commit, if its root is in memory.</summary>
    public TreeHold? TryOpen(Commit commit) =>
        services.Tree.Dirty.TryHold(commit.Root) ??
        (services.Tree.IsCached(commit.Root) ? TreeHold.Stored : null);

    private async ValueTask<TreeHold> OpenAbsentAsync(
        PageState page, Commit commit, CancellationToken cancellationToken)
    {
        if (await services.Tree.TryHoldAsync(commit.Root, cancellationToken) is { } hold)
        {
            return hold;
        }

        var rebuilt = await RebuildAsync(page.Id, commit, cancellationToken);
        lock (page.Gate)
        {
            // Of a page that was deleted, somebody may have made the next one: the heads are that one's.
            foreach (var branch in page.Branches.Where(branch => page.IsUsable && branch.Head.Id == commit.Id))
            {
                services.Heads.Set(page.Id, branch.Number, commit.Root);
                services.Tree.WriteBack.Count(rebuilt.Commits, rebuilt.Changes);
            }
        }

        return rebuilt.Hold;
    }

    private async ValueTask<RebuiltTree> RebuildAsync(PageId page, Commit commit, CancellationToken cancellationToken)
    {
        using var turn = await _turns.AcquireAsync(cancellationToken);
        var missing = new Stack<ChangeList>();
        var first = commit;
        TreeHold? hold;
        while ((hold = await services.Tree.TryHoldAsync(first.Root, cancellationToken)) is null)
        {
            var row = await ReadRowAsync(page, first, cancellationToken);
            missing.Push(row.Changes);
            first = await services.Graph.ReadAsync(row.Parent, cancellationToken);
        }

        var replay = new Replay(services, first.Root, hold);
        try
        {
            foreach (var changes in missing)
            {
                await replay.AddAsync(changes, cancellationToken);
            }

            await replay.ApplyAsync(cancellationToken);
            if (replay.Root != commit.Root && !services.Bugs.HasFlag(PlantedBugs.SkipRootCheck))
            {
                throw new CorruptObjectException(
                    $"the tree of commit {commit.Id} is not stored, and the changes since commit {first.Id} make " +
                    $"root {replay.Root} instead of {commit.Root}",
                    commit.Id.Value);
            }

            Interlocked.Increment(ref _rebuilt);
            return new RebuiltTree(replay.TakeHold(), missing.Count, replay.ChangeCount);
        }
        finally
        {
            replay.Dispose();
        }
    }

    private async ValueTask<CommitRow> ReadRowAsync(PageId page, Commit commit, CancellationToken cancellationToken)
    {
        if (await services.Store.ReadRowAsync(RowKeys.Commit(page, commit.Id), cancellationToken) is not { } content)
        {
            throw new CorruptObjectException(
                $"the tree of commit {commit.Id} is not stored, and no row in page {page} names its changes",
                commit.Id.Value);
        }

        var row = CommitRow.Decode(content.Span);
        return commit.Parents.Contains(row.Parent)
            ? row
            : throw new CorruptObjectException(
                $"the changes of commit {commit.Id} are counted from {row.Parent}, which is no parent",
                commit.Id.Value);
    }

    private readonly record struct RebuiltTree(TreeHold Hold, long Commits, long Changes);

    /// <summary>Applies lists of changes, many at once, to one tree after the other.</summary>
    private sealed class Replay(LedgerServices services, ObjectId root, TreeHold hold) : IDisposable
    {
        private readonly SortedDictionary<ReadOnlyMemory<byte>, EntryValue?> _changes = new(KeyComparer.Instance);
        private TreeHold? _hold = hold;
        private long _sizeBytes;

        public ObjectId Root { get; private set; } = root;

        public long ChangeCount { get; private set; }

        public async ValueTask AddAsync(ChangeList list, CancellationToken cancellationToken)
        {
            await foreach (var (key, value) in services.Changes.ReadAsync(list, default, cancellationToken))
            {
                // Replaced ones count too: their lists may be kept in memory by the keys.
                _changes[key] = value;
                _sizeBytes += ChangeOverheadBytes + key.Length + (value?.Inline.Length ?? 0);
                ChangeCount++;
                if (_sizeBytes > MergedSizeBytesMax)
                {
                    await ApplyAsync(cancellationToken);
                }
            }
        }

        public async ValueTask ApplyAsync(CancellationToken cancellationToken)
        {
            using var batch = services.Tree.WriteBack.BeginBatch();
            var changes = _changes.Select(pair => new TreeChange(pair.Key, pair.Value));
            var root = await services.Tree.ApplyAsync(Root, changes, batch, cancellationToken);
            var made = await services.Tree.TryHoldAsync(root, cancellationToken);
            Invariant.Check(made is not null);
            _hold?.Dispose();
            (Root, _hold) = (root, made);
            _changes.Clear();
            _sizeBytes = 0;
        }

        public TreeHold TakeHold()
        {
            Invariant.Check(_hold is not null);
            var hold = _hold;
            _hold = null;
            return hold;
        }

        public void Dispose() => _hold?.Dispose();
    }
}
