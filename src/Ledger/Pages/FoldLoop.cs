using Ledger.Runtime;
using Microsoft.Extensions.Logging;

namespace Ledger.Pages;

/// <summary>
/// Folds the journals that nobody asks for: of a page that has been idle for a second, and of a busy one.
/// </summary>
/// <remarks>
/// One loop for a ledger, which runs only while a journal is not folded. A fold that fails is tried again after <see
/// cref="RetryDelay"/>; nothing is lost meanwhile, for the journal is durable.
/// </remarks>
/// <param name="runtime">The seams.</param>
/// <param name="logger">Where failures go.</param>
/// <param name="hold">Keeps a page open.</param>
/// <param name="release">Ends <paramref name="hold"/>.</param>
internal sealed class FoldLoop(
    LedgerRuntime runtime, ILogger logger, Action<PageState> hold, Action<PageState> release) : IAsyncDisposable
{
    /// <summary>Journal entries of a branch that make a fold due.</summary>
    public const int EntryCountMax = 1000;

    /// <summary>Bytes of a branch's journal that make a fold due.</summary>
    public const int SizeBytesMax = 256 * 1024;

    /// <summary>
    /// Bytes of a branch's journal above which each write waits for a fold before it returns, and after a fold that
    /// failed is refused with its error.
    /// </summary>
    public const long HeldBackSizeBytes = 16L << 20;

    /// <summary>A journal is folded when the page has taken no write for so long.</summary>
    public static readonly TimeSpan IdleDelay = TimeSpan.FromSeconds(1);

    /// <summary>A journal is folded when its first write is so long ago.</summary>
    public static readonly TimeSpan AgeMax = TimeSpan.FromSeconds(5);

    /// <summary>How long after a failure the fold is tried again.</summary>
    public static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(5);

    private readonly Lock _gate = new();
    private readonly Dictionary<PageState, DueTimes> _due = [];

    // Not the wall clock: one that is set back must not make a journal wait for longer.
    private readonly long _startedAt = runtime.Time.GetTimestamp();
    private CancellationTokenSource? _sleep;
    private Task? _running;
    private bool _isStopped;

    private TimeSpan Now => runtime.Time.GetElapsedTime(_startedAt);

    /// <summary>A page has taken writes, or was opened with a journal.</summary>
    public void Touch(PageState page)
    {
        var isFull = IsFull(page);
        var now = Now;
        CancellationTokenSource? sleep = null;
        lock (_gate)
        {
            if (_isStopped)
            {
                return;
            }

            if (!_due.TryGetValue(page, out var times))
            {
                hold(page);
                times = new DueTimes(now + AgeMax, now + IdleDelay);
            }

            _due[page] = isFull ? new DueTimes(now, now) : times with { WhenIdle = now + IdleDelay };
            if (_running is null)
            {
                _running = RunAsync();
            }
            else if (isFull)
            {
                sleep = _sleep;
            }
        }

        // Who is woken may go on at once, on this stack: not under the lock.
        sleep?.Cancel();
    }

    /// <summary>Folds nothing more and waits for the fold that is running.</summary>
    public async ValueTask DisposeAsync()
    {
        Task? running;
        CancellationTokenSource? sleep;
        lock (_gate)
        {
            _isStopped = true;
            (running, sleep) = (_running, _sleep);
        }

        sleep?.Cancel();
        if (running is not null)
        {
            await running;
        }

        lock (_gate)
        {
            foreach (var page in _due.Keys)
            {
                release(page);
            }

            _due.Clear();
            _sleep?.Dispose();
        }
    }

    private async Task RunAsync()
    {
        // The writer who started the loop goes on at once; the first fold is not on its stack.
        await new YieldAwaitable(runtime.Scheduler);
        while (TakeNext(out var page, out var delay))
        {
            if (page is null)
            {
                await SleepAsync(delay);
                continue;
            }

            await FoldAsync(page);
        }
    }

    /// <summary>Decides what to do next.</summary>
    /// <param name="page">The page that is due, taken out; null when none is yet.</param>
    /// <param name="delay">How long to sleep when none is.</param>
    /// <returns>False when there is nothing left: the loop has ended.</returns>
    private bool TakeNext(out PageState? page, out TimeSpan delay)
    {
        var now = Now;
        page = null;
        delay = TimeSpan.Zero;
        lock (_gate)
        {
            if (_isStopped || _due.Count == 0)
            {
                _running = null;
                return false;
            }

            var (next, times) = _due.MinBy(pair => (pair.Value.Next, pair.Key.Id));
            if (times.Next <= now)
            {
                page = next;
                _due.Remove(next);
                return true;
            }

            delay = times.Next - now;
            _sleep = new CancellationTokenSource();
            return true;
        }
    }

    private async Task SleepAsync(TimeSpan delay)
    {
        var sleep = _sleep;
        Invariant.Check(sleep is not null);
        try
        {
            await runtime.Delay(delay, sleep.Token);
        }
        catch (OperationCanceledException)
        {
            // Something is due at once, or the ledger is being closed.
        }

        // Not disposed of: somebody may be about to cancel it, and it has nothing but memory.
        lock (_gate)
        {
            _sleep = null;
        }

        // Whoever cancelled goes on at once; the fold is not on its stack.
        await new YieldAwaitable(runtime.Scheduler);
    }

    private async Task FoldAsync(PageState page)
    {
        try
        {
            foreach (var branch in BranchesOf(page))
            {
                await page.Commits.FoldAsync(branch, CancellationToken.None);
            }
        }
        catch (PageDeletedException)
        {
            // Its journal is gone with it.
        }
        catch (Exception exception) when (exception is not InvariantException)
        {
            // A supervisor: whatever it is, the journal is durable and the next reader will be told.
            LogMessages.FoldFailed(logger, page.Id, exception);
            Postpone(page);
            return;
        }
        catch (InvariantException)
        {
            // The page has stopped and said so.
        }

        release(page);
    }

    private void Postpone(PageState page)
    {
        var again = Now + RetryDelay;
        bool isKnown;
        lock (_gate)
        {
            isKnown = _due.ContainsKey(page);
            _due[page] = new DueTimes(again, again);
        }

        if (isKnown)
        {
            release(page);
        }
    }

    private static Branch[] BranchesOf(PageState page)
    {
        lock (page.Gate)
        {
            return [.. page.Branches];
        }
    }

    private static bool IsFull(PageState page)
    {
        lock (page.Gate)
        {
            return page.Branches.Any(branch =>
                branch.Active.EntryCount >= EntryCountMax || branch.Active.SizeBytes >= SizeBytesMax);
        }
    }

    private readonly record struct DueTimes(TimeSpan AtLatest, TimeSpan WhenIdle)
    {
        public TimeSpan Next => AtLatest < WhenIdle ? AtLatest : WhenIdle;
    }
}
