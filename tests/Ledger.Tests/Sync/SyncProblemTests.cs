using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.MaliciousCloudTests;
using static Ledger.Tests.Sync.SyncEngineTests;

namespace Ledger.Tests.Sync;

/// <summary>Problems that the status shows while there are any, and not after.</summary>
public sealed class SyncProblemTests
{
    [Fact]
    public void Commits_that_wait_for_five_minutes_are_a_problem_until_what_they_wait_for_has_come() => Run(
        seed: 170, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 4))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            await using var second = await SyncDevice.OpenAsync(runtime, "/b", DelaySecond(cloud));
            await second.Engine.WaitForIdleAsync(default);
            await runtime.Delay(TimeSpan.FromSeconds(290), default);
            var early = await FindAsync(second, SyncProblemKind.Waiting);
            await runtime.Delay(TimeSpan.FromSeconds(11), default);
            var found = await FindAsync(second, SyncProblemKind.Waiting);
            await PutAndSyncAsync(first, "4", "x");
            await runtime.Delay(TimeSpan.FromSeconds(1), default);
            await second.Engine.WaitForIdleAsync(default);

            Assert.Empty(early);
            Assert.Contains("2 commits wait", Assert.Single(found).Message, StringComparison.Ordinal);
            var status = await second.Engine.GetStatusAsync(default);
            Assert.Empty(status.Problems);
            Assert.Equal(0, status.CommitsWaiting);
            await using var there = await second.OpenPageAsync();
            Assert.Equal("0=x,1=x,2=x,3=x,4=x", await there.ShowAsync());
        });

    [Fact]
    public void Who_watches_the_status_is_told_when_commits_have_waited_for_too_long() => Run(
        seed: 173, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 4))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            await using var second = await SyncDevice.OpenAsync(runtime, "/b", DelaySecond(cloud));
            await second.Engine.WaitForIdleAsync(default);
            var began = runtime.Time.GetTimestamp();
            var told = TimeSpan.MaxValue;
            await foreach (var status in second.Engine.WatchStatusAsync(default))
            {
                told = runtime.Time.GetElapsedTime(began);
                if (status.Problems.Any(problem => problem.Kind == SyncProblemKind.Waiting) ||
                    told > TimeSpan.FromHours(1))
                {
                    break;
                }
            }

            // A world wakes nobody early, and some late.
            Assert.InRange(told, TimeSpan.FromSeconds(290), TimeSpan.FromMinutes(10));
        });

    [Theory]
    [InlineData(23, false, 0)]
    [InlineData(25, false, 2)]
    [InlineData(25, true, 2)]
    public void Commits_dated_more_than_a_day_ahead_are_a_problem_until_the_clock_comes_near(
        int hours, bool waits, int problems) => Run(seed: 171, async (runtime, cloud) =>
    {
        var clock = (WorldTimeProvider)runtime.Time;
        clock.Offset = TimeSpan.FromHours(hours);
        await using (var first = await SyncDevice.OpenAsync(runtime, "/a", cloud))
        {
            await PutAndSyncAsync(first, "a", "1");
            await PutAndSyncAsync(first, "a", "2");
        }

        clock.Offset = default;
        var kept = new List<FeedEntry>();
        var liar = new TamperingCloud(cloud) { Tamper = item => waits ? Exchange(kept, item) : [item] };
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
        await second.Engine.WaitForIdleAsync(default);
        var found = await FindAsync(second, SyncProblemKind.AheadOfTime);
        clock.Offset = TimeSpan.FromHours(2);

        Assert.Equal(problems, found.Count);
        Assert.All(found, problem => Assert.Contains("is dated 2025-01-02", problem.Message, StringComparison.Ordinal));
        await using var there = await second.OpenPageAsync();
        Assert.Equal("a=2", await there.ShowAsync());
        Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
    });

    [Fact]
    public void Of_a_device_that_is_withheld_the_time_when_it_was_last_heard_stays_behind() => Run(
        seed: 172, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var third = await SyncDevice.OpenAsync(runtime, "/c", cloud);
            var (one, three) = (await NameAsync(first), await NameAsync(third));
            var withholds = false;
            var liar = new TamperingCloud(cloud)
            {
                Tamper = item => withholds && item.Entry.Device == three ? [] : [item],
            };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await PutAndSyncAsync(first, "a", "1");
            await SettleAsync(first, third);
            await PutAndSyncAsync(third, "a", "2");
            await SettleAsync(first, second, third);
            withholds = true;
            await runtime.Delay(TimeSpan.FromMinutes(10), default);
            await PutAndSyncAsync(first, "a", "3");
            await SettleAsync(first, third);
            await PutAndSyncAsync(third, "a", "4");
            await second.SyncAsync();
            var (ofOne, ofThree) = (await HeardAsync(second, one), await HeardAsync(second, three));
            withholds = false;
            await second.SyncAsync();

            Assert.InRange(ofOne - ofThree, TimeSpan.FromMinutes(9), TimeSpan.FromMinutes(11));
            Assert.True(await HeardAsync(second, three) >= ofOne);
            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=4", await there.ShowAsync());
        });

    private static async Task<List<SyncProblem>> FindAsync(SyncDevice device, SyncProblemKind kind) =>
        [.. (await device.Engine.GetStatusAsync(default)).Problems.Where(problem => problem.Kind == kind)];

    private static async Task<DateTimeOffset> HeardAsync(SyncDevice device, DeviceId other) =>
        (await device.Engine.GetStatusAsync(default)).Devices.Single(each => each.Device == $"{other}").LastHeard;

    private static async Task<DeviceId> NameAsync(SyncDevice device)
    {
        await device.Engine.WaitForIdleAsync(default);
        return device.Ledger.Services.Device;
    }

    // The second entry comes with the fifth.
    private static TamperingCloud DelaySecond(ICloudProvider cloud)
    {
        FeedEntry? late = null;
        return new TamperingCloud(cloud)
        {
            Tamper = item =>
            {
                var place = item.Position.Value;
                late = place == 2 ? item : late;
                return place == 2 ? []
                    : place < 5 ? [item]
                    : [late! with { Position = item.Position }, item with { Position = new(place + 1) }];
            },
        };
    }

    // The contents of the first two places have changed places.
    private static FeedEntry[] Exchange(List<FeedEntry> kept, FeedEntry item)
    {
        kept.Add(item);
        return kept.Count < 2
            ? []
            : [kept[0] with { Entry = kept[1].Entry }, kept[1] with { Entry = kept[0].Entry }];
    }
}
