using System.Diagnostics;
using Ledger.Objects;
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
            if (durable.NewlyParked.Count > 0)
            {
                using (await _gate.AcquireAsync(CancellationToken.None))
                {
                    _state.NewlyParked.RemoveAll(durable.NewlyParked.Contains);
                }
            }
        }
    }

    private async ValueTask WriteAsync(ConsumerState durable, bool isLast, CancellationToken cancellationToken)
    {
        var durationMs = isLast ? 0 : (long)_options.LeaseDuration.TotalMilliseconds;
        var (isHeld, epochNow, nowMs) = await _store.UpdateConsumerCoreAsync(
            Name,
            ParkedPart.None,
            row =>
            {
                var (stored, now) = (row.Parse() ?? new ConsumerState(), row.NowMs);
                var isOurs = stored.Epoch == durable.Epoch && stored.Identity == durable.Identity;
                durable.UntilMs = isLast ? 0 : now + durationMs;
                return new ConsumerUpdate<(bool, long, long)>(
                    isOurs ? durable.Format() : null, false, (isOurs, stored.Epoch, now))
                {
                    Parked = isOurs ? durable.NewlyParked : [],
                };
            },
            cancellationToken);
        _clockAheadMs = nowMs - _store.Runtime.WallClockMs();
        _heldUntilMs = nowMs + durationMs;
        if (!isHeld)
        {
            _leaseLost = new LeaseLostException(Name, durable.Epoch, epochNow);
            _lost.Cancel();
            _changed.Pulse();
            throw _leaseLost;
        }
    }

    private async Task RenewAsync()
    {
        // The trace of whoever acquired the lease ends long before the lease does.
        Activity.Current = null;
        try
        {
            var pause = _options.LeaseDuration / 3;
            while (true)
            {
                await _store.Runtime.Delay(pause, _closing.Token);
                pause = await TryRenewAsync() ? _options.LeaseDuration / 3 : _options.LeaseDuration / 10;
            }
        }
        catch (OperationCanceledException) when (_closing.IsCancellationRequested)
        {
            // Closed.
        }
        catch (LedgerException)
        {
            // Lost, or the database is damaged: whoever works here hears of it from the next call.
        }
        catch (InvalidOperationException)
        {
            // The store was closed first.
        }
    }

    /// <summary>Renews the lease; false when the database is away, and it is to be tried again soon.</summary>
    private async ValueTask<bool> TryRenewAsync()
    {
        try
        {
            await SaveAsync(_closing.Token);
            return true;
        }
        catch (LedgerException error) when (
            _leaseLost is null && (error.IsTransient || error is OutcomeUnknownException))
        {
            return false;
        }
    }
}
