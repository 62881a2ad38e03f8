using Ledger.Conformance;
using Ledger.Pages;
using Ledger.Runtime;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.SyncEngineTests;

namespace Ledger.Tests.Sync;

/// <summary>The rows of the table in docs/security.md: what a cloud does, and what a device makes of it.</summary>
public sealed class MaliciousCloudTests
{
    [Theory]
    [InlineData("forged")]
    [InlineData("altered")]
    [InlineData("truncated")]
    [InlineData("swapped between pages")]
    [InlineData("swapped between devices")]
    [InlineData("moved to another number")]
    public void An_entry_that_was_tampered_with_is_put_aside_and_the_rest_goes_on(string how) => Run(
        seed: 10, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await PutAndSyncAsync(first, "a", "1");
            await PutAndSyncAsync(first, "b", "2");
            await using (var other = await first.Ledger.CreatePageAsync())
            {
                await other.PutAsync("x", "y");
            }

            await first.SyncAsync();
            var liar = new TamperingCloud(cloud)
            {
                Tamper = item => item.Position.Value == 2 ? [Falsify(item, how)] : [item],
            };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=1", await there.ShowAsync());
            Assert.Equal(2, await second.Ledger.ListPagesAsync().CountAsync());
            var status = await second.Engine.GetStatusAsync(default);
            Assert.Contains(status.Problems, problem => problem.Kind == SyncProblemKind.Quarantined);
        });

    [Fact]
    public void Entries_that_come_before_the_record_of_their_page_are_taken_in_when_it_has_come() => Run(
        seed: 19, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var page = await first.Ledger.CreatePageAsync();
            foreach (var number in Enumerable.Range(0, 3))
            {
                await page.PutAsync($"{number}", "x");
                await first.SyncAsync();
            }

            FeedEntry? record = null;
            var liar = new TamperingCloud(cloud)
            {
                Tamper = item =>
                {
                    record ??= item;
                    return item.Position.Value switch
                    {
                        // The first two have changed places.
                        1 => [],
                        2 => [item with { Position = record.Position }, record with { Position = item.Position }],
                        _ => [item],
                    };
                },
            };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await second.Engine.WaitForIdleAsync(default);

            await using var there = await second.Ledger.GetPageAsync(page.Id);
            Assert.Equal("0=x,1=x,2=x", await there.ShowAsync());
            Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
        });

    [Fact]
    public void Entries_that_were_put_aside_and_are_withheld_stay_a_problem_until_the_cloud_gives_them() => Run(
        seed: 23, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var page = await first.Ledger.CreatePageAsync();
            foreach (var number in Enumerable.Range(0, 3))
            {
                await page.PutAsync($"{number}", "x");
                await first.SyncAsync();
            }

            // The record of the page comes behind two of its entries, of which one is given again, and twice.
            var (withholds, isRead) = (true, false);
            FeedEntry? record = null;
            var liar = new TamperingCloud(cloud)
            {
                Tamper = item =>
                {
                    record ??= item;
                    var (one, two, three) = (new FeedPosition(1), new FeedPosition(2), new FeedPosition(3));
                    switch (item.Position.Value)
                    {
                        case 1:
                            return [];
                        case 2:
                            var early = item with { Position = one };
                            return isRead ? [early, early] : [early];
                        case 3:
                            var late = item with { Position = two };
                            (isRead, var isFirst) = (true, !isRead);
                            return isFirst ? [late, record with { Position = three }] : withholds ? [] : [late];
                        default:
                            return [item];
                    }
                },
            };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await second.Engine.WaitForIdleAsync(default);
            await using var there = await second.Ledger.GetPageAsync(page.Id);
            var shown = await there.ShowAsync();
            var problems = (await second.Engine.GetStatusAsync(default)).Problems.Count;
            withholds = false;
            cloud.Disconnect();
            await second.SyncAsync();

            Assert.Equal(("0=x", 1), (shown, problems));
            Assert.Equal("0=x,1=x,2=x", await there.ShowAsync());
            Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
        });

    [Fact]
    public void Descendants_of_what_was_put_aside_wait_and_come_when_it_is_sent_again() => Run(
        seed: 11, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 4))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            var liar = new TamperingCloud(cloud)
            {
                Tamper = item => item.Position.Value == 2 ? [Falsify(item, "altered")] : [item],
            };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await second.SyncAsync();
            await using var there = await second.OpenPageAsync();
            Assert.Equal("0=x", await there.ShowAsync());
            Assert.Equal(2, (await second.Engine.GetStatusAsync(default)).CommitsWaiting);

            liar.Tamper = null;
            await second.Engine.RepairAsync(default);
            await second.SyncAsync();

            Assert.Equal("0=x,1=x,2=x,3=x", await there.ShowAsync());
            var status = await second.Engine.GetStatusAsync(default);
            Assert.Empty(status.Problems);
            Assert.Equal(0, status.CommitsWaiting);
        });

    [Theory]
    [InlineData("duplicated")]
    [InlineData("reversed")]
    public void Entries_that_come_twice_or_in_another_order_change_nothing(string how) => Run(
        seed: 12, async (runtime, cloud) =>
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
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=5", await there.ShowAsync());
            Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
        });

    [Fact]
    public void An_entry_that_was_moved_to_another_place_in_the_feed_is_applied_once_its_parents_are() => Run(
        seed: 13, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 4))
            {
                await PutAndSyncAsync(first, "a", $"{number}");
            }

            // The contents of places 2 and 3 have changed places: what comes first waits for the other.
            var kept = new Dictionary<long, FeedEntry>();
            var liar = new TamperingCloud(cloud)
            {
                Tamper = item => Exchange(kept, item),
            };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=3", await there.ShowAsync());
            Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
        });

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void An_old_entry_that_is_given_again_at_a_new_position_changes_nothing(long which) => Run(
        seed: 24, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 3))
            {
                await PutAndSyncAsync(first, "a", $"{number}");
            }

            // The same device and number, and what was authenticated with it: only the place is another one.
            FeedEntry? old = null;
            var liar = new TamperingCloud(cloud)
            {
                Tamper = item =>
                {
                    var place = item.Position.Value;
                    old = place == which ? item : old;
                    return place < 3 ? [item]
                        : place == 3 ? [item, old! with { Position = new FeedPosition(4) }]
                        : [item with { Position = new FeedPosition(place + 1) }];
                },
            };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await second.Engine.WaitForIdleAsync(default);
            await using var here = await first.OpenPageAsync();
            await using var there = await second.OpenPageAsync();
            var shown = await there.ShowAsync();
            await PutAndSyncAsync(first, "a", "3");
            await runtime.Delay(TimeSpan.FromSeconds(1), default);
            await second.Engine.WaitForIdleAsync(default);

            Assert.Equal(("a=2", "a=3"), (shown, await there.ShowAsync()));
            Assert.Equal(await HeadAsync(here), await HeadAsync(there));
            Assert.Equal(await here.LogAsync().CountAsync(), await there.LogAsync().CountAsync());
            var status = await second.Engine.GetStatusAsync(default);
            Assert.Empty(status.Problems);
            Assert.Equal(5, status.EntriesReceived);
            Assert.Equal((await first.Engine.GetStatusAsync(default)).Digest, status.Digest);
        });

    [Fact]
    public void An_entry_that_is_dropped_is_noticed_by_the_next_one_of_its_device() => Run(
        seed: 14, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 4))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            var liar = new TamperingCloud(cloud) { Tamper = item => item.Position.Value == 2 ? [] : [item] };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await second.SyncAsync();

            var status = await second.Engine.GetStatusAsync(default);
            var problem = Assert.Single(
                status.Problems, problem => problem.Kind == SyncProblemKind.MissingEntries);
            Assert.Contains("Entries 1 to 1 ", problem.Message, StringComparison.Ordinal);
            Assert.Equal(2, status.CommitsWaiting);
        });

    [Fact]
    public void The_newest_entry_that_is_withheld_only_delays() => Run(seed: 15, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await PutAndSyncAsync(first, "a", "1");
        await PutAndSyncAsync(first, "a", "2");
        var liar = new TamperingCloud(cloud) { Tamper = item => item.Position.Value == 2 ? [] : [item] };
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
        await second.SyncAsync();
        await using var there = await second.OpenPageAsync();
        var before = await there.ShowAsync();
        var digest = (await second.Engine.GetStatusAsync(default)).Digest;

        liar.Tamper = null;
        await second.SyncAsync();

        Assert.Equal("a=1", before);
        Assert.Equal("a=2", await there.ShowAsync());
        Assert.NotEqual(digest, (await second.Engine.GetStatusAsync(default)).Digest);
        Assert.Equal(
            (await first.Engine.GetStatusAsync(default)).Digest, (await second.Engine.GetStatusAsync(default)).Digest);
    });

    [Fact]
    public void Devices_that_are_kept_apart_notice_it_with_the_first_entry_that_crosses() => Run(
        seed: 16, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await PutAndSyncAsync(first, "a", "1");
            var apart = false;
            var liar = new TamperingCloud(cloud)
            {
                Tamper = item => apart && item.Position.Value is > 1 and < 5 ? [] : [item],
            };
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
            await second.SyncAsync();

            apart = true;
            foreach (var number in Enumerable.Range(0, 3))
            {
                await PutAndSyncAsync(first, "a", $"{number}");
            }

            Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
            await PutAndSyncAsync(first, "a", "crosses");
            await second.SyncAsync();

            var status = await second.Engine.GetStatusAsync(default);
            Assert.Contains(status.Problems, problem => problem.Kind == SyncProblemKind.MissingEntries);
        });

    [Fact]
    public void A_history_that_was_forked_under_one_name_is_noticed() => Run(seed: 17, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await PutAndSyncAsync(first, "a", "1");
        await PutAndSyncAsync(first, "a", "2");
        var forged = await ForkAsync(runtime, first);
        var liar = new TamperingCloud(cloud)
        {
            Tamper = item => item.Position.Value == 1 ? [item with { Entry = forged }] : [item],
        };
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
        await second.SyncAsync();

        var status = await second.Engine.GetStatusAsync(default);
        Assert.Contains(status.Problems, problem => problem.Kind == SyncProblemKind.Forked);
    });

    internal static async Task PutAndSyncAsync(SyncDevice device, string key, string value)
    {
        await using var page = await device.OpenPageAsync();
        await page.PutAsync(key, value);
        await device.SyncAsync();
    }

    // What a device with the secret could write under another device's name and number.
    private static async Task<CloudEntry> ForkAsync(LedgerRuntime runtime, SyncDevice device)
    {
        var self = (await device.Engine.GetStatusAsync(default)).Devices.Single(each => each.IsThis).Device;
        var name = new Ledger.Commits.DeviceId(UInt128.Parse(
            self, System.Globalization.NumberStyles.HexNumber, System.Globalization.CultureInfo.InvariantCulture));
        var header = new EntryHeader(
            EntryKind.Checkpoint, device.Keys.NameOf(PageId.Root), new EntryId(7), name, 0, 0);
        return new CloudEntry(header.Id, name, 0, EntrySeal.Seal(device.Keys, runtime.Random, header, "other"u8));
    }

    internal static List<FeedEntry> Collect(List<FeedEntry> items, FeedEntry item, int count)
    {
        items.Add(item);
        if (items.Count < count)
        {
            return [];
        }

        var reversed = items.AsEnumerable().Reverse().ToList();
        items.Clear();
        return reversed;
    }

    private static IEnumerable<FeedEntry> Exchange(Dictionary<long, FeedEntry> kept, FeedEntry item)
    {
        if (item.Position.Value is not (2 or 3))
        {
            return [item];
        }

        kept[item.Position.Value] = item;
        return kept.Count < 2
            ? []
            : [kept[2] with { Entry = kept[3].Entry }, kept[3] with { Entry = kept[2].Entry }];
    }

    internal static FeedEntry Falsify(FeedEntry item, string how)
    {
        var content = item.Entry.Content.ToArray();
        var entry = item.Entry;
        switch (how)
        {
            case "forged":
                Array.Fill(content, (byte)1);
                return item with { Entry = entry with { Content = content } };
            case "altered":
                content[^20] ^= 1;
                return item with { Entry = entry with { Content = content } };
            case "truncated":
                return item with { Entry = entry with { Content = content.AsMemory(0, content.Length - 1) } };
            case "swapped between pages":
                return item with { Page = new PageName(item.Page.Value + 1) };
            case "swapped between devices":
                return item with { Entry = entry with { Device = new(entry.Device.Value + 1) } };
            case "moved to another number":
                return item with { Entry = entry with { Sequence = entry.Sequence + 1 } };
            default:
                throw new ArgumentOutOfRangeException(nameof(how), how, "Unknown.");
        }
    }
}
