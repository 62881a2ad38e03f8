namespace Ledger.Runtime;

/// <summary>Lets one holder in at a time, in the order of asking, and may be held across awaits.</summary>
/// <remarks>
/// Not reentrant. Safe from any thread. A release hands the lock to the next waiter, who continues where its own
/// context runs, never on the releaser's stack.
/// </remarks>
internal sealed class AsyncLock
{
    private readonly Lock _gate = new();
    private readonly LinkedList<TaskCompletionSource<Releaser>> _waiters = new();

    // Counts grants, so that a releaser disposed twice, or copied, cannot give away someone else's turn.
    private long _turn;
    private bool _isHeld;

    /// <summary>Waits for the lock.</summary>
    /// <param name="cancellationToken">Cancels the wait; once the lock is granted it has no effect.</param>
    /// <returns>Gives the lock back when disposed; disposing it again does nothing.</returns>
    public ValueTask<Releaser> AcquireAsync(CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested)
        {
            return ValueTask.FromCanceled<Releaser>(cancellationToken);
        }

        LinkedListNode<TaskCompletionSource<Releaser>> waiter;
        lock (_gate)
        {
            if (!_isHeld)
            {
                _isHeld = true;
                return new(new Releaser(this, ++_turn));
            }

            waiter = _waiters.AddLast(
                new TaskCompletionSource<Releaser>(TaskCreationOptions.RunContinuationsAsynchronously));
        }

        return WaitAsync(waiter, cancellationToken);
    }

    // The source's task is awaited here and never handed out: WhenAll over it would continue on the pool.
    private async ValueTask<Releaser> WaitAsync(
        LinkedListNode<TaskCompletionSource<Releaser>> waiter, CancellationToken cancellationToken)
    {
        using var registration = cancellationToken.UnsafeRegister(_ => Cancel(waiter, cancellationToken), null);
        return await waiter.Value.Task;
    }

    private void Cancel(LinkedListNode<TaskCompletionSource<Releaser>> waiter, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (waiter.List is null)
            {
                return;
            }

            _waiters.Remove(waiter);
        }

        waiter.Value.SetCanceled(cancellationToken);
    }

    private void Release(long turn)
    {
        LinkedListNode<TaskCompletionSource<Releaser>>? next;
        lock (_gate)
        {
            if (!_isHeld || turn != _turn)
            {
                return;
            }

            next = _waiters.First;
            if (next is null)
            {
                _isHeld = false;
                return;
            }

            _waiters.RemoveFirst();
            turn = ++_turn;
        }

        next.Value.SetResult(new Releaser(this, turn));
    }

    /// <summary>One turn of holding the lock; the default value holds nothing.</summary>
    internal readonly struct Releaser(AsyncLock owner, long turn) : IDisposable
    {
        private readonly AsyncLock? _owner = owner;

        /// <summary>Gives the lock to the next waiter, unless this turn is over already.</summary>
        public void Dispose() => _owner?.Release(turn);
    }
}
