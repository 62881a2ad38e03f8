using Ledger.Objects;
using Ledger.Pages;
using Ledger.Simulation.Model;
using Ledger.Simulation.Worlds;
using Ledger.Trees;

namespace Ledger.Simulation.Workload;

/// <summary>Transactions, snapshots, history, and what is done now and then.</summary>
internal sealed partial class Actor
{
    private async Task TransactAsync()
    {
        var model = _run.Model.BeginTransaction();
        var failIfMoved = !_run.Options.Diverges || _random.Next(5) == 0;
        await using var transaction = await _page.BeginTransactionAsync();
        var replaced = new Dictionary<int, long>();
        var changes = new SortedDictionary<int, (int SizeBytes, bool IsLazy)>();
        for (var count = _random.Next(1, 7); count > 0; count--)
        {
            var key = _random.Next(page.KeyCount);
            if (_random.Next(3) == 0 && !changes.ContainsKey(key))
            {
                var value = await ReadAsync(key, transaction.GetAsync);
                replaced[key] = value is { } bytes ? page.Identify(key, bytes.Span, Where).Id : 0;
            }

            var sizeBytes = _random.Next(5) == 0 ? -1 : PickSize();
            changes[key] = (sizeBytes, sizeBytes > 0 && PickLazy(sizeBytes));
            if (_random.Next(8) == 0)
            {
                await session.Runtime.Delay(TimeSpan.FromMilliseconds(_random.Next(300)), CancellationToken.None);
            }
        }

        var writes = new List<Write>();
        foreach (var (key, (sizeBytes, isLazy)) in changes)
        {
            var write = _run.Model.Begin(
                page, Device, key, sizeBytes, isLazy, replaced.GetValueOrDefault(key), model);
            writes.Add(write);
            model.Writes.Add(key, write);
        }

        if (!await FillAsync(transaction, writes))
        {
            return;
        }

        if (_random.Next(8) == 0)
        {
            await transaction.RollbackAsync();
            writes.ForEach(write => _run.Model.End(write, WriteState.Refused));
            return;
        }

        // The commit gives them their time, not the put.
        var begun = _run.Model.Tick();
        writes.ForEach(write => write.Begun = begun);
        await CommitAsync(transaction, writes, failIfMoved);
    }

    private async Task<bool> FillAsync(ITransaction transaction, List<Write> writes)
    {
        try
        {
            foreach (var write in writes)
            {
                var key = page.KeyBytes(write.Key);
                await (write.IsDelete
                    ? transaction.DeleteAsync(key)
                    : transaction.PutAsync(
                        key, write.Value(), write.IsLazy ? EntryPriority.Lazy : EntryPriority.Eager));
            }

            return true;
        }
        catch (StoreUnavailableException problem) when (!session.Life.IsDead)
        {
            writes.ForEach(write => _run.Model.End(write, WriteState.Refused));
            RecoverDisk(problem);
            return false;
        }
    }

    private async Task CommitAsync(ITransaction transaction, List<Write> writes, bool failIfMoved)
    {
        var durability = PickDurability();
        try
        {
            await EndAsync(writes, durability, () => transaction.CommitAsync(failIfMoved, durability));
        }
        catch (PageMovedException) when (failIfMoved)
        {
            writes.ForEach(write => _run.Model.End(write, WriteState.Refused));
        }
    }

    private async Task ReadSnapshotAsync()
    {
        if (_snapshots.Count >= SnapshotsMax || (_snapshots.Count > 0 && _random.Next(3) == 0))
        {
            var index = _random.Next(_snapshots.Count);
            var held = _snapshots[index];
            _snapshots.RemoveAt(index);
            await held.CheckAsync(page, Where);
            return;
        }

        var snapshot = await _page.GetSnapshotAsync();
        var taken = new HeldSnapshot(snapshot);
        _snapshots.Add(taken);
        if (_random.Next(4) == 0)
        {
            await taken.RememberAsync(page, Where);
        }

        var start = _random.Next(page.KeyCount);
        var reverse = _random.Next(2) == 0;
        var left = 5;
        await foreach (var entry in snapshot.GetEntriesAsync(page.KeyBytes(start), null, reverse))
        {
            var key = page.KeyOf(entry.Key);
            if (entry.Key.Span.SequenceCompareTo(page.KeyBytes(start)) < 0)
            {
                throw new ViolationException("R8", $"{Where}: a range shows key {key}, which is outside of it.");
            }

            if (entry.Value is { } value)
            {
                page.Identify(key, value.Span, Where);
            }
            else
            {
                Checks.CheckLazy(page, entry, Where);
            }

            if (--left == 0)
            {
                break;
            }
        }
    }

    private async Task ReadHistoryAsync()
    {
        var key = _random.Next(page.KeyCount);
        var left = 4;
        if (_random.Next(2) == 0)
        {
            await foreach (var version in _page.HistoryOfAsync(page.KeyBytes(key)))
            {
                if (version.Entry is { Value: { } value })
                {
                    page.Identify(key, value.Span, Where);
                }

                if (--left == 0)
                {
                    break;
                }
            }

            return;
        }

        CommitInfo? newest = null;
        await foreach (var commit in _page.LogAsync(limit: 6))
        {
            newest ??= commit;
            if (--left == 0)
            {
                await using var old = await _page.GetSnapshotAsync(AsOf.Commit(commit.Id));
                await Checks.ScanAsync(page, old, Where, isOld: true);
                await foreach (var change in _page.DiffAsync(commit.Id, newest.Id))
                {
                    page.KeyOf(change.Key);
                }
            }
        }
    }

    private async Task ManageAsync(int choice)
    {
        switch (choice)
        {
            case < 8:
                var begun = _run.Model.Tick();
                await session.Repository.FlushAsync();
                _run.Model.Flushed(Device, begun);
                break;
            case < 14:
                if (_run.Model.Policy is PolicyKind.LastOneWins)
                {
                    await _page.WaitForMergesAsync();
                }

                break;
            case < 17:
                if (_run.Options.Diverges && _run.Model.WritersDecide)
                {
                    await _page.MergeHeadsAsync(message: "asked for");
                }

                break;
            case < 20:
                if (_run.Options.ClocksJump)
                {
                    session.Device.ClockOffset = TimeSpan.FromDays((_random.NextDouble() - 0.5) * 7300);
                }

                break;
            case < 21:
                await VerifyAsync();
                break;
            case < 22:
                await OpenTwiceAsync();
                break;
            case < 23:
                session.IsEnding = true;
                break;
            case < 30:
                await _page.DisposeAsync();
                _page = await session.Ledger.GetPageAsync(page.Id);
                _own.Clear();
                break;
            default:
                await GetAsync();
                break;
        }
    }

    private async Task VerifyAsync()
    {
        var report = await session.Repository.VerifyAsync();
        if (report.Problems.Count > 0 && _run.Options.DiskFaults == 0)
        {
            throw new ViolationException("R6", $"{Where}: it does not verify: {string.Join(' ', report.Problems)}");
        }
    }

    private async Task OpenTwiceAsync()
    {
        try
        {
            await using var second = await Repository.OpenAsync(
                Session.Path, new RepositoryOptions { Runtime = session.Runtime });
            throw new ViolationException("R11", $"{Where}: the repository was opened twice.");
        }
        catch (StoreUnavailableException refusal) when (refusal.Reason == StoreUnavailableReason.Locked)
        {
            _run.World.Trace(44, 0);
        }
    }

    /// <summary>A snapshot, and what it had when it was taken.</summary>
    private sealed class HeldSnapshot(IPageSnapshot snapshot)
    {
        private SortedDictionary<int, long>? _entries;

        public async Task RememberAsync(PageModel page, string where) =>
            _entries = await Checks.ScanAsync(page, snapshot, where);

        public async Task CheckAsync(PageModel page, string where)
        {
            if (_entries is not null)
            {
                var now = await Checks.ScanAsync(page, snapshot, where);
                if (!Checks.AreEqual(now, _entries))
                {
                    throw new ViolationException("R3", $"{where}: a snapshot of {snapshot.Commit.Id} has changed.");
                }
            }

            await snapshot.DisposeAsync();
        }
    }
}
