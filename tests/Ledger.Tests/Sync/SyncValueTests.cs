using Ledger.Conformance;
using Ledger.Objects;
using Ledger.Pages;
using Ledger.Sync;
using Ledger.Trees;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.SyncEngineTests;
using static Ledger.Tests.Sync.SyncRepairTests;

namespace Ledger.Tests.Sync;

/// <summary>Values that are not inline: eager ones come before what names them shows, lazy ones on demand.</summary>
public sealed class SyncValueTests
{
    [Theory]
    [InlineData(513)]
    [InlineData(65_536)]
    [InlineData(1_000_000)]
    public void An_eager_value_is_here_when_its_head_shows(int sizeBytes) => Run(seed: 50, async (runtime, cloud) =>
    {
        var value = Noise(sizeBytes);
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var here = await first.OpenPageAsync();
        await here.PutAsync(Bytes("a"), value);
        await first.SyncAsync();
        var holdsBack = true;
        var liar = new TamperingCloud(cloud) { TamperBlob = (_, blob) => holdsBack ? null : blob };
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
        await using var there = await second.OpenPageAsync();

        await WaitForAsync(second, status => status.Error is not null);
        var before = await there.ShowAsync();
        holdsBack = false;
        await second.SyncAsync();

        Assert.Equal("", before);
        Assert.Equal(value, (await there.GetAsync(Bytes("a")))!.Value.ToArray());
        Assert.Empty((await second.Repository.VerifyAsync()).Problems);
    });

    [Fact]
    public void A_lazy_value_is_named_and_fetched_on_demand_whole_or_in_part() => Run(
        seed: 51, async (runtime, cloud) =>
        {
            var value = Noise(131_073);
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var here = await first.OpenPageAsync();
            await here.PutAsync(Bytes("a"), value, EntryPriority.Lazy);
            await here.PutAsync(Bytes("b"), value.AsMemory(0, 600), EntryPriority.Lazy);
            await first.SyncAsync();
            var counted = new TamperingCloud(cloud);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", counted);
            await using var there = await second.OpenPageAsync();
            await using var watch = new WatchReader(await there.WatchAsync());
            await second.SyncAsync();
            await using var snapshot = await there.GetSnapshotAsync();

            var told = new SortedDictionary<string, string>(StringComparer.Ordinal);
            while (told.Count < 2)
            {
                await foreach (var (key, _, after) in (await watch.NextAsync())!.GetEntriesAsync())
                {
                    told.Add(Text(key), $"{after!.Value.State} {after.Value.SizeBytes} {after.Value.Value is null}");
                }
            }

            Assert.Equal(["[a, NeedsFetch 131073 True]", "[b, NeedsFetch 600 True]"], told.Select(each => $"{each}"));
            var entry = await snapshot.FindAsync(Bytes("a"));
            Assert.Equal((ValueState.NeedsFetch, 131_073L), (entry!.Value.State, entry.Value.SizeBytes));
            Assert.Null(entry.Value.Value);
            counted.ResetCounts();
            var part = await snapshot.FetchRangeAsync(Bytes("a"), -10, 5);
            Assert.Equal(value[^10..^5], part!.Value.ToArray());
            Assert.Equal(2, counted.RoundTrips);
            Assert.Equal(value, (await snapshot.FetchAsync(Bytes("a")))!.Value.ToArray());
            Assert.Equal(value[..600], (await snapshot.FetchAsync(Bytes("b")))!.Value.ToArray());
            Assert.Equal(ValueState.Here, (await snapshot.FindAsync(Bytes("b")))!.Value.State);
            Assert.Null(await snapshot.FetchAsync(Bytes("c")));
            Assert.Empty((await second.Repository.VerifyAsync()).Problems);
        });

    [Fact]
    public void A_fetch_gives_up_in_time_and_works_again_when_the_cloud_is_back() => Run(
        seed: 52, async (runtime, cloud) =>
        {
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var here = await first.OpenPageAsync();
            await here.PutAsync(Bytes("a"), Noise(2_000), EntryPriority.Lazy);
            await first.SyncAsync();
            var faults = new CloudFaults(52);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", new FaultyCloud(runtime, cloud, faults));
            await second.SyncAsync();
            await using var there = await second.OpenPageAsync();
            await using var snapshot = await there.GetSnapshotAsync();

            faults.IsPartitioned = true;
            var begun = runtime.Time.GetTimestamp();
            await Assert.ThrowsAsync<NetworkUnavailableException>(async () => await snapshot.FetchAsync(Bytes("a")));
            var time = runtime.Time.GetElapsedTime(begun);
            faults.IsPartitioned = false;
            var value = await snapshot.FetchAsync(Bytes("a"));

            Assert.InRange(time, TimeSpan.FromSeconds(29), TimeSpan.FromSeconds(40));
            Assert.Equal(2_000, value!.Value.Length);
        });

    [Fact]
    public void A_lazy_value_that_is_put_again_as_eager_comes_whole() => Run(seed: 53, async (runtime, cloud) =>
    {
        var value = Noise(131_073);
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await using var here = await first.OpenPageAsync();
        await using var there = await second.OpenPageAsync();
        await here.PutAsync(Bytes("a"), value, EntryPriority.Lazy);
        await SettleAsync(first, second);
        await here.PutAsync(Bytes("a"), value);
        await SettleAsync(first, second);

        await using var snapshot = await there.GetSnapshotAsync();
        Assert.Equal(value, (await snapshot.GetAsync(Bytes("a")))!.Value.ToArray());
    });

    [Theory]
    [InlineData(2_000, false)]
    [InlineData(131_073, false)]
    [InlineData(131_073, true)]
    public void A_lazy_value_that_the_cloud_lost_comes_again_from_its_author_though_another_one_repairs_first(
        int sizeBytes, bool restarts) => Run(seed: 55, async (runtime, cloud) =>
    {
        var value = Noise(sizeBytes);
        var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await using (var here = await first.OpenPageAsync())
        {
            await here.PutAsync(Bytes("a"), value, EntryPriority.Lazy);
        }

        await SettleAsync(first, second);
        cloud.Erase();
        await WaitForAsync(second, status => status.Block == SyncBlock.Foreign);
        await second.Engine.RepairAsync(default);
        await second.SyncAsync();
        await WaitForAsync(first, status => status.Block == SyncBlock.Foreign);
        await first.Engine.RepairAsync(default);
        if (restarts)
        {
            await first.DisposeAsync();
            first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        }

        await first.SyncAsync();
        await using var there = await second.OpenPageAsync();
        await using var snapshot = await there.GetSnapshotAsync();

        Assert.Equal(value, (await snapshot.FetchAsync(Bytes("a")))!.Value.ToArray());
        var rows = first.Ledger.Services.Store.ScanRowsAsync(SyncRowKeys.Values, default);
        Assert.Empty(await rows.ToListAsync());
        await first.DisposeAsync();
    });

    [Fact]
    public void A_value_that_the_cloud_falsified_is_not_taken() => Run(seed: 54, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var here = await first.OpenPageAsync();
        await here.PutAsync(Bytes("a"), Noise(2_000), EntryPriority.Lazy);
        await first.SyncAsync();
        var liar = new TamperingCloud(cloud)
        {
            TamperBlob = (_, blob) =>
            {
                var content = blob!.Value.ToArray();
                content[^1] ^= 1;
                return content;
            },
        };
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
        await second.SyncAsync();
        await using var there = await second.OpenPageAsync();
        await using var snapshot = await there.GetSnapshotAsync();

        await Assert.ThrowsAsync<CorruptObjectException>(async () => await snapshot.FetchAsync(Bytes("a")));
        Assert.Equal(ValueState.NeedsFetch, (await snapshot.FindAsync(Bytes("a")))!.Value.State);
    });

    private static byte[] Noise(int sizeBytes)
    {
        var value = new byte[sizeBytes];
        new Random(sizeBytes).NextBytes(value);
        return value;
    }
}
