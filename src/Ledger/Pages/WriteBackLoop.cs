using Ledger.Runtime;
using Ledger.Trees;
using Microsoft.Extensions.Logging;

namespace Ledger.Pages;

/// <summary>Writes back the nodes of a ledger when enough have gathered, beside those who commit.</summary>
/// <remarks>
/// Nothing is lost when it fails: nodes follow from the log. The next commit after a while tries again.
/// </remarks>
/// <param name="runtime">The seams.</param>
/// <param name="writeBack">What it runs.</param>
/// <param name="heads">Told what is stored.</param>
/// <param name="logger">Where failures go.</param>
internal sealed class WriteBackLoop(
    LedgerRuntime runtime, NodeWriteBack writeBack, LivingHeads heads, ILogger logger) : IAsyncDisposable
{
    /// <summary>How long after a failure it is not tried again.</summary>
    public static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private Task? _running;
    private long? _failedAt;
    private bool _isStopped;

    /// <summary>A commit was made.</summary>
    /// <param name="changes">Changes in it.</param>
    public void Committed(long changes)
    {
        writeBack.Count(1, changes);
        if (!writeBack.IsDue)
        {
            return;
        }

        lock (_gate)
        {
            if (_isStopped || _running is not null || !IsTimeToTry())
            {
                return;
            }

            _running = RunInBackgroundAsync();
        }
    }

    /// <summary>Writes everything that is needed now.</summary>
    public async ValueTask RunAsync(CancellationToken cancellationToken)
    {
        await writeBack.RunAsync(cancellationToken);
        heads.Trim();
    }

    /// <summary>Waits for what is running.</summary>
    public async ValueTask DrainAsync()
    {
        Task? running;
        lock (_gate)
        {
            running = _running;
        }

        if (running is not null)
        {
            await running;
        }
    }

    /// <summary>
    /// Waits for what is running, and stores the trees of the heads; a store that refuses keeps what it has.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _isStopped = true;
        }

        await DrainAsync();
        try
        {
            await writeBack.CloseAsync(heads.ListRoots(), CancellationToken.None);
        }
        catch (LedgerException exception) when (exception is not InvariantException)
        {
            LogMessages.WriteBackFailed(logger, exception);
        }
    }

    private bool IsTimeToTry() =>
        _failedAt is not { } failedAt || runtime.Time.GetElapsedTime(failedAt) >= RetryDelay;

    private async Task RunInBackgroundAsync()
    {
        // The one who commits goes on at once.
        await new YieldAwaitable(runtime.Scheduler);
        long? failedAt = null;
        try
        {
            await writeBack.RunIfDueAsync(CancellationToken.None);
            heads.Trim();
        }
        catch (Exception exception) when (exception is not InvariantException)
        {
            // A supervisor: whatever it is, the nodes are in memory and follow from the log.
            LogMessages.WriteBackFailed(logger, exception);
            failedAt = runtime.Time.GetTimestamp();
        }
        catch (InvariantException fault)
        {
            LogMessages.WriteBackFailed(logger, fault);
            failedAt = runtime.Time.GetTimestamp();
        }
        finally
        {
            lock (_gate)
            {
                (_running, _failedAt) = (null, failedAt);
            }
        }
    }
}
