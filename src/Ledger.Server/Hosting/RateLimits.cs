using System.Threading.RateLimiting;
using Ledger.Server.Configuration;
using Ledger.Server.Identities;

namespace Ledger.Server.Hosting;

/// <summary>How many calls a second each key may make: a bucket for each, so that one cannot take another's.</summary>
internal sealed class RateLimits : IDisposable
{
    // Often enough that a refused caller need not wait a whole second, seldom enough to cost nothing.
    private const int PeriodsPerSecond = 10;

    private readonly PartitionedRateLimiter<string>? _calls;

    /// <summary>Full buckets.</summary>
    public RateLimits(LimitOptions options)
    {
        if (options.CallsPerSecond == 0)
        {
            return;
        }

        // A bucket takes whole calls only: the period is as long as these take.
        var calls = Math.Max(1, options.CallsPerSecond / PeriodsPerSecond);
        _calls = PartitionedRateLimiter.Create<string, string>(name => RateLimitPartition.GetTokenBucketLimiter(
            name,
            _ => new TokenBucketRateLimiterOptions
            {
                TokenLimit = options.Burst,
                TokensPerPeriod = calls,
                ReplenishmentPeriod = TimeSpan.FromSeconds((double)calls / options.CallsPerSecond),
                QueueLimit = 0,
            }));
    }

    /// <summary>Takes one call out of the caller's bucket.</summary>
    /// <param name="identity">The caller; all that nobody knows share one.</param>
    /// <param name="retryAfter">When it is empty: how long until there is one.</param>
    /// <returns>False when it is empty.</returns>
    public bool TryTake(Identity? identity, out TimeSpan retryAfter)
    {
        retryAfter = TimeSpan.Zero;
        if (_calls is null)
        {
            return true;
        }

        try
        {
            using var lease = _calls.AttemptAcquire(identity?.Name ?? "");
            if (!lease.IsAcquired)
            {
                lease.TryGetMetadata(MetadataName.RetryAfter, out retryAfter);
            }

            return lease.IsAcquired;
        }
        catch (ObjectDisposedException)
        {
            // A reload came between: this call belongs to the old limits, which are over.
            return true;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _calls?.Dispose();
}
