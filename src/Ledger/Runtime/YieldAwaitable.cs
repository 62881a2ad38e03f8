using System.Runtime.CompilerServices;

namespace Ledger.Runtime;

/// <summary>
/// Awaiting it always continues later: what follows never runs on the caller's stack or under its locks.
/// </summary>
/// <param name="scheduler">Where it continues.</param>
internal readonly struct YieldAwaitable(IScheduler scheduler) : ICriticalNotifyCompletion
{
    /// <summary>Never true.</summary>
    public bool IsCompleted => false;

    /// <summary>The awaiter is the awaitable.</summary>
    public YieldAwaitable GetAwaiter() => this;

    /// <summary>Nothing to give back.</summary>
    public void GetResult()
    {
        // Yielding cannot fail.
    }

    /// <inheritdoc/>
    public void OnCompleted(Action continuation) => scheduler.Post(continuation);

    /// <inheritdoc/>
    public void UnsafeOnCompleted(Action continuation) => scheduler.Post(continuation);
}
