namespace Ledger.Sync;

/// <summary>What synchronisation has done and what keeps it from doing more. Safe for concurrent use.</summary>
internal sealed class SyncReport
{
    /// <summary>Bytes of waiting commits above which nothing more is taken in.</summary>
    public const long WaitingSizeBytesMax = 64L << 20;

    /// <summary>How long commits may wait while the feed is taken in before it is a problem.</summary>
    public static readonly TimeSpan WaitingTimeMax = TimeSpan.FromMinutes(5);

    /// <summary>How far ahead of this device's clock a commit may be dated before it is a problem.</summary>
    public static readonly TimeSpan AheadTimeMax = TimeSpan.FromHours(24);

    /// <summary>Problems of entries that are kept one by one.</summary>
    public const int ProblemsMax = 1000;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, string> _failures = [];
    private SyncCounts _counts;
    private long _problems;
    private (SyncBlock Block, string? Reason) _block;

    /// <summary>Counts so far.</summary>
    public SyncCounts Counts
    {
        get
        {
            lock (_gate)
            {
                return _counts;
            }
        }
    }

    /// <summary>Why nothing moves, and that as a full sentence.</summary>
    public (SyncBlock Block, string? Reason) Block
    {
        get
        {
            lock (_gate)
            {
                return _block;
            }
        }
        set
        {
            lock (_gate)
            {
                _block = value;
            }
        }
    }

    /// <summary>What went wrong last and is tried again; or null.</summary>
    public string? Failure
    {
        get
        {
            lock (_gate)
            {
                return _failures.Values.FirstOrDefault();
            }
        }
    }

    /// <summary>Changes the counts.</summary>
    public void Count(Func<SyncCounts, SyncCounts> change)
    {
        lock (_gate)
        {
            _counts = change(_counts);
        }
    }

    /// <summary>
    /// In which time the commits that wait become a problem if nothing comes; null when none waits or they are one.
    /// </summary>
    public TimeSpan? TimeToWaitingProblem(TimeProvider time) =>
        Counts.WaitingSince is { } since && WaitingTimeMax - time.GetElapsedTime(since) is { Ticks: > 0 } left
            ? left
            : null;

    /// <summary>Counts problems of entries, about: what is tried again may be counted again.</summary>
    /// <returns>All so far.</returns>
    public long AddProblems(long count)
    {
        lock (_gate)
        {
            return _problems += count;
        }
    }

    /// <summary>All problems of entries are forgotten.</summary>
    public void ForgetProblems()
    {
        lock (_gate)
        {
            _problems = 0;
        }
    }

    /// <summary>A loop has failed, or has got somewhere.</summary>
    /// <param name="loop">Its name.</param>
    /// <param name="message">A full sentence; null when it has got somewhere.</param>
    public void SetFailure(string loop, string? message)
    {
        lock (_gate)
        {
            if (message is null)
            {
                _failures.Remove(loop);
            }
            else
            {
                _failures[loop] = message;
            }
        }
    }
}

/// <summary>What was done and what waits.</summary>
/// <param name="EntriesReceived">Entries taken in.</param>
/// <param name="BytesReceived">Their sealed bytes.</param>
/// <param name="EntriesSent">Entries of this device that the cloud took.</param>
/// <param name="BytesSent">Their sealed bytes.</param>
/// <param name="Waiting">Commits that wait.</param>
/// <param name="WaitingSizeBytes">What they take.</param>
/// <param name="WaitingSince">Reading of the clock when the first of them came; null when none waits.</param>
internal readonly record struct SyncCounts(
    long EntriesReceived, long BytesReceived, long EntriesSent, long BytesSent, long Waiting, long WaitingSizeBytes,
    long? WaitingSince)
{
    /// <summary>After commits began or ended to wait.</summary>
    /// <param name="count">Negative when they ended to.</param>
    /// <param name="sizeBytes">Negative when they ended to.</param>
    /// <param name="now">Reading of the clock.</param>
    public SyncCounts Wait(long count, long sizeBytes, long now) => this with
    {
        Waiting = Waiting + count,
        WaitingSizeBytes = WaitingSizeBytes + sizeBytes,
        WaitingSince = Waiting + count == 0 ? null : WaitingSince ?? now,
    };
}
