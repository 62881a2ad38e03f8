using Ledger.Conformance;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.MaliciousCloudTests;
using static Ledger.Tests.Sync.SyncEngineTests;
using static Ledger.Tests.Sync.SyncRepairTests;

namespace Ledger.Tests.Sync;

/// <summary>Engines that end while somebody waits, and what is tried again without end.</summary>
public sealed class SyncEndTests
{
    [Fact]
    public void Who_waits_for_an_engine_is_told_when_it_ends() => Run(seed: 150, async (runtime, cloud) =>
    {
        var faults = new CloudFaults(150) { IsPartitioned = true };
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", new FaultyCloud(runtime, cloud, faults));
        var now = first.SyncAsync();
        var phases = WatchAsync(first);
        await runtime.Delay(TimeSpan.FromSeconds(1), default);

        await first.Engine.DisposeAsync();

        await Assert.ThrowsAsync<ObjectDisposedException>(() => now);
        Assert.Equal(SyncPhase.Stopped, (await phases)[^1]);
        await Assert.ThrowsAsync<ObjectDisposedException>(() => first.SyncAsync());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => first.Engine.RepairAsync(default));
    });

    [Fact]
    public void What_cannot_be_taken_in_is_tried_again_ever_more_seldom() => Run(seed: 151, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await PutAndSyncAsync(first, "a", "1");
        var liar = new TamperingCloud(cloud)
        {
            Tamper = _ => throw new CloudUnavailableException(CloudProblem.Unreachable, "It breaks here."),
        };
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);

        await runtime.Delay(TimeSpan.FromMinutes(5), default);

        Assert.InRange(liar.RoundTrips, 5, 20);
        Assert.Equal("It breaks here.", (await second.Engine.GetStatusAsync(default)).Error);
    });

    [Theory]
    [InlineData(1)]
    [InlineData(6)]
    public void An_entry_that_comes_back_garbled_to_its_own_device_is_sent_again_in_another_one(int times) => Run(
        seed: 152, async (runtime, cloud) =>
        {
            var garbled = 0;
            var liar = new TamperingCloud(cloud)
            {
                Tamper = item => garbled++ < times ? [Falsify(item, "altered")] : [item],
            };
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", liar);
            await PutAsync(first, "a", "1");
            await first.SyncAsync();
            await PutAndSyncAsync(first, "b", "2");
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=1,b=2", await there.ShowAsync());
            Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
            Assert.Contains(
                (await first.Engine.GetStatusAsync(default)).Problems,
                problem => problem.Kind == SyncProblemKind.Quarantined);
        });

    private static async Task<List<SyncPhase>> WatchAsync(SyncDevice device)
    {
        var phases = new List<SyncPhase>();
        await foreach (var status in device.Engine.WatchStatusAsync(default))
        {
            phases.Add(status.Phase);
        }

        return phases;
    }
}
