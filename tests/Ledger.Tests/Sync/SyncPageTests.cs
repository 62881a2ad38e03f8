using Ledger.Conformance;
using Ledger.Pages;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.MaliciousCloudTests;
using static Ledger.Tests.Sync.SyncEngineTests;
using static Ledger.Tests.Sync.SyncRepairTests;

namespace Ledger.Tests.Sync;

/// <summary>Pages that are made and deleted on one device, and what the others see.</summary>
public sealed class SyncPageTests
{
    [Fact]
    public void Pages_that_one_device_makes_the_others_list_also_empty_ones() => Run(seed: 60, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await using var empty = await first.Ledger.CreatePageAsync();
        await using var full = await first.Ledger.CreatePageAsync();
        await full.PutAsync("a", "1");
        await SettleAsync(first, second);

        var pages = await second.Ledger.ListPagesAsync().ToListAsync();
        await using var there = await second.OpenPageAsync(full.Id);
        Assert.Equal(new[] { empty.Id, full.Id }.Order(), pages);
        Assert.Equal("a=1", await there.ShowAsync());
    });

    [Fact]
    public void A_page_that_one_device_deletes_goes_everywhere_and_nothing_of_it_comes_back() => Run(
        seed: 61, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await using var here = await first.Ledger.CreatePageAsync();
            var id = here.Id;
            await here.PutAsync("a", "1");
            await SettleAsync(first, second);
            await using var there = await second.OpenPageAsync(id);

            await first.Ledger.DeletePageAsync(id);
            await SettleAsync(first, second);
            Assert.False(await second.Ledger.PageExistsAsync(id));
            await Assert.ThrowsAsync<PageDeletedException>(() => there.PutAsync("b", "2"));

            await using var again = await second.OpenPageAsync(id);
            await again.PutAsync("c", "3");
            await SettleAsync(first, second);
            await using var shown = await first.OpenPageAsync(id);
            Assert.Equal("c=3", await shown.ShowAsync());
            Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
        });

    [Fact]
    public void What_a_new_life_of_a_page_received_is_shown_though_values_of_the_last_one_were_on_their_way() =>
        Run(seed: 69, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            var (asked, given) = (new TaskCompletionSource(), new TaskCompletionSource());
            var slow = new TamperingCloud(cloud)
            {
                Getting = _ =>
                {
                    asked.TrySetResult();
                    return given.Task;
                },
            };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", slow);
            await using var here = await first.Ledger.CreatePageAsync();
            await here.PutAsync(Bytes("a"), new byte[100_000]);
            await first.SyncAsync();
            await asked.Task;
            await first.Ledger.DeletePageAsync(here.Id);
            await using var again = await first.OpenPageAsync(here.Id);
            await again.PutAsync("b", "2");
            await first.SyncAsync();
            await runtime.Delay(TimeSpan.FromMinutes(1), default);

            given.SetResult();
            await second.Engine.WaitForIdleAsync(default);

            await using var there = await second.OpenPageAsync(here.Id);
            Assert.Equal("b=2", await there.ShowAsync());
        });

    [Fact]
    public void A_page_that_was_deleted_offline_goes_everywhere_also_when_others_have_edited_it_meanwhile() => Run(
        seed: 67, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            var faults = new CloudFaults(67);
            await using var second = await SyncDevice.OpenAsync(
                runtime, "/b", new FaultyCloud(runtime, cloud, faults));
            await using var here = await first.Ledger.CreatePageAsync();
            await here.PutAsync("a", "1");
            await SettleAsync(first, second);
            faults.IsPartitioned = true;
            await second.Ledger.DeletePageAsync(here.Id);
            await here.PutAsync("b", "2");
            await first.SyncAsync();

            faults.IsPartitioned = false;
            await SettleAsync(first, second);

            Assert.False(await second.Ledger.PageExistsAsync(here.Id));
            Assert.False(await first.Ledger.PageExistsAsync(here.Id));
        });

    [Theory]
    [InlineData(0)]
    [InlineData(7)]
    public void A_page_that_was_deleted_before_anybody_heard_of_it_goes_from_those_who_have_made_it_too(byte number) =>
        Run(seed: 69, async (runtime, cloud) =>
        {
            var id = new PageId([.. Enumerable.Repeat(number, PageId.SizeBytes)]);
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            var faults = new CloudFaults(69) { IsPartitioned = true };
            await using var second = await SyncDevice.OpenAsync(
                runtime, "/b", new FaultyCloud(runtime, cloud, faults));
            await using var here = await first.Ledger.GetPageAsync(id);
            await here.PutAsync("a", "1");
            await first.SyncAsync();
            await using (var there = await second.Ledger.GetPageAsync(id))
            {
                await there.PutAsync("b", "2");
            }

            await second.Ledger.DeletePageAsync(id);
            faults.IsPartitioned = false;
            await SettleAsync(first, second);

            Assert.False(await second.Ledger.PageExistsAsync(id));
            Assert.False(await first.Ledger.PageExistsAsync(id));
        });

    [Fact]
    public void A_deletion_that_the_cloud_has_lost_is_told_again_when_the_user_repairs() => Run(
        seed: 68, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            var faults = new CloudFaults(68);
            await using var second = await SyncDevice.OpenAsync(
                runtime, "/b", new FaultyCloud(runtime, cloud, faults));
            await using var here = await first.Ledger.CreatePageAsync();
            await here.PutAsync("a", "1");
            await SettleAsync(first, second);
            var id = here.Id;
            faults.IsPartitioned = true;
            await first.Ledger.DeletePageAsync(id);
            await first.SyncAsync();
            cloud.Erase();

            await first.Engine.RepairAsync(default);
            await first.SyncAsync();
            faults.IsPartitioned = false;
            await second.Engine.RepairAsync(default);
            await SettleAsync(first, second);

            Assert.False(await second.Ledger.PageExistsAsync(id));
            Assert.False(await first.Ledger.PageExistsAsync(id));
        });

    [Fact]
    public void Edits_of_a_page_that_was_deleted_elsewhere_are_kept_and_reported() => Run(
        seed: 62, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            var faults = new CloudFaults(62);
            await using var second = await SyncDevice.OpenAsync(
                runtime, "/b", new FaultyCloud(runtime, cloud, faults));
            await using var here = await first.OpenPageAsync();
            await here.PutAsync("a", "1");
            await SettleAsync(first, second);
            faults.IsPartitioned = true;
            await using var there = await second.OpenPageAsync();
            await there.PutAsync("b", "2");
            await first.Ledger.DeletePageAsync(PageId.Root);
            await first.SyncAsync();

            faults.IsPartitioned = false;
            await SettleAsync(first, second);

            Assert.False(await second.Ledger.PageExistsAsync(PageId.Root));
            Assert.False(await first.Ledger.PageExistsAsync(PageId.Root));
            var status = await second.Engine.GetStatusAsync(default);
            var problem = Assert.Single(status.Problems);
            Assert.Equal(SyncProblemKind.DeletedWithEdits, problem.Kind);
        });

    [Fact]
    public void Two_devices_that_delete_and_make_a_page_anew_at_once_agree() => Run(seed: 63, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await using (var page = await first.OpenPageAsync())
        {
            await page.PutAsync("a", "1");
        }

        await SettleAsync(first, second);
        foreach (var device in new[] { first, second })
        {
            await device.Ledger.DeletePageAsync(PageId.Root);
            await using var page = await device.OpenPageAsync();
            await page.PutAsync(device == first ? "b" : "c", "2");
        }

        await SettleAsync(first, second);

        await using var here = await first.OpenPageAsync();
        await using var there = await second.OpenPageAsync();
        Assert.Equal("b=2,c=2", await here.ShowAsync());
        Assert.Equal(await HeadAsync(here), await HeadAsync(there));
    });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_deletion_that_was_not_sent_yet_outlives_what_comes_in_before_it(bool repairs) => Run(
        seed: 64, async (runtime, cloud) =>
        {
            var faults = new CloudFaults(64);
            var faulty = new FaultyCloud(runtime, cloud, faults);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await using (var before = await SyncDevice.OpenAsync(runtime, "/a", faulty))
            {
                await PutAndSyncAsync(before, "a", "1");
                await SettleAsync(before, second);
            }

            faults.IsPartitioned = true;
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", faulty);
            await first.Ledger.DeletePageAsync(PageId.Root);
            await PutAndSyncAsync(second, "b", "2");
            if (repairs)
            {
                await first.Engine.RepairAsync(default);
            }

            faults.IsPartitioned = false;
            await SettleAsync(first, second);

            Assert.False(await first.Ledger.PageExistsAsync(PageId.Root));
            Assert.False(await second.Ledger.PageExistsAsync(PageId.Root));
        });

    [Fact]
    public void A_page_deleted_and_made_anew_offline_ends_the_others_life_of_it_and_says_what_was_lost() => Run(
        seed: 65, async (runtime, cloud) =>
        {
            var faults = new CloudFaults(65);
            var faulty = new FaultyCloud(runtime, cloud, faults);
            var otherFaults = new CloudFaults(66);
            await using var second = await SyncDevice.OpenAsync(
                runtime, "/b", new FaultyCloud(runtime, cloud, otherFaults));
            await using (var before = await SyncDevice.OpenAsync(runtime, "/a", faulty))
            {
                await PutAndSyncAsync(before, "a", "1");
                await SettleAsync(before, second);
            }

            faults.IsPartitioned = true;
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", faulty);
            await first.Ledger.DeletePageAsync(PageId.Root);
            await PutAsync(first, "c", "3");
            await PutAndSyncAsync(second, "b", "2");
            otherFaults.IsPartitioned = true;
            await PutAsync(second, "b", "only here");

            faults.IsPartitioned = false;
            await first.SyncAsync();
            otherFaults.IsPartitioned = false;
            await SettleAsync(first, second);

            await using var here = await first.OpenPageAsync();
            await using var there = await second.OpenPageAsync();
            Assert.Equal("c=3", await here.ShowAsync());
            Assert.Equal("c=3", await there.ShowAsync());
            var problem = Assert.Single((await second.Engine.GetStatusAsync(default)).Problems);
            Assert.Equal(SyncProblemKind.DeletedWithEdits, problem.Kind);
        });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_page_that_is_deleted_before_its_own_entry_has_come_back_goes_everywhere(bool isRoot) => Run(
        seed: 67, async (runtime, cloud) =>
        {
            var isWithheld = true;
            var liar = new TamperingCloud(cloud) { Tamper = item => isWithheld ? [] : [item] };
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", liar);
            var page = isRoot ? await first.OpenPageAsync() : await first.Ledger.CreatePageAsync();
            var id = page.Id;
            await page.PutAsync("a", "1");
            await (await page.GetSnapshotAsync()).DisposeAsync();
            await page.DisposeAsync();
            await runtime.Delay(TimeSpan.FromSeconds(10), default);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await second.SyncAsync();
            Assert.True(await second.Ledger.PageExistsAsync(id));

            await first.Ledger.DeletePageAsync(id);
            isWithheld = false;
            await SettleAsync(first, second);

            Assert.False(await first.Ledger.PageExistsAsync(id));
            Assert.False(await second.Ledger.PageExistsAsync(id));
        });
}
