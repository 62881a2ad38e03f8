using System.Collections.Immutable;

namespace Ledger.Runtime;

/// <summary>A counter that many can wait on: each pulse raises it and wakes everybody who has seen less.</summary>
/// <remarks>
/// No wake-up is lost when a waiter reads <see cref="Version"/> first, then looks at what the pulse speaks of, and then
/// waits with the version it read. Safe from any thread; waiters never continue on the pulser's stack.
/// </remarks>
internal sealed class AsyncSignal
{
    private readonly Lock _gate = new();
    private LinkedList<TaskCompletionSource> _waiters = new();
    private ImmutableArray<AsyncSignal> _followers = [];
    private long _version;

    /// <summary>Pulses so far.</summary>
    public long Version => Volatile.Read(ref _version);

    /// <summary>Wakes everybody who waits, in the order in which they came.</summary>
    public void Pulse()
    {
        LinkedList<TaskCompletionSource>? woken = null;
        ImmutableArray<AsyncSignal> followers;
        lock (_gate)
        {
            _version++;
            followers = _followers;
            if (_waiters.Count > 0)
            {
                woken = _waiters;
                _waiters = new LinkedList<TaskCompletionSource>();
            }
        }

        foreach (var waiter in woken ?? [])
        {
            waiter.SetResult();
        }

        foreach (var follower in followers)
        {
            follower.Pulse();
        }
    }

    /// <summary>Pulses another signal after each pulse of this one, so that waiting on that one is enough.</summary>
    /// <param name="follower">Not followed by this one in turn, which would never end.</param>
    /// <returns>Disposed to end it; a pulse that is under way may still arrive.</returns>
    public IDisposable Forward(AsyncSignal follower)
    {
        lock (_gate)
        {
            _followers = _followers.Add(follower);
        }

        return new Following(this, follower);
    }

    /// <summary>Completes once <see cref="Version"/> is above <paramref name="seenVersion"/>.</summary>
    /// <param name="seenVersion">A version that the caller read before it looked.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public ValueTask WaitAsync(long seenVersion, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled(cancellationToken);
        }

        LinkedListNode<TaskCompletionSource> waiter;
        lock (_gate)
        {
            if (_version > seenVersion)
            {
                return ValueTask.CompletedTask;
            }

            waiter = _waiters.AddLast(new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        return WaitAsync(waiter, cancellationToken);
    }

    // The source's task is awaited here and never handed out: WhenAll over it would continue on the pool.
    private async ValueTask WaitAsync(
        LinkedListNode<TaskCompletionSource> waiter, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(_ => Cancel(waiter, cancellationToken), null);
        await waiter.Value.Task;
    }

    private void Cancel(LinkedListNode<TaskCompletionSource> waiter, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            // A waiter that is no longer in this list was woken by a pulse, which stands.
            if (waiter.List != _waiters)
            {
                return;
            }

            _waiters.Remove(waiter);
        }

        waiter.Value.SetCanceled(cancellationToken);
    }

    private sealed class Following(AsyncSignal source, AsyncSignal follower) : IDisposable
    {
        private AsyncSignal? _source = source;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _source, null) is { } left)
            {
                lock (left._gate)
                {
                    left._followers = left._followers.Remove(follower);
                }
            }
        }
    }
}
