using Ledger.Conformance;
using Ledger.Pages;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.SyncEngineTests;

namespace Ledger.Tests.Sync;

/// <summary>What synchronisation costs, in bytes and round trips, counted at the provider.</summary>
public sealed class SyncCostTests
{
    /// <summary>Pages, and the entries of each.</summary>
    public static TheoryData<int, int> Sizes => TestNumbers.IsNightly
        ? new() { { 1, 10 }, { 10_000, 1 }, { 1, 1_000_000 } }
        : new() { { 1, 10 }, { 1_000, 1 }, { 1, 100_000 } };

    [Theory]
    [MemberData(nameof(Sizes))]
    public void Reconnecting_with_nothing_new_is_one_round_trip(int pages, int entries) => Run(
        seed: 70, async (runtime, cloud) =>
        {
            var counted = new TamperingCloud(cloud);
            await using (var device = await SyncDevice.OpenAsync(runtime, "/a", counted))
            {
                for (var number = 0; number < pages; number++)
                {
                    await using var page = await device.Ledger.CreatePageAsync();
                    await using var transaction = await page.BeginTransactionAsync();
                    for (var entry = 0; entry < entries; entry++)
                    {
                        await transaction.PutAsync($"{entry}", "value");
                    }

                    await transaction.CommitAsync();
                }

                await device.SyncAsync();
            }

            counted.ResetCounts();
            await using var again = await SyncDevice.OpenAsync(runtime, "/a", counted);
            await again.Engine.WaitForIdleAsync(default);

            Assert.Equal(1, counted.RoundTrips);
            Assert.InRange(counted.SentBytes + counted.ReceivedBytes, 1, 500);
        });

    [Theory]
    [InlineData(100, false)]
    [InlineData(400, false)]
    [InlineData(10_000, false)]
    [InlineData(100, true)]
    [InlineData(400, true)]
    [InlineData(10_000, true)]
    public void One_put_sends_at_most_half_as_much_again_and_200_bytes(int valueSizeBytes, bool isNew) => Run(
        seed: 71, async (runtime, cloud) =>
        {
            var counted = new TamperingCloud(cloud);
            await using var device = await SyncDevice.OpenAsync(runtime, "/a", counted);
            await using var page = await device.OpenPageAsync();
            await page.PutAsync(new byte[16], new byte[1]);
            await device.Engine.WaitForIdleAsync(default);
            var value = new byte[valueSizeBytes];
            new Random(71).NextBytes(value);
            await page.PutAsync(Bytes(isNew ? "sixteen before.." : "sixteen bytes..."), value);
            await device.SyncAsync();
            counted.ResetCounts();
            new Random(72).NextBytes(value);
            await page.PutAsync(Bytes("sixteen bytes..."), value);
            await runtime.Delay(TimeSpan.FromSeconds(10), default);
            await device.Engine.WaitForIdleAsync(default);

            Assert.InRange(counted.SentBytes, 1, (1.5 * (16 + valueSizeBytes)) + 200);
        });

    [Fact]
    public void A_thousand_puts_in_a_transaction_send_little_more_than_what_was_put() => Run(
        seed: 72, async (runtime, cloud) =>
        {
            var counted = new TamperingCloud(cloud);
            await using var device = await SyncDevice.OpenAsync(runtime, "/a", counted);
            await PutManyAsync(device, new Random(1), 10);
            await device.SyncAsync();
            counted.ResetCounts();
            var payload = await PutManyAsync(device, new Random(2), 1_000);
            await device.SyncAsync();

            Assert.InRange(counted.SentBytes, 1, 1.3 * payload);
        });

    [Fact]
    public void What_an_increment_costs_does_not_follow_the_size_of_the_page()
    {
        int[] sizes = TestNumbers.IsNightly ? [100, 1_000, 10_000, 100_000] : [100, 1_000, 10_000];

        var points = sizes.Select(size => (X: Math.Log(size), Y: Math.Log(MeasureIncrement(size)))).ToList();

        // Least squares through the logarithms.
        var (x, y) = (points.Average(point => point.X), points.Average(point => point.Y));
        var slope = points.Sum(point => (point.X - x) * (point.Y - y)) / points.Sum(point => Math.Pow(point.X - x, 2));
        Assert.InRange(slope, -0.05, 0.05);
    }

    [Theory]
    [InlineData(1, 1_000)]
    [InlineData(1_000, 1)]
    public void A_merge_sends_its_smaller_side(int own, int others) => Run(seed: 74, async (runtime, cloud) =>
    {
        var faults = new CloudFaults(74);
        var counted = new TamperingCloud(new FaultyCloud(runtime, cloud, faults));
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await PutManyAsync(first, new Random(1), 100);
        await using (var before = await SyncDevice.OpenAsync(runtime, "/b", counted))
        {
            await SettleAsync(first, before);
        }

        // Begins without the cloud: nothing is on its way when the other one has moved the page.
        faults.IsPartitioned = true;
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", counted);
        var payload = await PutManyAsync(second, new Random(3), own);
        await PutManyAsync(first, new Random(2), others);
        await first.SyncAsync();
        counted.ResetCounts();
        faults.IsPartitioned = false;
        await second.SyncAsync();

        // Its own edits once, and of the merge the smaller side: one entry.
        await using var page = await second.OpenPageAsync();
        await using var snapshot = await page.GetSnapshotAsync();
        Assert.Equal(100 + own + others, await snapshot.GetEntriesAsync().CountAsync());
        Assert.InRange(counted.SentBytes, 1, (1.3 * payload) + 1_500);
    });

    [Fact]
    public void Nothing_that_is_secret_is_sent() => Run(seed: 75, async (runtime, cloud) =>
    {
        var counted = new TamperingCloud(cloud);
        await using var device = await SyncDevice.OpenAsync(runtime, "/a", counted);
        await using var page = await device.Ledger.CreatePageAsync();
        await page.PutAsync("canary key", "canary value");
        await page.PutAsync(Bytes("canary large"), Bytes(string.Concat(Enumerable.Repeat("canary bird ", 1_000))));
        await device.SyncAsync();
        var pageId = new byte[PageId.SizeBytes];
        page.Id.CopyTo(pageId);

        foreach (var word in new[] { Bytes("canary"), Bytes("bird"), Bytes("notes"), pageId })
        {
            Assert.DoesNotContain(counted.Sent, sent => sent.Span.IndexOf(word) >= 0);
        }

        Assert.NotEmpty(counted.Sent);
    });

    private static long MeasureIncrement(int entries)
    {
        var cost = 0L;
        Run(seed: 73, async (runtime, cloud) =>
        {
            var counted = new TamperingCloud(cloud);
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", counted);
            await PutManyAsync(first, new Random(3), entries);
            await SettleAsync(first, second);
            counted.ResetCounts();
            await PutManyAsync(first, new Random(4), 10);
            await first.SyncAsync();
            await runtime.Delay(TimeSpan.FromSeconds(1), default);
            await second.Engine.WaitForIdleAsync(default);
            cost = counted.SentBytes + counted.ReceivedBytes;
        });
        return cost;
    }

    /// <summary>Puts entries of a 16-byte key and 100 bytes that cannot be compressed, in one transaction.</summary>
    private static async Task<long> PutManyAsync(SyncDevice device, Random random, int count)
    {
        await using var page = await device.OpenPageAsync();
        await using var transaction = await page.BeginTransactionAsync();
        for (var number = 0; number < count; number++)
        {
            var (key, value) = (new byte[16], new byte[100]);
            random.NextBytes(key);
            random.NextBytes(value);
            await transaction.PutAsync(key, value);
        }

        await transaction.CommitAsync();
        return count * 116L;
    }
}
