using System.Diagnostics;

namespace Ledger.Runtime.Real;

/// <summary>Scheduling in production: continuations run on the pool, blocking work on the caller's thread.</summary>
internal sealed class PoolScheduler : IScheduler
{
    /// <summary>True without a synchronization context and with the default task scheduler.</summary>
    public bool IsEntered =>
        SynchronizationContext.Current is null && TaskScheduler.Current == TaskScheduler.Default;

    /// <inheritdoc/>
    public void Post(Action continuation) =>
        ThreadPool.UnsafeQueueUserWorkItem(static action => action(), continuation, preferLocal: true);

    /// <summary>Runs the work at once, on the calling thread.</summary>
    /// <remarks>The caller has entered, so the thread is the pool's to block, and a hop would only cost.</remarks>
    public async ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state)
    {
        // An async method, so that what the work throws comes out of the task and not out of the call.
        await ValueTask.CompletedTask;
        return work(state);
    }

    /// <summary>Spins, giving the processor away now and then, and completes before it returns.</summary>
    public async ValueTask Linger(TimeSpan bound, Func<bool> condition)
    {
        await ValueTask.CompletedTask;
        var start = Stopwatch.GetTimestamp();
        var spinner = default(SpinWait);
        while (!condition() && Stopwatch.GetElapsedTime(start) < bound)
        {
            // Never Sleep(1): one tick of the timer is ten times the longest wait that is asked for.
            spinner.SpinOnce(sleep1Threshold: -1);
        }
    }

    /// <inheritdoc/>
    public Task Delay(TimeSpan delay, CancellationToken cancellationToken) => Task.Delay(delay, cancellationToken);
}
