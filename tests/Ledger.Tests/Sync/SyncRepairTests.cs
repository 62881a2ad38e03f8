using Ledger.Commits;
using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.MaliciousCloudTests;
using static Ledger.Tests.Sync.SyncEngineTests;

namespace Ledger.Tests.Sync;

/// <summary>Clouds that are erased, replaced or rolled back, and devices that are restored or cloned.</summary>
public sealed class SyncRepairTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void After_the_cloud_was_erased_nothing_moves_until_the_user_repairs_and_nothing_is_lost(bool whileOpen) =>
        Run(seed: 30, async (runtime, cloud) =>
        {
            await using (var before = await SyncDevice.OpenAsync(runtime, "/a", cloud))
            {
                await PutAndSyncAsync(before, "a", "1");
            }

            if (!whileOpen)
            {
                cloud.Erase();
            }

            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            if (whileOpen)
            {
                await first.Engine.WaitForIdleAsync(default);
                cloud.Erase();
            }

            await using var here = await first.OpenPageAsync();
            await here.PutAsync("b", "2");
            await WaitForAsync(first, status => status.Phase == SyncPhase.Blocked);
            var status = await first.Engine.GetStatusAsync(default);
            Assert.Equal(SyncBlock.Foreign, status.Block);
            Assert.NotNull(status.Error);
            await Assert.ThrowsAsync<SyncBlockedException>(() => first.Engine.WaitForIdleAsync(default));
            Assert.Equal("a=1,b=2", await here.ShowAsync());

            await first.Engine.RepairAsync(default);
            await first.SyncAsync();
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=1,b=2", await there.ShowAsync());
        });

    [Fact]
    public void A_cloud_that_is_erased_while_values_are_sent_is_sent_no_more_of_them() => Run(
        seed: 39, async (runtime, cloud) =>
        {
            var calls = 0;
            var watched = new TamperingCloud(cloud) { Appending = _ => calls++ };
            var faults = new CloudFaults(39) { DelayMax = TimeSpan.FromSeconds(5) };
            await using var first = await SyncDevice.OpenAsync(
                runtime, "/a", new FaultyCloud(runtime, watched, faults));
            await PutAndSyncAsync(first, "a", "1");
            watched.Putting = _ =>
            {
                if (++calls == 2)
                {
                    cloud.Erase();
                }
            };
            await using var page = await first.OpenPageAsync();
            await using (var transaction = await page.BeginTransactionAsync())
            {
                for (var number = 0; number < 30; number++)
                {
                    await transaction.PutAsync($"{number}", new string((char)('a' + number), 2000));
                }

                await transaction.CommitAsync();
            }

            calls = 0;
            await WaitForAsync(first, status => status.Block == SyncBlock.Foreign);

            // One call was on its way; the others were not begun.
            await runtime.Delay(TimeSpan.FromSeconds(5), default);
            var before = calls;
            await runtime.Delay(TimeSpan.FromMinutes(10), default);

            Assert.InRange(before, 2, 25);
            Assert.Equal(before, calls);
        });

    [Fact]
    public void After_a_rollback_devices_repair_and_everything_that_any_of_them_has_comes_back() => Run(
        seed: 31, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            foreach (var number in Enumerable.Range(0, 5))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            await second.SyncAsync();
            await PutAndSyncAsync(second, "second", "y");
            cloud.RollBack(first.Keys.Ledger, new FeedPosition(2));
            await PutAsync(first, "late", "z");
            await WaitForAsync(first, status => status.Block == SyncBlock.RolledBack);
            await WaitForAsync(second, status => status.Block == SyncBlock.RolledBack);

            await first.Engine.RepairAsync(default);
            await first.SyncAsync();
            await WaitForAsync(second, status => status.Block == SyncBlock.RolledBack);
            await second.Engine.RepairAsync(default);
            await SettleAsync(first, second);

            await using var here = await first.OpenPageAsync();
            await using var there = await second.OpenPageAsync();
            Assert.Equal("0=x,1=x,2=x,3=x,4=x,late=z,second=y", await here.ShowAsync());
            Assert.Equal(await HeadAsync(here), await HeadAsync(there));
            Assert.Empty((await first.Engine.GetStatusAsync(default)).Problems);
        });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_cloud_that_was_rolled_back_and_has_grown_past_an_anchor_is_noticed(bool restarts) => Run(
        seed: 35, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            foreach (var number in Enumerable.Range(0, 5))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            await PutAndSyncAsync(second, "5", "y");
            if (restarts)
            {
                await second.DisposeAsync();
            }

            // No device may look between the two: only what stands at their positions tells.
            await GrowAnewAsync(runtime, cloud, first.Keys.Ledger);
            second = restarts ? await SyncDevice.OpenAsync(runtime, "/b", cloud) : second;
            await PutAsync(second, "late", "z");
            foreach (var device in new[] { first, second })
            {
                await WaitForAsync(device, status => status.Block == SyncBlock.RolledBack);
                await device.Engine.RepairAsync(default);
            }

            await SettleAsync(first, second);
            await using var here = await first.OpenPageAsync();
            await using var there = await second.OpenPageAsync();
            Assert.Equal(
                "0=x,1=x,2=x,3=x,4=x,5=y,late=z,new0=n,new1=n,new2=n,new3=n,new4=n,new5=n,new6=n",
                await here.ShowAsync());
            Assert.Equal(await HeadAsync(here), await HeadAsync(there));
            await second.DisposeAsync();
        });

    [Fact]
    public void A_device_that_appended_and_was_rolled_back_before_it_saw_it_sends_it_again() => Run(
        seed: 32, async (runtime, cloud) =>
        {
            var liar = new TamperingCloud(cloud);
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", liar);
            await PutAndSyncAsync(first, "a", "1");
            var isLost = false;
            liar.Tamper = item => isLost ? [item] : [];
            liar.Appended = _ =>
            {
                if (!isLost)
                {
                    isLost = true;
                    cloud.RollBack(first.Keys.Ledger, new FeedPosition(1));
                }
            };
            await PutAndSyncAsync(first, "b", "2");

            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=1,b=2", await there.ShowAsync());
        });

    [Fact]
    public void A_restored_backup_takes_a_new_name_before_it_writes() => Run(seed: 33, async (runtime, cloud) =>
    {
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        string before;
        await using (var first = await SyncDevice.OpenAsync(runtime, "/a", cloud))
        {
            await PutAndSyncAsync(first, "a", "1");
            before = await NameAsync(first);
        }

        DirectoryCopy.Copy(runtime.Files, "/a", "/backup");
        await using (var first = await SyncDevice.OpenAsync(runtime, "/a", cloud))
        {
            await PutAndSyncAsync(first, "b", "2");
        }

        await using (var restored = await SyncDevice.OpenAsync(runtime, "/backup", cloud))
        {
            await PutAsync(restored, "c", "3");
            await restored.SyncAsync();
            Assert.NotEqual(before, await NameAsync(restored));
        }

        await second.SyncAsync();
        await using var there = await second.OpenPageAsync();
        Assert.Equal("a=1,b=2,c=3", await there.ShowAsync());
        Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
    });

    [Fact]
    public void A_device_for_which_too_much_waits_goes_on_once_it_is_repaired() => Run(
        seed: 34, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 3))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            var liar = new TamperingCloud(cloud)
            {
                Tamper = item => item.Position.Value == 1 ? [Falsify(item, "altered")] : [item],
            };
            await using (var before = await SyncDevice.OpenAsync(runtime, "/b", liar))
            {
                await before.SyncAsync();
                await EnlargeWaitingAsync(before);
            }

            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await WaitForAsync(second, status => status.Block == SyncBlock.TooMuchWaiting);
            liar.Tamper = null;
            await second.Engine.RepairAsync(default);
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync();
            Assert.Equal("0=x,1=x,2=x", await there.ShowAsync());
            var status = await second.Engine.GetStatusAsync(default);
            Assert.Equal((0, 0), (status.CommitsWaiting, status.WaitingSizeBytes));
            Assert.Empty(status.Problems);
        });

    internal static async Task PutAsync(SyncDevice device, string key, string value)
    {
        await using var page = await device.OpenPageAsync();
        await page.PutAsync(key, value);
    }

    internal static async Task WaitForAsync(SyncDevice device, Func<SyncStatus, bool> condition)
    {
        await foreach (var status in device.Engine.WatchStatusAsync(default))
        {
            if (condition(status))
            {
                return;
            }
        }
    }

    // Entry for entry what another cloud has of another device, behind the first two.
    private static async Task GrowAnewAsync(LedgerRuntime runtime, MemoryCloud cloud, LedgerName ledger)
    {
        var other = new MemoryCloud(runtime);
        await using var third = await SyncDevice.OpenAsync(runtime, "/c", other);
        foreach (var number in Enumerable.Range(0, 7))
        {
            await PutAndSyncAsync(third, $"new{number}", "n");
        }

        await using var connection = await other.ConnectAsync(
            new DeviceId(7), [new FeedCursor(ledger, FeedPosition.Start)], null, default);
        var entries = (CloudEvent.Entries)await connection.ReadAsync(default);
        cloud.RollBack(ledger, new FeedPosition(2));
        foreach (var item in entries.Items)
        {
            await cloud.AppendAsync(ledger, item.Page, [item.Entry], null, default);
        }
    }

    // Says of what waits that it takes more than is allowed to wait.
    private static async Task EnlargeWaitingAsync(SyncDevice device)
    {
        var store = device.Ledger.Services.Store;
        await using var lease = store.BeginWrite();
        var count = 0;
        await foreach (var (key, value) in store.ScanRowsAsync(SyncRowKeys.Waiting, default))
        {
            var row = WaitingRow.Decode(value.Span);
            lease.SetRow(key, (row with { SizeBytes = SyncReport.WaitingSizeBytesMax }).Encode());
            count++;
        }

        Assert.Equal(2, count);
        await lease.CommitAsync(Durability.Flushed, default);
    }

    private static async Task<string> NameAsync(SyncDevice device) =>
        (await device.Engine.GetStatusAsync(default)).Devices.Single(each => each.IsThis).Device;
}
