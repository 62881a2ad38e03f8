using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>A piece of work that is done again and again, and tried again after whatever may pass.</summary>
internal static class SyncLoop
{
    /// <summary>Runs until it is stopped; does not throw.</summary>
    /// <param name="context">The ledger's.</param>
    /// <param name="stepAsync">One step; told to reset the backoff when it has got somewhere.</param>
    /// <param name="failed">Told of each failure.</param>
    /// <param name="stop">Ends it.</param>
    public static async Task RunAsync(
        SyncContext context, Func<Backoff, CancellationToken, Task> stepAsync, Action<Exception> failed,
        CancellationToken stop)
    {
        var backoff = new Backoff(context.Runtime);

        // Whoever starts the engine goes on at once.
        await new YieldAwaitable(context.Runtime.Scheduler);
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await stepAsync(backoff, stop);
            }
            catch (OperationCanceledException) when (stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception) when (exception is not InvariantException)
            {
                // A supervisor: whatever it is, rows are as they were, and the next try begins from them.
                failed(exception);
                if (!await PauseAsync(context, backoff.Next(), stop))
                {
                    return;
                }
            }
            catch (InvariantException fault)
            {
                LogMessages.SyncStopped(context.Services.Logger, context.Ledger.Name, fault);
                failed(fault);
                return;
            }
        }
    }

    /// <summary>Waits until a signal was pulsed, or some time has gone.</summary>
    /// <param name="context">The ledger's; its signal.</param>
    /// <param name="version">Read before the caller looked.</param>
    /// <param name="atMost">Null for any time.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    public static async Task WaitAsync(
        SyncContext context, long version, TimeSpan? atMost, CancellationToken cancellationToken)
    {
        if (atMost is not { } time)
        {
            await context.Changed.WaitAsync(version, cancellationToken);
            return;
        }

        using var end = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var timer = PulseAfterAsync(context, time, end.Token);
        try
        {
            await context.Changed.WaitAsync(version, cancellationToken);
        }
        finally
        {
            end.Cancel();
            await timer;
        }
    }

    /// <summary>Cancels a source after some time, unless it is cancelled before.</summary>
    public static async Task CancelAfterAsync(SyncContext context, TimeSpan time, CancellationTokenSource source)
    {
        if (await PauseAsync(context, time, source.Token))
        {
            source.Cancel();
        }
    }

    private static async Task PulseAfterAsync(SyncContext context, TimeSpan time, CancellationToken cancellationToken)
    {
        if (await PauseAsync(context, time, cancellationToken))
        {
            context.Changed.Pulse();
        }
    }

    private static async Task<bool> PauseAsync(
        SyncContext context, TimeSpan time, CancellationToken cancellationToken)
    {
        try
        {
            await context.Runtime.Delay(time, cancellationToken);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
