using Ledger.Runtime;

namespace Ledger.Server.Hooks;

/// <summary>How long an endpoint that is away is left alone, and whether it is believed to be back.</summary>
/// <param name="runtime">Clock, randomness and waiting.</param>
/// <param name="plan">The waits.</param>
internal sealed class HookPause(LedgerRuntime runtime, HookPlan plan)
{
    private readonly Lock _gate = new();
    private int _failures;
    private long _turn;
    private DateTimeOffset? _until;

    /// <summary>Rises with every pause: a request that was begun under another turn says nothing new.</summary>
    public long Turn
    {
        get
        {
            lock (_gate)
            {
                return _turn;
            }
        }
    }

    /// <summary>Whether the last that is known of the endpoint is that it is away: then it gets one request.</summary>
    public bool IsAway
    {
        get
        {
            lock (_gate)
            {
                return _failures > 0;
            }
        }
    }

    /// <summary>When it is tried again; null when it is not paused.</summary>
    public DateTimeOffset? Until
    {
        get
        {
            lock (_gate)
            {
                return _until is { } until && until > runtime.Time.GetUtcNow() ? until : null;
            }
        }
    }

    /// <summary>How long it is still paused.</summary>
    public TimeSpan Left => Until is { } until && until - runtime.Time.GetUtcNow() is { } left && left > TimeSpan.Zero
        ? left : TimeSpan.Zero;

    /// <summary>The endpoint answered.</summary>
    public void Clear()
    {
        lock (_gate)
        {
            (_failures, _until) = (0, null);
        }
    }

    /// <summary>The endpoint was away for a request.</summary>
    /// <param name="turn">The turn in which the request was begun.</param>
    /// <param name="retryAfter">What the endpoint asked for.</param>
    public void Fail(long turn, TimeSpan? retryAfter)
    {
        lock (_gate)
        {
            if (turn == _turn)
            {
                _turn++;
                var own = Backoff(_failures++);
                var least = Backoff(0);
                _until = runtime.Time.GetUtcNow() + (retryAfter is { } asked ? asked > least ? asked : least : own);
            }
        }
    }

    /// <summary>Waits until it may be tried again.</summary>
    public async Task WaitAsync(CancellationToken cancellationToken)
    {
        while (Until is { } until)
        {
            var wait = until - runtime.Time.GetUtcNow();
            await runtime.Delay(wait > TimeSpan.Zero ? wait : TimeSpan.Zero, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The wait after so many failures before this one: between half of its bound and its bound.</summary>
    public TimeSpan Backoff(int failures)
    {
        var bound = Math.Min(
            plan.BackoffMax.TotalMilliseconds, plan.BackoffMin.TotalMilliseconds * Math.Pow(2, Math.Min(failures, 30)));
        var chance = (runtime.NextUInt64() >> 11) * (1.0 / (1UL << 53));
        return TimeSpan.FromMilliseconds(bound * (0.5 + (chance / 2)));
    }
}
