using System.Runtime.CompilerServices;
using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Commits;

/// <summary>
/// Reads the commits of a ledger and answers questions about their ancestry. Safe for concurrent use.
/// </summary>
/// <remarks>
/// The <em>main chain</em> of a commit goes from each commit to the parent with the greatest generation (of several,
/// the one with the smallest id); along it the generation falls by exactly one. Every method throws <see
/// cref="MissingObjectException"/> for a commit that is not here, <see cref="CorruptObjectException"/> for a damaged
/// one, and <see cref="FormatTooNewException"/> for one of a newer version.
/// </remarks>
/// <param name="runtime">Entered again after each result.</param>
/// <param name="store">Where commits are.</param>
/// <param name="cacheCount">Commits kept in memory.</param>
internal sealed class CommitGraph(LedgerRuntime runtime, IObjectStore store, int cacheCount = CommitGraph.CacheCount)
{
    /// <summary>Commits kept in memory unless said otherwise: about a megabyte.</summary>
    public const int CacheCount = 4096;

    private readonly CommitCache _cache = new(cacheCount);

    /// <summary>Reads a commit.</summary>
    public async ValueTask<Commit> ReadAsync(CommitId id, CancellationToken cancellationToken)
    {
        if (id == Commit.Genesis.Id)
        {
            return Commit.Genesis;
        }

        if (_cache.TryGet(id, out var cached))
        {
            return cached;
        }

        var content = await store.ReadAsync(ObjectKind.Commit, id.Value, cancellationToken)
            ?? throw new MissingObjectException(id.Value);
        var commit = Commit.Decode(content);
        _cache.Add(commit);
        return commit;
    }

    /// <summary>Keeps a commit that was just stored.</summary>
    public void Add(Commit commit) => _cache.Add(commit);

    /// <summary>The next commit of the main chain.</summary>
    /// <param name="commit">Not genesis.</param>
    /// <param name="cancellationToken">Cancels the read.</param>
    public async ValueTask<Commit> ReadMainParentAsync(Commit commit, CancellationToken cancellationToken)
    {
        Invariant.Check(!commit.IsGenesis);
        Commit? main = null;
        foreach (var id in commit.Parents)
        {
            // Ascending by id: of equal generations the first one stays.
            var parent = await ReadAsync(id, cancellationToken);
            main = main is null || parent.Generation > main.Generation ? parent : main;
        }

        Invariant.Check(main is not null);
        return main.Generation == commit.Generation - 1
            ? main
            : throw new CorruptObjectException(
                $"commit {commit.Id} has generation {commit.Generation} on a parent of {main.Generation}",
                commit.Id.Value);
    }

    /// <summary>
    /// The commit of the main chain that has a generation; hops are about the logarithm of the distance, squared.
    /// </summary>
    /// <param name="commit">Where the chain begins.</param>
    /// <param name="generation">0 to the generation of <paramref name="commit"/>.</param>
    /// <param name="cancellationToken">Cancels the reads.</param>
    public async ValueTask<Commit> ReadAncestorAsync(
        Commit commit, long generation, CancellationToken cancellationToken)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(generation);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(generation, commit.Generation);
        while (commit.Generation > generation)
        {
            var linked = Commit.SkipGenerationOf(commit.Generation);
            if (linked < generation)
            {
                commit = await ReadMainParentAsync(commit, cancellationToken);
                continue;
            }

            var skipped = await ReadAsync(commit.SkipLink, cancellationToken);
            commit = skipped.Generation == linked
                ? skipped
                : throw new CorruptObjectException(
                    $"the skip link of commit {commit.Id} leads to generation {skipped.Generation}, not {linked}",
                    commit.Id.Value);
        }

        return commit;
    }

    /// <summary>The generation and the skip link of a commit to be made on some parents.</summary>
    /// <param name="parents">One or more.</param>
    /// <param name="cancellationToken">Cancels the reads.</param>
    public async ValueTask<(long Generation, CommitId Skip)> PlaceAboveAsync(
        IReadOnlyList<Commit> parents, CancellationToken cancellationToken)
    {
        var main = parents.OrderByDescending(parent => parent.Generation).ThenBy(parent => parent.Id).First();
        var generation = main.Generation + 1;
        var skip = await ReadAncestorAsync(main, Commit.SkipGenerationOf(generation), cancellationToken);
        return (generation, skip.Id);
    }

    /// <summary>A commit and all its ancestors but genesis, newest first, each once.</summary>
    /// <remarks>By (timestamp, generation, id), descending: every commit comes before its parents.</remarks>
    public async IAsyncEnumerable<Commit> LogAsync(
        Commit from, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var commit in WalkAsync(from, generationMin: 1, cancellationToken))
        {
            yield return commit;
            await runtime.Enter();
        }
    }

    /// <summary>Whether a commit is another one or one of its ancestors.</summary>
    public async ValueTask<bool> IsAncestorAsync(
        Commit ancestor, Commit descendant, CancellationToken cancellationToken)
    {
        if (ancestor.Generation > descendant.Generation)
        {
            return false;
        }

        var onMainChain = await ReadAncestorAsync(descendant, ancestor.Generation, cancellationToken);
        if (onMainChain.Id == ancestor.Id)
        {
            return true;
        }

        await foreach (var commit in WalkAsync(descendant, ancestor.Generation, cancellationToken))
        {
            if (commit.Id == ancestor.Id)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A commit and its ancestors of at least a generation, in the order of <see cref="LogAsync"/>.</summary>
    private async IAsyncEnumerable<Commit> WalkAsync(
        Commit from, long generationMin, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Only what waits is remembered: the order brings every child of a commit before the commit itself.
        var waiting = new SortedSet<Commit>(NewestFirst.Instance);
        if (from.Generation >= generationMin)
        {
            waiting.Add(from);
        }

        while (waiting.Min is { } newest)
        {
            waiting.Remove(newest);
            yield return newest;
            foreach (var id in newest.Parents)
            {
                var parent = await ReadAsync(id, cancellationToken);
                CheckOrder(newest, parent);
                if (parent.Generation >= generationMin)
                {
                    waiting.Add(parent);
                }
            }
        }
    }

    /// <summary>Refuses a commit that is not after its parent: every walk relies on the order.</summary>
    /// <exception cref="CorruptObjectException">It is not.</exception>
    internal static void CheckOrder(Commit commit, Commit parent)
    {
        if (parent.Generation >= commit.Generation || parent.Timestamp > commit.Timestamp)
        {
            throw new CorruptObjectException(
                $"commit {commit.Id} (generation {commit.Generation}, time {commit.Timestamp}) is not after its " +
                $"parent {parent.Id} (generation {parent.Generation}, time {parent.Timestamp})",
                commit.Id.Value);
        }
    }

    /// <summary>By (timestamp, generation, id), descending: every commit comes before its parents.</summary>
    internal sealed class NewestFirst : IComparer<Commit>
    {
        /// <summary>The only one there is.</summary>
        public static readonly NewestFirst Instance = new();

        /// <inheritdoc/>
        public int Compare(Commit? x, Commit? y)
        {
            Invariant.Check(x is not null && y is not null);
            var order = y.Timestamp.CompareTo(x.Timestamp);
            order = order != 0 ? order : y.Generation.CompareTo(x.Generation);
            return order != 0 ? order : y.Id.CompareTo(x.Id);
        }
    }
}
