namespace Ledger.Runtime;

/// <summary>Issues this device's timestamps in one page: each later than all before and than its parents'.</summary>
/// <remarks>
/// Safe from any thread. The last timestamp issued is the caller's to make durable and to <see cref="Observe"/> when
/// the page is opened again. Timestamps received from others move the clock only as parents.
/// </remarks>
/// <param name="runtime">Where the wall clock comes from.</param>
internal sealed class HybridClock(LedgerRuntime runtime)
{
    private readonly Lock _gate = new();
    private HybridTimestamp _last;

    /// <summary>The last timestamp issued or observed; <see cref="HybridTimestamp.Zero"/> when there is none.</summary>
    public HybridTimestamp Last
    {
        get
        {
            lock (_gate)
            {
                return _last;
            }
        }
    }

    /// <summary>The greatest of the wall clock, the last timestamp + 1, and each parent + 1.</summary>
    /// <param name="parents">Timestamps that the new one must exceed; none for a journal entry.</param>
    public HybridTimestamp Issue(params ReadOnlySpan<HybridTimestamp> parents)
    {
        // A wall clock outside the range, which only a broken one is, counts as the nearest in it.
        var wallClockMs = Math.Clamp(runtime.WallClockMs(), 0, HybridTimestamp.MillisecondsMax);
        var issued = HybridTimestamp.FromWallClock(wallClockMs);
        foreach (var parent in parents)
        {
            issued = HybridTimestamp.Max(issued, parent.Next());
        }

        lock (_gate)
        {
            issued = HybridTimestamp.Max(issued, _last.Next());
            _last = issued;
            return issued;
        }
    }

    /// <summary>Never issues <paramref name="issued"/> or anything before it again.</summary>
    public void Observe(HybridTimestamp issued)
    {
        lock (_gate)
        {
            _last = HybridTimestamp.Max(_last, issued);
        }
    }
}
