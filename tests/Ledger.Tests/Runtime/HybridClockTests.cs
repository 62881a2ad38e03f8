using Ledger.Conformance;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class HybridClockTests
{
    private readonly ManualTimeProvider _time = new();

    [Fact]
    public void The_wall_clock_leads_while_it_moves()
    {
        var clock = NewClock();

        var first = clock.Issue();
        _time.Advance(TimeSpan.FromMilliseconds(3));
        var second = clock.Issue();

        Assert.Equal(HybridTimestamp.FromWallClock(_time.GetUtcNow().ToUnixTimeMilliseconds() - 3), first);
        Assert.Equal(HybridTimestamp.FromWallClock(_time.GetUtcNow().ToUnixTimeMilliseconds()), second);
        Assert.Equal(second, clock.Last);
    }

    [Fact]
    public void A_clock_that_stands_still_or_runs_backwards_is_counted_past()
    {
        var clock = NewClock();
        var first = clock.Issue();

        var second = clock.Issue();
        _time.Advance(TimeSpan.FromHours(-1));
        var third = clock.Issue();

        Assert.Equal(first.Next(), second);
        Assert.Equal(second.Next(), third);
    }

    [Fact]
    public void A_timestamp_is_later_than_each_parent()
    {
        var clock = NewClock();
        var ahead = HybridTimestamp.FromWallClock(_time.GetUtcNow().ToUnixTimeMilliseconds() + 60_000);

        var issued = clock.Issue(HybridTimestamp.Zero, ahead, HybridTimestamp.FromWallClock(1));

        Assert.Equal(ahead.Next(), issued);
        Assert.Equal(issued.Next(), clock.Issue());
    }

    [Fact]
    public void What_was_observed_is_never_issued_again()
    {
        var clock = NewClock();
        var last = HybridTimestamp.FromWallClock(_time.GetUtcNow().ToUnixTimeMilliseconds() + 5);

        clock.Observe(last);
        clock.Observe(HybridTimestamp.Zero);

        Assert.Equal(last, clock.Last);
        Assert.Equal(last.Next(), clock.Issue());
    }

    [Fact]
    public void A_clock_before_1970_counts_as_1970()
    {
        _time.Advance(-TimeSpan.FromDays(365 * 100));
        var clock = NewClock();

        Assert.Equal(HybridTimestamp.Zero.Next(), clock.Issue());
    }

    [Fact]
    public async Task Many_threads_never_get_the_same_timestamp()
    {
        var clock = NewClock();

        var issued = await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(
            () => Enumerable.Range(0, 40_000).Select(_ => clock.Issue()).ToArray())));

        Assert.All(issued, part => Assert.Equal(part.Order(), part));
        Assert.Equal(160_000, issued.SelectMany(part => part).Distinct().Count());
    }

    private HybridClock NewClock()
    {
        var system = LedgerRuntime.CreateSystem();
        return new HybridClock(
            new LedgerRuntime(system.Scheduler, _time, system.Random, system.Files, system.Network));
    }
}
