namespace Ledger.Runtime;

/// <summary>The scheduling seam: which thread continues, where blocking work runs, and how waiting is done.</summary>
/// <remarks>
/// Implementors: in production continuations run on the thread pool and blocking work runs inline; in simulation
/// everything runs on one thread, in an order and after virtual delays that a seed decides.
/// </remarks>
public interface IScheduler
{
    /// <summary>
    /// True when the calling code already runs where this scheduler's work runs, with no caller's context.
    /// </summary>
    bool IsEntered { get; }

    /// <summary>Runs <paramref name="continuation"/> later, where this scheduler's work runs.</summary>
    void Post(Action continuation);

    /// <summary>Runs blocking or long work: inline in production, after a virtual delay in simulation.</summary>
    /// <param name="work">The work; what it throws comes out of the returned task.</param>
    /// <param name="state">Passed to <paramref name="work"/>, so that it can be a static function.</param>
    ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state);

    /// <summary>
    /// Waits until <paramref name="condition"/> holds or <paramref name="bound"/> has gone, whichever is first.
    /// </summary>
    /// <param name="bound">At most a millisecond; no timer is this fine, so production spins.</param>
    /// <param name="condition">Checked without a lock, as often as the implementation likes.</param>
    ValueTask Linger(TimeSpan bound, Func<bool> condition);

    /// <summary>Completes after <paramref name="delay"/> of this scheduler's time.</summary>
    /// <exception cref="OperationCanceledException">The token was cancelled first.</exception>
    Task Delay(TimeSpan delay, CancellationToken cancellationToken);
}
