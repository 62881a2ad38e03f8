using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>How long to wait after failures: doubled each time up to a bound, and jittered. For one caller.</summary>
/// <param name="runtime">Gives time and randomness.</param>
internal sealed class Backoff(LedgerRuntime runtime)
{
    /// <summary>The bound after the first failure.</summary>
    public static readonly TimeSpan Least = TimeSpan.FromMilliseconds(100);

    /// <summary>The bound after many failures.</summary>
    public static readonly TimeSpan Most = TimeSpan.FromMinutes(1);

    private int _failures;

    /// <summary>Something succeeded.</summary>
    public void Reset() => _failures = 0;

    /// <summary>How long to wait now: between half the bound and the bound.</summary>
    public TimeSpan Next()
    {
        var bound = Math.Min(
            Least.TotalMilliseconds * Math.Pow(2, Math.Min(_failures, 30)), Most.TotalMilliseconds);
        _failures++;
        return TimeSpan.FromMilliseconds(bound * (0.5 + (0.5 * runtime.NextUInt64() / ulong.MaxValue)));
    }
}
