using System.Collections.Concurrent;
using System.Diagnostics;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Microsoft.Extensions.Logging;

namespace Ledger.Server.Hooks;

/// <summary>
/// Delivers one hook's entries: holds its cursor, posts what comes, each stream in order and several streams at once.
/// </summary>
/// <remarks>
/// Started once. Nothing of it waits for another hook or for an appender: it has its own connections and its own pace.
/// What is not acknowledged when the process dies is posted again, at most what was out.
/// </remarks>
internal sealed class HookLoop : IAsyncDisposable
{
    private readonly HookOptions _options;
    private readonly HookPlan _plan;
    private readonly Func<string, CancellationToken, ValueTask<HookStore>> _stores;
    private readonly HookSender _sender;
    private readonly LedgerRuntime _runtime;
    private readonly ILogger _log;
    private readonly HookPause _pause;
    private readonly HookBatching _batching;
    private readonly CancellationTokenSource _stopping = new();
    private readonly CancellationTokenSource _aborting = new();

    // Entries that failed while the endpoint was away, and how many requests had been taken by then.
    private readonly ConcurrentDictionary<long, long> _takenAtFailure = new();
    private StreamConsumer? _consumer;
    private Task _running = Task.CompletedTask;
    private long _delivered;
    private long _taken;
    private long _failures;
    private (string Error, DateTimeOffset At)? _last;

    /// <summary>Prepares the loop.</summary>
    /// <param name="options">The hook.</param>
    /// <param name="plan">What all hooks share.</param>
    /// <param name="stores">Opens the hook's store, which stays its owner's.</param>
    /// <param name="sender">Posts; owned.</param>
    /// <param name="runtime">Clock, randomness and waiting.</param>
    /// <param name="log">Where failures are told.</param>
    public HookLoop(
        HookOptions options, HookPlan plan, Func<string, CancellationToken, ValueTask<HookStore>> stores,
        HookSender sender, LedgerRuntime runtime, ILogger log)
    {
        (_options, _plan, _stores, _sender, _runtime, _log) = (options, plan, stores, sender, runtime, log);
        _pause = new HookPause(runtime, plan);
        _batching = new HookBatching(options, plan);
    }

    /// <summary>How it stands.</summary>
    public HookStatus Status
    {
        get
        {
            var backlog = Volatile.Read(ref _consumer)?.Backlog;
            var lag = backlog?.OldestCreatedAt is { } oldest ? _runtime.Time.GetUtcNow() - oldest : TimeSpan.Zero;
            var last = _last;
            return new HookStatus(
                _options, backlog is not null, Interlocked.Read(ref _delivered), Interlocked.Read(ref _failures),
                backlog?.Pending ?? 0, backlog?.Parked ?? 0, lag > TimeSpan.Zero ? lag : TimeSpan.Zero, _pause.Until,
                last?.Error, last?.At);
        }
    }

    /// <summary>Begins to deliver.</summary>
    public void Start() => _running = RunAsync();

    /// <summary>
    /// Hands out nothing more, waits for what is out as long as the bound, and gives the cursor back.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        _stopping.Cancel();
        using var drained = new CancellationTokenSource();
        var bound = _runtime.Delay(_plan.DrainBound, drained.Token);
        if (await Task.WhenAny(_running, bound).ConfigureAwait(false) == bound)
        {
            _aborting.Cancel();
        }

        await _running.ConfigureAwait(false);
        drained.Cancel();
        Discard();
    }

    /// <summary>Lets go of a loop that was never started.</summary>
    public void Discard()
    {
        _sender.Dispose();
        _stopping.Dispose();
        _aborting.Dispose();
    }

    private async Task RunAsync()
    {
        // The trace of whoever started the hook, a reload for example, ends long before the hook does.
        Activity.Current = null;
        await _runtime.Enter();
        for (var failures = 0; !_stopping.IsCancellationRequested;)
        {
            try
            {
                await HoldAsync().ConfigureAwait(false);
                failures = 0;
            }
            catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
            {
                return;
            }
            catch (LeaseLostException)
            {
                // Somebody decided about a parked entry, or this process slept: hold the cursor again.
                failures = 0;
            }
            catch (Exception error) when (!_stopping.IsCancellationRequested)
            {
                // Whatever it is, it must not end the hook: it is told, and all is begun again.
                Note($"The store failed: {error.Message}");
                failures++;
            }
            catch (Exception error) when (_stopping.IsCancellationRequested)
            {
                Note($"The store failed while the hook was stopped: {error.Message}");
            }

            if (failures > 0 && !_stopping.IsCancellationRequested)
            {
                await WaitAsync(_pause.Backoff(failures - 1)).ConfigureAwait(false);
            }
        }
    }

    private async Task HoldAsync()
    {
        using var held = await _stores(_options.Store, _stopping.Token).ConfigureAwait(false);
        var consumer = await held.Store.AcquireConsumerAsync(
            _options.ConsumerName,
            new ConsumerOptions
            {
                LeaseDuration = _plan.Lease,
                AttemptsMax = _options.MaxRetries,
                Stream = _options.Stream,
                DeathCounts = false,
            },
            _stopping.Token).ConfigureAwait(false);
        Volatile.Write(ref _consumer, consumer);
        try
        {
            await PumpAsync(consumer).ConfigureAwait(false);
        }
        finally
        {
            Volatile.Write(ref _consumer, null);
            await consumer.DisposeAsync().ConfigureAwait(false);
        }
    }

    /// <summary>Hands out to as many requests as may be out, until it is stopped or one cannot be noted.</summary>
    private async Task PumpAsync(StreamConsumer consumer)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, consumer.Lost);
        var sending = new List<Task>();
        try
        {
            while (true)
            {
                var batch = await consumer.ReceiveBatchAsync(_batching.Joins, over.Token).ConfigureAwait(false);
                await _pause.WaitAsync(over.Token).ConfigureAwait(false);
                sending.Add(DeliverAsync(consumer, batch, over));
                sending.RemoveAll(task => task.IsCompletedSuccessfully);
                while (sending.Count >= (_pause.IsAway ? 1 : _plan.Concurrency))
                {
                    var done = await Task.WhenAny(sending).ConfigureAwait(false);
                    sending.Remove(done);
                    await done.ConfigureAwait(false);
                }
            }
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // Stopped, lost, or a request could not say how it ended: which one it was is known below.
        }
        finally
        {
            await Task.WhenAll(sending).ConfigureAwait(false);
        }
    }

    private async Task DeliverAsync(
        StreamConsumer consumer, IReadOnlyList<Delivery> batch, CancellationTokenSource over)
    {
        var isDone = false;
        try
        {
            var turn = _pause.Turn;
            var entries = batch.Select(delivery => delivery.Entry).ToList();
            var answer = await _sender.SendAsync(entries[0].Stream, entries, _aborting.Token).ConfigureAwait(false);
            await (answer.Outcome switch
            {
                HookOutcome.Delivered => TakenAsync(consumer, batch),
                HookOutcome.Away => AwayAsync(consumer, batch, answer, turn),
                _ => FailedAsync(consumer, batch, answer),
            }).ConfigureAwait(false);
            isDone = true;
        }
        catch (OperationCanceledException) when (_aborting.IsCancellationRequested)
        {
            // Given up at the end of a drain: it is handed out again by whoever holds the cursor next.
            isDone = true;
        }
        finally
        {
            if (!isDone)
            {
                over.Cancel();
            }
        }
    }

    private async Task TakenAsync(StreamConsumer consumer, IReadOnlyList<Delivery> batch)
    {
        _pause.Clear();
        Interlocked.Increment(ref _taken);
        HookTelemetry.Taken(_options, _runtime.Time.GetUtcNow() - batch[0].Entry.CreatedAt);
        await consumer.AcknowledgeAsync(batch, CancellationToken.None).ConfigureAwait(false);
        Interlocked.Add(ref _delivered, batch.Count);
        Forget(batch);
    }

    /// <summary>
    /// The endpoint is away. That is not the entries' fault, unless it took others since they were tried before.
    /// </summary>
    private async Task AwayAsync(
        StreamConsumer consumer, IReadOnlyList<Delivery> batch, HookAnswer answer, long turn)
    {
        // Whoever sees the failure can rely on it that nothing more is begun until the pause is over.
        _pause.Fail(turn, answer.RetryAfter);
        Note(answer.Error!);
        var position = batch[0].Entry.Position.GetValueOrDefault().Value;
        var taken = Interlocked.Read(ref _taken);
        var isSuspicious = _takenAtFailure.TryGetValue(position, out var before) && taken > before;
        _takenAtFailure[position] = taken;
        if (isSuspicious && batch.Count > 1)
        {
            _batching.Separate(batch);
        }

        var failure = new DeliveryFailure
        {
            IsCounted = isSuspicious && batch.Count == 1,

            // A little after the pause, so that others are tried before what may be the cause.
            RetryAfter = _pause.Left + _plan.BackoffMin,
        };
        await FailAsync(consumer, batch, answer, failure).ConfigureAwait(false);
    }

    /// <summary>The endpoint did not take the entries; of several each is tried alone, to find the one.</summary>
    private async Task FailedAsync(StreamConsumer consumer, IReadOnlyList<Delivery> batch, HookAnswer answer)
    {
        Note(answer.Error!);
        _pause.Clear();
        var isRefused = answer.Outcome == HookOutcome.Refused;
        if (batch.Count > 1)
        {
            _batching.Separate(batch);
        }

        var backoff = _pause.Backoff(batch[0].Attempt - 1);
        var failure = new DeliveryFailure
        {
            IsCounted = batch.Count == 1,
            IsFinal = isRefused && batch.Count == 1,
            RetryAfter = isRefused ? TimeSpan.Zero : answer.RetryAfter is { } wait && wait > backoff ? wait : backoff,
        };
        await FailAsync(consumer, batch, answer, failure).ConfigureAwait(false);
    }

    private async Task FailAsync(
        StreamConsumer consumer, IReadOnlyList<Delivery> batch, HookAnswer answer, DeliveryFailure failure)
    {
        await consumer.FailAsync(batch, answer.Error!, failure, CancellationToken.None).ConfigureAwait(false);
        if (failure.IsFinal || (failure.IsCounted && batch[0].Attempt >= _options.MaxRetries))
        {
            HookTelemetry.Dead(_options);
            HookLog.Parked(_log, _options.Name, batch[0].Entry.Id.ToString(), answer.Error!);
            Forget(batch);
        }
    }

    private void Forget(IReadOnlyList<Delivery> batch)
    {
        _batching.Done(batch);
        foreach (var delivery in batch)
        {
            _takenAtFailure.TryRemove(delivery.Entry.Position.GetValueOrDefault().Value, out _);
        }
    }

    private void Note(string error)
    {
        Interlocked.Increment(ref _failures);
        _last = (error, _runtime.Time.GetUtcNow());
        HookLog.Failed(_log, _options.Name, error);
    }

    private async Task WaitAsync(TimeSpan wait)
    {
        try
        {
            await _runtime.Delay(wait, _stopping.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Stopped: the loop looks.
        }
    }
}
