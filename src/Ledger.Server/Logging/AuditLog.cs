using System.Threading.RateLimiting;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;

namespace Ledger.Server.Logging;

/// <summary>Who was refused. At most some lines a second, so that nobody can fill a disk by failing.</summary>
/// <param name="logger">Where lines go.</param>
internal sealed class AuditLog(ILogger logger) : IDisposable
{
    private const int LinesPerSecond = 10;

    private readonly TokenBucketRateLimiter _lines = new(new()
    {
        TokenLimit = 10 * LinesPerSecond,
        TokensPerPeriod = LinesPerSecond,
        ReplenishmentPeriod = TimeSpan.FromSeconds(1),
        QueueLimit = 0,
    });

    private long _silent;

    /// <summary>Notes a call that was refused.</summary>
    /// <param name="context">The call; nothing of its headers is kept.</param>
    /// <param name="reason">Why.</param>
    public void Refused(HttpContext context, string reason)
    {
        using var lease = _lines.AttemptAcquire();
        if (!lease.IsAcquired)
        {
            Interlocked.Increment(ref _silent);
            return;
        }

        var silent = Interlocked.Exchange(ref _silent, 0);
        if (silent > 0)
        {
            DaemonEvents.RefusedMore(logger, silent);
        }

        DaemonEvents.Refused(
            logger, context.Request.Path.ToString(), context.Connection.RemoteIpAddress?.ToString() ?? "a Unix socket",
            reason);
    }

    /// <inheritdoc/>
    public void Dispose() => _lines.Dispose();
}
