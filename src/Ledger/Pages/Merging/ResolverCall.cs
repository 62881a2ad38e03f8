using Ledger.Runtime;
using Microsoft.Extensions.Logging;

namespace Ledger.Pages.Merging;

/// <summary>Calls a resolver and gives up when it takes too long or nobody wants its answer any more.</summary>
/// <param name="runtime">The seams.</param>
/// <param name="logger">Where an answer goes that came too late and failed.</param>
/// <param name="settings">The resolver and its time.</param>
/// <param name="interrupted">Completes when the answer is not wanted any more; null for never.</param>
internal sealed class ResolverCall(
    LedgerRuntime runtime, ILogger logger, MergeSettings settings, Task? interrupted)
{
    /// <summary>Completes when the resolver has answered; what it throws is thrown here.</summary>
    /// <remarks>One that goes on after it was told to stop is left alone: its context is dead.</remarks>
    /// <exception cref="TimeoutException">It took too long.</exception>
    /// <exception cref="OperationCanceledException">The answer is not wanted any more.</exception>
    public async Task RunAsync(MergeContext context, CancellationToken cancellationToken)
    {
        Invariant.Check(settings.Resolver is not null);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var cancelled = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var registration = cancellationToken.UnsafeRegister(_ => cancelled.TrySetResult(), null);
        var resolving = settings.Resolver.ResolveAsync(context, stop.Token);
        var answer = EndOfAsync(resolving);
        var interruption = interrupted is null ? null : EndOfAsync(interrupted);
        List<Task> ends = [answer, EndOfAsync(cancelled.Task)];
        if (interruption is not null)
        {
            ends.Add(interruption);
        }

        if (settings.Timeout != Timeout.InfiniteTimeSpan)
        {
            ends.Add(EndOfAsync(runtime.Delay(settings.Timeout, stop.Token)));
        }

        var first = await Task.WhenAny(ends);
        if (first != answer)
        {
            _ = ObserveAsync(resolving, context.Page);
        }

        Stop(stop, context.Page);
        if (first == answer)
        {
            await resolving;
            return;
        }

        cancellationToken.ThrowIfCancellationRequested();
        throw first == interruption
            ? new OperationCanceledException(
                $"The answer of resolver '{settings.ResolverName}' is not wanted any more.")
            : new TimeoutException(
                $"Resolver '{settings.ResolverName}' did not answer within {settings.Timeout} " +
                $"for page {context.Page}.");
    }

    /// <summary>Tells the resolver to stop; what its own callbacks throw changes nothing.</summary>
    private void Stop(CancellationTokenSource stop, PageId page)
    {
        try
        {
            stop.Cancel();
        }
        catch (AggregateException exception)
        {
            LogMessages.ResolverLate(logger, page, exception);
        }
    }

    /// <summary>Completes when a task has ended, however: where our own code runs, and never on the pool.</summary>
    internal static async Task EndOfAsync(Task task)
    {
        try
        {
            await task;
        }
        catch (Exception exception) when (exception is not InvariantException)
        {
            // Whoever looks at the task itself is told.
        }
    }

    private async Task ObserveAsync(Task resolving, PageId page)
    {
        try
        {
            await resolving;
        }
        catch (Exception exception) when (exception is not InvariantException)
        {
            // Foreign code, which nobody waits for any more.
            LogMessages.ResolverLate(logger, page, exception);
        }
    }
}
