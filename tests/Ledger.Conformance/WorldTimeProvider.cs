namespace Ledger.Conformance;

/// <summary>The clock of a device in the world: virtual time, perhaps set wrongly.</summary>
/// <param name="world">Whose virtual time it shows; it begins on 1 January 2025 UTC.</param>
public sealed class WorldTimeProvider(WorldScheduler world) : TimeProvider
{
    private static readonly DateTimeOffset Beginning = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    /// <summary>How far the device's wall clock is ahead of the world's; negative when behind.</summary>
    public TimeSpan Offset { get; set; }

    /// <summary>One tick is 100 ns, as in <see cref="TimeSpan"/>.</summary>
    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    /// <inheritdoc/>
    public override DateTimeOffset GetUtcNow()
    {
        world.CheckThread("The clock was read");
        return Beginning + world.Elapsed + Offset;
    }

    /// <inheritdoc/>
    public override long GetTimestamp()
    {
        world.CheckThread("The clock was read");
        return world.Elapsed.Ticks;
    }

    /// <summary>Timers belong to the scheduling seam, so this clock makes none.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        throw new NotSupportedException("Only the readings of a clock may be used: wait with runtime.Delay.");
}
