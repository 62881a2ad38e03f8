using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class HybridTimestampTests
{
    [Fact]
    public void A_timestamp_is_milliseconds_above_a_counter()
    {
        var timestamp = new HybridTimestamp((1_735_787_045_678UL << 16) | 5);

        Assert.Equal(1_735_787_045_678, timestamp.Milliseconds);
        Assert.Equal(5, timestamp.Counter);
        Assert.Equal("1735787045678.5", timestamp.ToString());
        Assert.Equal(new DateTimeOffset(2025, 1, 2, 3, 4, 5, 678, TimeSpan.Zero), timestamp.ToDateTimeOffset());
    }

    [Fact]
    public void The_wall_clock_gives_the_first_timestamp_of_its_millisecond()
    {
        var timestamp = HybridTimestamp.FromWallClock(7);

        Assert.Equal(new HybridTimestamp(7 << 16), timestamp);
        Assert.Throws<ArgumentOutOfRangeException>(() => HybridTimestamp.FromWallClock(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => HybridTimestamp.FromWallClock(1L << 48));
    }

    [Fact]
    public void A_full_counter_carries_into_the_milliseconds()
    {
        var full = new HybridTimestamp((7 << 16) | 0xFFFF);

        Assert.Equal(HybridTimestamp.FromWallClock(8), full.Next());
        Assert.Throws<OverflowException>(() => new HybridTimestamp(ulong.MaxValue).Next());
    }

    [Fact]
    public void Timestamps_are_ordered_by_time_then_counter()
    {
        var early = new HybridTimestamp((7 << 16) | 9);
        var late = HybridTimestamp.FromWallClock(8);

        Assert.True(early < late && late > early && early <= late && late >= early);
        Assert.Equal(-1, early.CompareTo(late));
        Assert.Equal(late, HybridTimestamp.Max(early, late));
        Assert.Equal(late, HybridTimestamp.Max(late, early));
    }

    [Fact]
    public void A_timestamp_beyond_the_calendar_shows_its_end()
    {
        var timestamp = HybridTimestamp.FromWallClock(HybridTimestamp.MillisecondsMax);

        Assert.Equal(DateTimeOffset.MaxValue, timestamp.ToDateTimeOffset());
    }
}
