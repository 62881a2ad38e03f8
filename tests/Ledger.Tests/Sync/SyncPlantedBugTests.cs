using Ledger.Conformance;
using Ledger.Objects.Segments;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.MaliciousCloudTests;
using static Ledger.Tests.Sync.SyncEngineTests;

namespace Ledger.Tests.Sync;

/// <summary>Planted faults that the simulator finds by chance at best: each with the case that shows it.</summary>
public sealed class SyncPlantedBugTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_put_that_was_not_folded_when_a_newer_one_came_in_is_merged_with_it(bool isPlanted) => Run(
        seed: 180, async (runtime, cloud) =>
        {
            var options = new RepositoryOptions { Bugs = isPlanted ? PlantedBugs.SyncDropJournal : PlantedBugs.None };
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud, options);
            await PutAndSyncAsync(first, "b", "before");
            await SettleAsync(first, second);
            await using var here = await first.OpenPageAsync();
            await using var there = await second.OpenPageAsync();

            // Folded after a second: the other device's put is here long before.
            await there.PutAsync("a", "older");
            await runtime.Delay(TimeSpan.FromMilliseconds(10), default);
            await here.PutAsync("a", "newer");
            await first.SyncAsync();
            await SettleAsync(first, second);

            // With the fault the older put is taken for one that was made on top of the newer one.
            Assert.Equal(isPlanted ? "a=older,b=before" : "a=newer,b=before", await there.ShowAsync());
            Assert.Equal(await there.ShowAsync(), await here.ShowAsync());
            Assert.Equal(isPlanted ? 0 : 1, await there.LogAsync().CountAsync(commit => commit.Parents.Count == 2));
        });

    [Theory]
    [InlineData("duplicated", false)]
    [InlineData("duplicated", true)]
    [InlineData("reversed", false)]
    [InlineData("reversed", true)]
    public void What_comes_twice_or_in_another_order_is_taken_in_once(string how, bool isPlanted) => Run(
        seed: 181, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 6))
            {
                await PutAndSyncAsync(first, "a", $"{number}");
            }

            var items = new List<FeedEntry>();
            var liar = new TamperingCloud(cloud)
            {
                Tamper = item => how == "duplicated" ? [item, item] : Collect(items, item, 6),
            };
            var options = new RepositoryOptions { Bugs = isPlanted ? PlantedBugs.SyncTrustDelivery : PlantedBugs.None };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar, options);
            await second.Engine.WaitForIdleAsync(default);
            liar.Tamper = null;
            await second.SyncAsync();

            // With the fault each copy is an entry, and the anchor goes back to where the last one stood.
            var received = (await second.Engine.GetStatusAsync(default)).EntriesReceived;
            Assert.Equal(!isPlanted ? 6 : how == "duplicated" ? 12 : 11, received);
            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=5", await there.ShowAsync());
        });
}
