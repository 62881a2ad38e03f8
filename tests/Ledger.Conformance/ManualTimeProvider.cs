namespace Ledger.Conformance;

/// <summary>A clock that moves only when a test moves it, also backwards. Has no timers.</summary>
/// <remarks>Begins at noon on 2 January 2025 UTC. Safe from any thread.</remarks>
public sealed class ManualTimeProvider : TimeProvider
{
    private long _utcTicks = new DateTime(2025, 1, 2, 12, 0, 0, DateTimeKind.Utc).Ticks;
    private long _elapsedTicks;

    /// <summary>One tick is 100 ns, as in <see cref="TimeSpan"/>.</summary>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow() => new(Interlocked.Read(ref _utcTicks), TimeSpan.Zero);

    /// <summary>Ticks that the clock was moved forwards in all; it never runs backwards.</summary>
    public override long GetTimestamp() => Interlocked.Read(ref _elapsedTicks);

    /// <summary>Moves the wall clock; below zero as when somebody sets it.</summary>
    public void Advance(TimeSpan by)
    {
        Interlocked.Add(ref _utcTicks, by.Ticks);
        Interlocked.Add(ref _elapsedTicks, Math.Max(0, by.Ticks));
    }

    /// <summary>Timers belong to the scheduling seam, so this clock makes none.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        throw new NotSupportedException("Only the readings of a clock may be used: wait with runtime.Delay.");
}
