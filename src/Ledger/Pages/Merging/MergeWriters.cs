using Ledger.Commits;
using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Pages.Merging;

/// <summary>
/// The newest writer of every key that one side alone has written: what <see cref="MergePolicy.LastOneWins"/> takes.
/// </summary>
/// <remarks>
/// The candidates are the commits of one side alone and the common ones that are not older than the oldest of those.
/// Their writes are laid over each other from the oldest writer to the newest, in bounded memory.
/// </remarks>
internal sealed class MergeWriters : IAsyncDisposable
{
    // A longer list is read where it is; shorter ones are put together in memory.
    private const long CopiedChangesMax = 1 << 16;

    private readonly CommitWrites _writes;
    private readonly ChangeListReader _changes;
    private readonly IObjectWriter _lease;
    private readonly TransactionChanges _newest;
    private readonly Dictionary<CommitId, MergeSide> _sides;

    private MergeWriters(LedgerServices services, PageId page, CommitComparison comparison)
    {
        _writes = new CommitWrites(services, page);
        _changes = services.Changes;
        _lease = services.Store.BeginWrite();
        _newest = new TransactionChanges(services, _lease, TransactionChanges.SizeBytesMax);
        _sides = comparison.LeftOnly.ToDictionary(commit => commit.Id, _ => MergeSide.Left);
        foreach (var commit in comparison.RightOnly)
        {
            _sides.Add(commit.Id, MergeSide.Right);
        }

        Candidates = [.. comparison.LeftOnly.Concat(comparison.RightOnly).Concat(comparison.RecentCommon)
            .Order(WriterOrder.Instance)];
    }

    /// <summary>The commits that may have written last, oldest writer first.</summary>
    public IReadOnlyList<Commit> Candidates { get; }

    /// <summary>Keys written by the left side alone, counted once for each write.</summary>
    public long LeftCount { get; private set; }

    /// <summary>Keys written by the right side alone, counted once for each write.</summary>
    public long RightCount { get; private set; }

    /// <summary>Reads what the candidates wrote.</summary>
    /// <param name="services">The ledger's.</param>
    /// <param name="page">The page.</param>
    /// <param name="comparison">The two heads.</param>
    /// <param name="cancellationToken">Cancels the reads.</param>
    public static async ValueTask<MergeWriters> ReadAsync(
        LedgerServices services, PageId page, CommitComparison comparison, CancellationToken cancellationToken)
    {
        var writers = new MergeWriters(services, page, comparison);
        var isRead = false;
        try
        {
            foreach (var commit in writers.Candidates)
            {
                await writers.AddAsync(commit, cancellationToken);
            }

            // From here on only readers come, and several may come at once.
            await writers._lease.WriteAheadAsync(cancellationToken);
            isRead = true;
            return writers;
        }
        finally
        {
            if (!isRead)
            {
                await writers.DisposeAsync();
            }
        }
    }

    /// <summary>Whose a candidate is.</summary>
    public MergeSide SideOf(Commit commit) => _sides.GetValueOrDefault(commit.Id, MergeSide.Common);

    /// <summary>The written keys, ascending, with what the newest writer wrote.</summary>
    public IAsyncEnumerable<TreeChange> ReadNewestAsync(CancellationToken cancellationToken) =>
        _newest.ReadAsync(cancellationToken);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _lease.DisposeAsync();

    private async ValueTask AddAsync(Commit commit, CancellationToken cancellationToken)
    {
        long count = 0;
        var list = await _writes.FindListAsync(commit, cancellationToken);
        if (list is { Count: > CopiedChangesMax } stored)
        {
            await _newest.AddAsync(stored, cancellationToken);
            count = stored.Count;
        }
        else
        {
            var writes = list is { } few
                ? _changes.ReadAsync(few, default, cancellationToken)
                : _writes.ReadDifferencesAsync(commit, cancellationToken);
            await foreach (var write in writes)
            {
                await _newest.SetAsync(write.Key, write.Value, cancellationToken);
                count++;
            }
        }

        var side = SideOf(commit);
        LeftCount += side == MergeSide.Left ? count : 0;
        RightCount += side == MergeSide.Right ? count : 0;
    }
}

/// <summary>Where a write comes from.</summary>
public enum MergeSide
{
    /// <summary>From the history that both sides share.</summary>
    Common,

    /// <summary>From the newer head alone.</summary>
    Left,

    /// <summary>From the older head alone.</summary>
    Right,
}
