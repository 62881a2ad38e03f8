using Ledger.Commits;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Pages.Rows;
using Ledger.Trees;

namespace Ledger.Sync;

/// <summary>What one record brings to one page. Used once, in a turn; lets go of what was not shown.</summary>
internal sealed class PageIntake : IDisposable
{
    // Of one record.
    private const int RetriedMax = 1000;

    private readonly SyncContext _context;
    private readonly IObjectWriter _lease;
    private readonly PageId _page;
    private readonly CommitApplier _applier;
    private readonly Dictionary<CommitId, AppliedCommit> _applied = [];
    private readonly List<AppliedCommit> _order = [];
    private readonly List<CommitId> _waiting = [];
    private SyncPageRow _row;

    // The life before, which has ended here without the cloud having been told: its row stays until it is.
    private SyncPageRow? _ended;
    private long _waitingCount;
    private long _waitingSizeBytes;
    private bool _isShown;

    private PageIntake(
        SyncContext context, IObjectWriter lease, PageId page, SyncPageRow row, SyncPageRow? ended)
    {
        (_context, _lease, _page, _row, _ended) = (context, lease, page, row, ended);
        _applier = new CommitApplier(context, page);
    }

    /// <summary>Reads what is known of the page.</summary>
    public static async ValueTask<PageIntake> BeginAsync(
        SyncContext context, IObjectWriter lease, PageId page, CancellationToken cancellationToken)
    {
        var (incarnation, _, _) = await context.ReadLifeAsync(page, cancellationToken);
        return new PageIntake(
            context, lease, page, await context.ReadPageAsync(page, incarnation, cancellationToken),
            await context.ReadEndedAsync(page, incarnation, cancellationToken));
    }

    /// <summary>An entry of the page was read, whatever came of it.</summary>
    public void Passed(FeedPosition position) =>
        _row = _row with { End = position > _row.End ? position : _row.End };

    /// <summary>These, too, count as uploaded.</summary>
    public void MarkUploaded(IReadOnlyList<CommitId> heads) =>
        _row = heads.Count == 0 ? _row : _row with { Uploaded = heads };

    /// <summary>
    /// Applies the commits of an entry, all of them or none; what waits for parents counts as applied.
    /// </summary>
    /// <exception cref="CorruptObjectException">One cannot be applied.</exception>
    public async ValueTask AddAsync(OpenedEntry entry, CancellationToken cancellationToken)
    {
        if (entry.Incarnation != _row.Incarnation && !_context.Has(PlantedBugs.SyncIgnoreIncarnation))
        {
            // Of a page that was deleted: nothing of it comes back, and whoever has it is told.
            if (entry.Incarnation < _row.Incarnation && !_row.IsInCloud)
            {
                _ended ??= SyncPageRow.New(entry.Incarnation) with { IsAnnounced = true };
            }

            return;
        }

        // The cloud has this life of the page: that the one before has ended needs no telling.
        _ended = null;

        var before = _order.Count;
        var row = _row;
        var isAdded = false;
        var (waiting, count, sizeBytes) = (_waiting.Count, _waitingCount, _waitingSizeBytes);
        try
        {
            foreach (var incoming in entry.Commits)
            {
                await AddAsync(incoming, entry.Entry.Position, cancellationToken);
            }

            isAdded = true;
        }
        finally
        {
            if (!isAdded)
            {
                _row = row;
                Drop(before);
                _waiting[waiting..].ForEach(
                    commit => _lease.DeleteRow(SyncRowKeys.WaitingCommit(_page, commit)));
                _waiting.RemoveRange(waiting, _waiting.Count - waiting);
                (_waitingCount, _waitingSizeBytes) = (count, sizeBytes);
            }
        }
    }

    /// <summary>True when a commit was applied.</summary>
    public bool HasApplied => _order.Count > 0;

    /// <summary>What waits of a page, parents before children.</summary>
    public static async ValueTask<IReadOnlyList<WaitingCommit>> ListWaitingAsync(
        SyncContext context, PageId page, CancellationToken cancellationToken)
    {
        var waiting = new List<WaitingCommit>();
        var prefix = SyncRowKeys.WaitingOf(page);
        await foreach (var (key, value) in context.Store.ScanRowsAsync(prefix, cancellationToken))
        {
            var commit = await context.Services.Graph.ReadAsync(
                SyncRowKeys.ReadCommit(key.Span), cancellationToken);
            waiting.Add(new WaitingCommit(commit, WaitingRow.Decode(value.Span)));
        }

        return [.. waiting.OrderBy(each => each.Commit.Generation)];
    }

    /// <summary>Applies what waited and can be applied now, as much as fits into a record.</summary>
    /// <param name="waiting">Parents before children.</param>
    /// <param name="start">The first that is looked at.</param>
    /// <param name="cancellationToken">Cancels the reads.</param>
    /// <returns>The first that was not looked at, and whether anything does not wait any more.</returns>
    public async ValueTask<(int Next, bool IsMoving)> RetryWaitingAsync(
        IReadOnlyList<WaitingCommit> waiting, int start, CancellationToken cancellationToken)
    {
        var isMoving = false;
        var next = start;
        for (; next < waiting.Count && _order.Count < RetriedMax; next++)
        {
            var (commit, row) = waiting[next];
            var isOver = row.Incarnation != _row.Incarnation;
            if (isOver || await HasParentsAsync(commit, cancellationToken))
            {
                EndWait(commit.Id, row);
                isMoving = true;
            }
            else
            {
                continue;
            }

            if (!isOver)
            {
                await ApplyWaitingAsync(commit, row, cancellationToken);
            }
        }

        return (next, isMoving);
    }

    /// <summary>Lets go of the trees of a record that was not written.</summary>
    public void Dispose()
    {
        if (!_isShown)
        {
            Drop(0);
        }
    }

    /// <summary>Puts everything into the record.</summary>
    public void SetRows()
    {
        foreach (var (commit, start, changes, _) in _order)
        {
            _lease.SetRow(
                RowKeys.Commit(_page, commit.Id), new CommitRow(_row.Incarnation, start, changes).Encode());
        }

        var row = _ended is { } ended ? ended with { End = _row.End } : _row;
        _lease.SetRow(SyncRowKeys.Page(_page), row.Encode());
    }

    /// <summary>The record is written.</summary>
    public void Show(PendingTrees holds)
    {
        _isShown = true;
        if (_waitingCount != 0)
        {
            var now = _context.Runtime.Time.GetTimestamp();
            _context.Report.Count(counts => counts.Wait(_waitingCount, _waitingSizeBytes, now));
        }

        foreach (var applied in _order)
        {
            _context.Services.Graph.Add(applied.Commit);
            if (_row.Pending.Contains(applied.Commit.Id))
            {
                holds.Add(applied.Commit.Id, applied.Tree);
            }
            else
            {
                applied.Tree.Dispose();
            }
        }

        foreach (var parent in _order.SelectMany(applied => applied.Commit.Parents))
        {
            holds.Remove(parent);
        }

        if (_ended is not null)
        {
            _context.Services.Moved.Add(_page);
        }
    }

    private void EndWait(CommitId commit, WaitingRow row)
    {
        _lease.DeleteRow(SyncRowKeys.WaitingCommit(_page, commit));
        (_waitingCount, _waitingSizeBytes) = (_waitingCount - 1, _waitingSizeBytes - row.SizeBytes);
    }

    private async ValueTask AddAsync(
        IncomingCommit incoming, FeedPosition position, CancellationToken cancellationToken)
    {
        var commit = incoming.Commit;
        if (await HasAsync(commit.Id, cancellationToken))
        {
            await NoteUploadedAsync(commit, cancellationToken);
            return;
        }

        var changes = await StoreAsync(incoming, cancellationToken);
        if (!await HasParentsAsync(commit, cancellationToken) && !_context.Has(PlantedBugs.SyncChildBeforeParent))
        {
            await WaitAsync(incoming, changes, position, cancellationToken);
            return;
        }

        await ApplyAsync(commit, incoming.Base, changes, incoming.Changes.ToAsyncEnumerable(), cancellationToken);
        NoteTime(commit, position);
    }

    private void NoteTime(Commit commit, FeedPosition position)
    {
        var aheadMs = commit.Timestamp.Milliseconds - _context.Runtime.WallClockMs();
        if (aheadMs > SyncReport.AheadTimeMax.TotalMilliseconds && commit.Author is { } author)
        {
            var reason = $"Commit {commit.Id} of device {author.Device} is dated " +
                $"{commit.Timestamp.ToDateTimeOffset():u}, more than 24 hours ahead of this device's clock.";
            var problem = NewProblem(author.Device, SyncProblemKind.AheadOfTime, reason);
            _context.SetProblem(_lease, position, problem with { Sequence = commit.Timestamp.Milliseconds });
        }
    }

    private QuarantineRow NewProblem(DeviceId device, SyncProblemKind kind, string reason) =>
        new(default, _context.Keys.NameOf(_page), device, 0, kind, reason);

    private async ValueTask<ChangeList> StoreAsync(IncomingCommit incoming, CancellationToken cancellationToken)
    {
        var commit = incoming.Commit;
        await _lease.PutAsync(ObjectKind.Commit, commit.Id.Value, commit.Content, cancellationToken);
        var writer = new ChangeListWriter(_lease);
        foreach (var change in incoming.Changes)
        {
            await writer.AddAsync(change, cancellationToken);
        }

        var changes = await writer.FinishAsync(cancellationToken);

        // Whoever asks for the ancestry of a commit of this record finds it in the store.
        if (_order.Count > 0)
        {
            await _lease.WriteAheadAsync(cancellationToken);
        }

        return changes;
    }

    private async ValueTask ApplyAsync(
        Commit commit, CommitId start, ChangeList changes, IAsyncEnumerable<TreeChange> content,
        CancellationToken cancellationToken)
    {
        var tree = await _applier.ApplyAsync(commit, start, content, _applied, cancellationToken);
        var applied = new AppliedCommit(commit, start, changes, tree);
        _applied.Add(commit.Id, applied);
        _order.Add(applied);
        _ended = null;
        _row = _row with
        {
            Uploaded = SyncPageRow.With(_row.Uploaded, commit),
            Pending = SyncPageRow.With(_row.Pending, commit),
        };
    }

    private async ValueTask ApplyWaitingAsync(Commit commit, WaitingRow row, CancellationToken cancellationToken)
    {
        var before = _order.Count;
        var problem = default(string);
        try
        {
            await ApplyAsync(
                commit, row.Base, row.Changes,
                _context.Services.Changes.ReadAsync(row.Changes, default, cancellationToken), cancellationToken);
            NoteTime(commit, row.Position);
        }
        catch (CorruptObjectException exception)
        {
            problem = exception.Message;
        }

        if (problem is not null)
        {
            Drop(before);
            _context.SetProblem(_lease, row.Position, NewProblem(default, SyncProblemKind.Quarantined, problem));
        }
    }

    private async ValueTask WaitAsync(
        IncomingCommit incoming, ChangeList changes, FeedPosition position, CancellationToken cancellationToken)
    {
        if (_context.Has(PlantedBugs.SyncForgetWaiting))
        {
            return;
        }

        var sizeBytes = incoming.Commit.Content.Length + incoming.Changes.Sum(
            change => 64L + change.Key.Length + (change.Value?.Inline.Length ?? 0));
        var key = SyncRowKeys.WaitingCommit(_page, incoming.Commit.Id);
        if (await _context.Store.ReadRowAsync(key, cancellationToken) is not null ||
            _waiting.Contains(incoming.Commit.Id))
        {
            return;
        }

        _waiting.Add(incoming.Commit.Id);
        (_waitingCount, _waitingSizeBytes) = (_waitingCount + 1, _waitingSizeBytes + sizeBytes);
        _lease.SetRow(
            key,
            new WaitingRow(_row.Incarnation, position, incoming.Base, changes, sizeBytes).Encode());
    }

    /// <summary>The cloud has a commit that was made here too, or was received before.</summary>
    private async ValueTask NoteUploadedAsync(Commit commit, CancellationToken cancellationToken)
    {
        if (_applied.ContainsKey(commit.Id))
        {
            return;
        }

        foreach (var id in _row.Uploaded)
        {
            var uploaded = _applied.TryGetValue(id, out var fresh)
                ? fresh.Commit
                : await _context.Services.Graph.ReadAsync(id, cancellationToken);
            if (await _context.Services.Graph.IsAncestorAsync(commit, uploaded, cancellationToken))
            {
                return;
            }
        }

        _row = _row with { Uploaded = SyncPageRow.With(_row.Uploaded, commit) };
    }

    private async ValueTask<bool> HasParentsAsync(Commit commit, CancellationToken cancellationToken)
    {
        foreach (var parent in commit.Parents)
        {
            if (!await HasAsync(parent, cancellationToken))
            {
                return false;
            }
        }

        return true;
    }

    private async ValueTask<bool> HasAsync(CommitId commit, CancellationToken cancellationToken) =>
        commit == Commit.Genesis.Id || _applied.ContainsKey(commit) ||
        (await _context.Store.ReadRowAsync(RowKeys.Commit(_page, commit), cancellationToken) is { } content &&
            CommitRow.Decode(content.Span).Incarnation == _row.Incarnation);

    private void Drop(int from)
    {
        var dropped = _order[from..];
        _order.RemoveRange(from, dropped.Count);
        foreach (var applied in dropped)
        {
            _applied.Remove(applied.Commit.Id);
            applied.Tree.Dispose();
        }
    }
}
