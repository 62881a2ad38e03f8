using Ledger.Runtime;

namespace Ledger.Streams.Consumers;

/// <summary>How a consumer's state becomes durable: whoever comes meanwhile shares the next write.</summary>
public sealed partial class StreamConsumer
{
    private readonly AsyncLock _saving = new();
    private long _clockAheadMs;
    private long _heldUntilMs;
    private long _changes;
    private long _savedChanges;

    private long NowMs => _store.Runtime.WallClockMs() + _clockAheadMs;

    /// <summary>Writes the state as it is now or later, and renews the lease, unless another epoch has begun.</summary>
    private async ValueTask SaveAsync(CancellationToken cancellationToken, bool isLast = false)
    {
        var change = Interlocked.Increment(ref _changes);
        using (await _saving.AcquireAsync(cancellationToken))
        {
            if (_leaseLost is not null)
            {
                ThrowIfOver();
            }

            // What was written meanwhile had this change in it; the last one ends the lease and is never left out.
            if (!isLast)
            {
                if (_savedChanges >= change)
                {
                    return;
                }

                ThrowIfOver();
            }

            long covered;
            ConsumerState durable;
            using (await _gate.AcquireAsync(cancellationToken))
            {
                covered = Interlocked.Read(ref _changes);
                durable = _state.DurablePart(_touchedMax, _options.DeathCounts);
            }

            await WriteAsync(durable, isLast, cancellationToken);
            _savedChanges = covered;
        }
    }

    private async ValueTask WriteAsync(ConsumerState durable, bool isLast, CancellationToken cancellationToken)
    {
        var durationMs = isLast ? 0 : (long)_options.LeaseDuration.TotalMilliseconds;
        var (epochNow, nowMs) = await _store.UpdateConsumerCoreAsync(
            Name,
            (text, now) =>
            {
                var epoch = text is null ? 0 : ConsumerState.Parse(text).Epoch;
                durable.UntilMs = isLast ? 0 : now + durationMs;
                return new ConsumerUpdate<(long, long)>(
                    epoch == durable.Epoch ? durable.Format() : null, false, (epoch, now));
            },
            cancellationToken);
        _clockAheadMs = nowMs - _store.Runtime.WallClockMs();
        _heldUntilMs = nowMs + durationMs;
        if (epochNow != durable.Epoch)
        {
            _leaseLost = new LeaseLostException(Name, durable.Epoch, epochNow);
            _lost.Cancel();
            _changed.Pulse();
            throw _leaseLost;
        }
    }

    private async Task RenewAsync()
    {
        try
        {
            while (true)
            {
                await _store.Runtime.Delay(_options.LeaseDuration / 3, _closing.Token);
                await SaveAsync(_closing.Token);
            }
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
            // Closed.
        }
        catch (LedgerException)
        {
            // Lost, or the database is gone: whoever works here hears of it from the next call.
        }
        catch (ObjectDisposedException)
        {
            // The store was closed first.
        }
    }
}
