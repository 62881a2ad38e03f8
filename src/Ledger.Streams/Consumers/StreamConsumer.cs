using Ledger.Runtime;

namespace Ledger.Streams.Consumers;

/// <summary>The lease on a consumer: hands out entries in stream order and keeps what is done.</summary>
/// <remarks>
/// Safe from any thread. One entry of a stream is out at a time, or one batch; what fails holds its stream, not the
/// others, until it succeeds or is parked. What was handed out and not acknowledged is handed out again after a death:
/// at least once. Changes that come while the state is being written are written together.
/// </remarks>
public sealed partial class StreamConsumer : IAsyncDisposable
{
    private readonly StreamStore _store;
    // What is read ahead is in memory: with so much of it, more is read when some of it is done.
    private const int WindowBytesMax = 16 << 20;

    private readonly ConsumerOptions _options;
    private readonly AsyncLock _gate = new();
    private readonly CancellationTokenSource _lost = new();
    private readonly CancellationTokenSource _closing = new();

    // Rises with whatever could let somebody receive, the commits of the store among it.
    private readonly AsyncSignal _changed = new();
    private readonly SortedDictionary<long, Entry> _entries = [];
    private readonly IDisposable? _listening;
    private readonly IDisposable _following;
    private readonly ConsumerState _state;

    // The highest position that was ever handed out: what was read beyond it need not be in the durable state.
    private long _touchedMax;

    // The store's commits that were heard of before the last page that was not full; null when there may be more.
    private long? _readOutAt;
    private ConsumerBacklog _backlog;
    private Task _renewal = Task.CompletedTask;
    private LeaseLostException? _leaseLost;
    private bool _isDisposed;

    private StreamConsumer(StreamStore store, string name, ConsumerOptions options, ConsumerState state, long nowMs)
    {
        (_store, Name, _options, _state) = (store, name, options, state);
        (_touchedMax, _heldUntilMs) = (state.Read, state.UntilMs);
        _backlog = new ConsumerBacklog(0, state.ParkedAt.Count, null);
        _clockAheadMs = nowMs - store.Runtime.WallClockMs();
        state.NewlyParked.Clear();
        _following = store.Committed.Forward(_changed);
        _listening = store.Listen();
    }

    /// <summary>The consumer's name.</summary>
    public string Name { get; }

    /// <summary>The number of this lease.</summary>
    public long Epoch => _state.Epoch;

    /// <summary>What was read and is not done; may be asked at any time.</summary>
    internal ConsumerBacklog Backlog => Volatile.Read(ref _backlog);

    /// <summary>Cancelled when the lease is lost.</summary>
    public CancellationToken Lost => _lost.Token;

    /// <summary>Stops as a process does that is killed: nothing is written, and the lease runs out.</summary>
    internal async ValueTask AbandonAsync()
    {
        using (await _gate.AcquireAsync(CancellationToken.None))
        {
            _isDisposed = true;
            _closing.Cancel();
        }

        await _renewal;
        _following.Dispose();
        _listening?.Dispose();
        _closing.Dispose();
        _lost.Dispose();
    }

    /// <summary>Waits for the lease and takes it.</summary>
    internal static async ValueTask<StreamConsumer> AcquireAsync(
        StreamStore store, string name, ConsumerOptions options, CancellationToken cancellationToken)
    {
        var identity = store.Runtime.NextUInt64();
        while (true)
        {
            store.ThrowIfDisposed();
            var (state, nowMs) = await store.UpdateConsumerCoreAsync(
                name, ParkedPart.Positions, row => TryTake(row, identity, options), cancellationToken);
            if (nowMs is { } taken)
            {
                var consumer = new StreamConsumer(store, name, options, state, taken);
                var isLoaded = false;
                try
                {
                    await consumer.LoadAsync(cancellationToken);
                    isLoaded = true;
                }
                finally
                {
                    if (!isLoaded)
                    {
                        await consumer.DisposeAsync();
                    }
                }

                consumer._renewal = consumer.RenewAsync();
                return consumer;
            }

            // Somebody has it: look again when it would end, and now and then, since it may be given back early.
            await store.Runtime.Delay(options.LeaseDuration / 10, cancellationToken);
        }
    }

    /// <summary>Waits for an entry that may be handled now.</summary>
    /// <returns>It is out until it is acknowledged or failed.</returns>
    /// <exception cref="LeaseLostException">Another instance has the lease.</exception>
    public async ValueTask<Delivery> ReceiveAsync(CancellationToken cancellationToken = default) =>
        (await ReceiveBatchAsync(static (_, _) => false, cancellationToken))[0];

    /// <summary>Waits for entries of one stream that may be handled together now.</summary>
    /// <param name="joins">
    /// Whether the stream's next entry goes with those before it, which are 1 or more, ascending. Must be short, and
    /// call nothing of the consumer.
    /// </param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>1 or more, in the stream's order; out until they are acknowledged or failed, together.</returns>
    /// <exception cref="LeaseLostException">Another instance has the lease.</exception>
    public async ValueTask<IReadOnlyList<Delivery>> ReceiveBatchAsync(
        Func<IReadOnlyList<Delivery>, Entry, bool> joins, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(joins);
        await _store.Runtime.Enter();
        while (true)
        {
            // A commit raises its own version first: one that is not in it is heard of as a change.
            var changed = _changed.Version;
            var committed = _store.Committed.Version;
            TimeSpan? wait;
            List<Delivery>? batch = null;
            using (await _gate.AcquireAsync(cancellationToken))
            {
                ThrowIfOver();
                var hasMore = await FillAsync(committed, cancellationToken);
                if (Choose(out wait) is { } first)
                {
                    batch = TakeOut(first, joins);
                }
                else if (hasMore && _state.Pending.Count < _options.Window)
                {
                    continue;
                }
            }

            if (batch is not null)
            {
                await NoteOutAsync(batch);
                return batch;
            }

            await WaitAsync(changed, wait, cancellationToken);
        }
    }

    /// <summary>The entry is done: when this returns it is not handed out again.</summary>
    /// <exception cref="LeaseLostException">Another instance has the lease and will hand it out again.</exception>
    public ValueTask AcknowledgeAsync(Delivery delivery, CancellationToken cancellationToken = default) =>
        AcknowledgeAsync([delivery], cancellationToken);

    /// <summary>The entries are done: when this returns none of them is handed out again.</summary>
    /// <exception cref="LeaseLostException">Another instance has the lease and will hand them out again.</exception>
    public ValueTask AcknowledgeAsync(
        IReadOnlyList<Delivery> deliveries, CancellationToken cancellationToken = default) =>
        EndAsync(
            deliveries,
            pending =>
            {
                _state.Pending.Remove(pending);
                _entries.Remove(pending.Position);
            },
            cancellationToken);

    /// <summary>The entry could not be handled: it is tried again later, or parked.</summary>
    /// <param name="delivery">What was received.</param>
    /// <param name="error">Why, as one sentence; 1,000 characters of it are kept.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <exception cref="LeaseLostException">Another instance has the lease and will hand it out again.</exception>
    public ValueTask FailAsync(Delivery delivery, string error, CancellationToken cancellationToken = default) =>
        FailAsync([delivery], error, DeliveryFailure.Counted, cancellationToken);

    /// <summary>The entries could not be handled: they are tried again later, or parked.</summary>
    /// <param name="deliveries">What was received together.</param>
    /// <param name="error">Why, as one sentence; 1,000 characters of it are kept.</param>
    /// <param name="failure">What follows from it.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <exception cref="LeaseLostException">Another instance has the lease and will hand them out again.</exception>
    public ValueTask FailAsync(
        IReadOnlyList<Delivery> deliveries, string error, DeliveryFailure failure,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(error);
        ArgumentNullException.ThrowIfNull(failure);
        return EndAsync(
            deliveries,
            pending =>
            {
                pending.IsSuspect = false;
                _state.Fail(pending, error, NowMs, _options, failure);
                if (!_state.Pending.Contains(pending))
                {
                    _entries.Remove(pending.Position);
                }
            },
            cancellationToken);
    }

    /// <summary>Gives the lease back; what is out is handed out again without counting as an attempt.</summary>
    public async ValueTask DisposeAsync()
    {
        await _store.Runtime.Enter();
        using (await _gate.AcquireAsync(CancellationToken.None))
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            _closing.Cancel();
            _state.Pending.ForEach(pending => pending.IsInFlight = false);
        }

        try
        {
            if (_leaseLost is null)
            {
                await SaveAsync(CancellationToken.None, isLast: true);
            }
        }
        catch (Exception error) when (error is LedgerException or InvalidOperationException)
        {
            // The lease ends by itself when it cannot be given back: the database is away, or the store was closed.
        }

        await _renewal;
        _changed.Pulse();
        _following.Dispose();
        _listening?.Dispose();
        _closing.Dispose();
        _lost.Dispose();
    }

    private static ConsumerUpdate<(ConsumerState State, long? NowMs)> TryTake(
        ConsumerRow row, ulong identity, ConsumerOptions options)
    {
        var nowMs = row.NowMs;
        var state = row.Parse() ?? new ConsumerState { Read = options.StartAfter.Value, Identity = identity };
        if (state.UntilMs > nowMs)
        {
            return new(null, false, (state, null));
        }

        state.Epoch++;
        state.UntilMs = nowMs + (long)options.LeaseDuration.TotalMilliseconds;
        foreach (var pending in state.Pending.Where(pending => pending.IsInFlight).ToArray())
        {
            // Alone at once rather than after a wait: nobody knows whether it was the cause.
            pending.IsSuspect = true;
            state.Fail(pending, "The process that handled it ended, or lost its lease.", nowMs, options);
            pending.NotBeforeMs = nowMs;
        }

        return new(state.Format(), false, (state, nowMs)) { Parked = [.. state.NewlyParked] };
    }

    private void ThrowIfOver()
    {
        if (_leaseLost is { } lost)
        {
            throw new LeaseLostException(lost.Consumer, lost.Epoch, lost.CurrentEpoch);
        }

        ObjectDisposedException.ThrowIf(_isDisposed, this);
    }

    private ConsumerState.PendingState PendingOf(Delivery delivery)
    {
        ArgumentNullException.ThrowIfNull(delivery);
        ThrowIfOver();
        if (delivery.Epoch != Epoch)
        {
            throw new LeaseLostException(Name, delivery.Epoch, Epoch);
        }

        return Pending(delivery) ?? throw new InvalidOperationException(
            $"The entry at position {delivery.Entry.Position} is not out.");
    }

    private ConsumerState.PendingState? Pending(Delivery delivery)
    {
        var position = PositionOf(delivery.Entry);
        return _state.Pending.Find(pending => pending.Position == position && pending.IsInFlight);
    }

    /// <summary>Reads the entries that were pending; those that were trimmed are done.</summary>
    private async ValueTask LoadAsync(CancellationToken cancellationToken)
    {
        var wanted = _state.Pending.Select(pending => pending.Position).ToHashSet();
        foreach (var position in _state.Pending.Select(pending => pending.Position).Order())
        {
            if (!wanted.Contains(position))
            {
                continue;
            }

            var page = await ReadAsync(position - 1, _state.Read, cancellationToken);
            foreach (var entry in page.Where(entry => wanted.Remove(PositionOf(entry))))
            {
                _entries.Add(PositionOf(entry), entry);
            }

            wanted.Remove(position);
        }

        _state.Pending.RemoveAll(pending => !_entries.ContainsKey(pending.Position));
        NoteBacklog();
    }

    /// <summary>Reads further entries when there is room; false when there were none.</summary>
    private async ValueTask<bool> FillAsync(long committed, CancellationToken cancellationToken)
    {
        var room = _options.Window - _state.Pending.Count;
        if (room < Math.Min(_options.Window, StreamStore.PageEntriesMax) / 2 && Choose(out _) is not null)
        {
            return true;
        }

        if (room <= 0 || _readOutAt == committed
            || _entries.Values.Sum(entry => (long)entry.Payload.Length) >= WindowBytesMax)
        {
            return false;
        }

        var page = await ReadAsync(_state.Read, null, cancellationToken, room);
        foreach (var entry in page)
        {
            var position = PositionOf(entry);
            _state.Read = position;
            if ((_options.Stream is null || _options.Stream == entry.Stream)
                && (_options.Filter.IsEmpty || _options.Filter.Matches(entry)))
            {
                _entries.Add(position, entry);
                _state.Pending.Add(new ConsumerState.PendingState
                {
                    Position = position,
                    Id = entry.Id.ToString(),
                    Stream = entry.Stream,
                });
            }
        }

        _readOutAt = page.Count == 0 ? committed : null;
        NoteBacklog();
        return page.Count > 0;
    }

    private void NoteBacklog() => Volatile.Write(ref _backlog, new ConsumerBacklog(
        _state.Pending.Count, _state.ParkedAt.Count, _entries.Count == 0 ? null : _entries.First().Value.CreatedAt));

    /// <summary>The first entry that may go out; otherwise how long until one may.</summary>
    private ConsumerState.PendingState? Choose(out TimeSpan? wait)
    {
        wait = null;
        var nowMs = NowMs;
        var waiting = _state.Pending.Find(pending => pending is { IsSuspect: true, IsInFlight: false });
        if (AloneUntilMs(isAnybody: waiting is not null) is var untilMs && untilMs > nowMs)
        {
            wait = TimeSpan.FromMilliseconds(untilMs - nowMs);
            return null;
        }

        if (waiting is not null)
        {
            return waiting;
        }

        var held = new HashSet<string>(StringComparer.Ordinal);
        foreach (var pending in _state.Pending)
        {
            if (held.Contains(pending.Stream))
            {
                continue;
            }

            if (!pending.IsInFlight && pending.NotBeforeMs <= nowMs)
            {
                return pending;
            }

            held.Add(pending.Stream);
            if (!pending.IsInFlight)
            {
                var until = TimeSpan.FromMilliseconds(pending.NotBeforeMs - nowMs);
                wait = wait is null || until < wait ? until : wait;
            }
        }

        return null;
    }

    /// <summary>Until when nothing else goes out: a suspect that hangs must not hold the others up for ever.</summary>
    /// <param name="isAnybody">Whatever is out counts, not only suspects: a suspect is to go out alone.</param>
    private long AloneUntilMs(bool isAnybody) => _state.Pending
        .Where(pending => pending.IsInFlight && (isAnybody || pending.IsSuspect))
        .Select(pending => pending.OutSinceMs + (long)_options.LeaseDuration.TotalMilliseconds)
        .DefaultIfEmpty(0).Max();

    /// <summary>Marks an entry and those of its stream that go with it as out.</summary>
    private List<Delivery> TakeOut(
        ConsumerState.PendingState first, Func<IReadOnlyList<Delivery>, Entry, bool> joins)
    {
        var batch = new List<Delivery>();
        var nowMs = NowMs;
        for (var i = _state.Pending.IndexOf(first); i < _state.Pending.Count; i++)
        {
            var pending = _state.Pending[i];
            if (pending.Stream != first.Stream)
            {
                continue;
            }

            // A suspect goes alone; what waits for its time ends the batch, or it would be overtaken.
            var entry = _entries[pending.Position];
            if (pending != first && (first.IsSuspect || pending.IsSuspect || pending.NotBeforeMs > nowMs
                || !joins(batch, entry)))
            {
                break;
            }

            (pending.IsInFlight, pending.OutSinceMs) = (true, nowMs);
            _touchedMax = Math.Max(_touchedMax, pending.Position);
            batch.Add(new Delivery(entry, pending.Attempts + 1, Epoch));
        }

        return batch;
    }

    /// <summary>Notes durably what is out, so that a death now counts as an attempt, where it does.</summary>
    private async ValueTask NoteOutAsync(List<Delivery> batch)
    {
        // Without that note nothing would tell whoever overslept its lease that another has it.
        if (!_options.DeathCounts && NowMs < _heldUntilMs)
        {
            return;
        }

        var isSaved = false;
        try
        {
            await SaveAsync(CancellationToken.None);
            isSaved = true;
        }
        finally
        {
            if (!isSaved)
            {
                using (await _gate.AcquireAsync(CancellationToken.None))
                {
                    batch.ForEach(delivery => Pending(delivery)?.IsInFlight = false);
                }

                _changed.Pulse();
            }
        }
    }

    /// <summary>Ends the handling of what was handed out together, and writes how.</summary>
    private async ValueTask EndAsync(
        IReadOnlyList<Delivery> deliveries, Action<ConsumerState.PendingState> end,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(deliveries);
        await _store.Runtime.Enter();
        using (await _gate.AcquireAsync(cancellationToken))
        {
            foreach (var pending in deliveries.Select(PendingOf).ToArray())
            {
                end(pending);
            }

            NoteBacklog();
        }

        await SaveAsync(cancellationToken);
        _changed.Pulse();
    }

    private async ValueTask WaitAsync(long changed, TimeSpan? wait, CancellationToken cancellationToken)
    {
        if (wait is not { } delay)
        {
            // The way of almost every entry: nothing is left over that would have to be cancelled.
            await _changed.WaitAsync(changed, cancellationToken);
            return;
        }

        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        Task[] events = [_changed.WaitAsync(changed, over.Token).AsTask(), _store.Runtime.Delay(delay, over.Token)];
        await Task.WhenAny(events);
        over.Cancel();
        foreach (var task in events)
        {
            try
            {
                await task;
            }
            catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
            {
                // The other came first.
            }
        }
    }

    private async ValueTask<IReadOnlyList<Entry>> ReadAsync(
        long after, long? through, CancellationToken cancellationToken, int limit = StreamStore.PageEntriesMax) =>
        (await _store.ReadPageAsync(
            "consume",
            new PageQuery
            {
                ByPosition = true,
                After = EntryId.Of(after),
                Through = through is { } bound ? EntryId.Of(bound) : null,
                Limit = Math.Min(limit, StreamStore.PageEntriesMax),
            },
            cancellationToken)).Entries;

    private static long PositionOf(Entry entry) => entry.Position.GetValueOrDefault().Value;
}
