using Ledger.Conformance;
using Ledger.Pages;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.MaliciousCloudTests;
using static Ledger.Tests.Sync.SyncEngineTests;
using static Ledger.Tests.Sync.SyncRepairTests;

namespace Ledger.Tests.Sync;

/// <summary>Blobs that a cloud falsifies: of eager values, and of batches that are too long for an entry.</summary>
public sealed class MaliciousContentTests
{
    private static readonly PageId OtherPage = new([.. Enumerable.Repeat((byte)7, PageId.SizeBytes)]);

    [Theory]
    [InlineData("forged")]
    [InlineData("altered")]
    [InlineData("truncated")]
    [InlineData("of a newer version")]
    [InlineData("swapped")]
    public void Eager_values_that_were_tampered_with_are_told_of_and_shown_once_the_cloud_gives_the_right_ones(
        string how) => Run(seed: 160, async (runtime, cloud) =>
    {
        var names = new List<BlobName>();
        var recorder = new TamperingCloud(cloud) { Putting = names.Add };
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", recorder);
        var (one, two) = (Noise(1, 2_000), Noise(2, 2_000));
        await using (var here = await first.OpenPageAsync())
        {
            await here.PutAsync(Bytes("a"), one);
            await here.PutAsync(Bytes("b"), two);
            await using var other = await first.OpenPageAsync(OtherPage);
            await other.PutAsync("x", "y");
        }

        await first.SyncAsync();
        var liar = new TamperingCloud(cloud) { TamperBlob = await LieAsync(cloud, names, how) };
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
        await using var there = await second.OpenPageAsync();
        await WaitForAsync(second, status => status.Error is not null);
        await runtime.Delay(TimeSpan.FromMinutes(1), default);
        var before = await there.ShowAsync();
        await using var beside = await second.OpenPageAsync(OtherPage);
        Assert.Equal("x=y", await beside.ShowAsync());
        Assert.NotNull((await second.Engine.GetStatusAsync(default)).Error);

        liar.TamperBlob = null;
        await second.SyncAsync();

        Assert.Equal("", before);
        Assert.Equal(one, (await there.GetAsync(Bytes("a")))!.Value.ToArray());
        Assert.Equal(two, (await there.GetAsync(Bytes("b")))!.Value.ToArray());
        Assert.Null((await second.Engine.GetStatusAsync(default)).Error);
        Assert.Empty((await second.Repository.VerifyAsync()).Problems);
    });

    [Theory]
    [InlineData("forged")]
    [InlineData("altered")]
    [InlineData("truncated")]
    [InlineData("of a newer version")]
    [InlineData("swapped")]
    public void A_batch_whose_pieces_were_tampered_with_is_put_aside_and_taken_once_the_cloud_gives_the_right_ones(
        string how) => Run(seed: 161, async (runtime, cloud) =>
    {
        var names = new List<BlobName>();
        var recorder = new TamperingCloud(cloud) { Putting = names.Add };
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", recorder);
        await PutAndSyncAsync(first, "before", "1");
        await PutPiecesAsync(first);
        await PutAndSyncAsync(first, "behind", "2");
        var liar = new TamperingCloud(cloud) { TamperBlob = await LieAsync(cloud, names, how) };
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
        await second.SyncAsync();
        await using var there = await second.OpenPageAsync();
        var shown = await there.ShowAsync();
        var status = await second.Engine.GetStatusAsync(default);

        liar.TamperBlob = null;
        await second.Engine.RepairAsync(default);
        await second.SyncAsync();

        Assert.Equal(("before=1", 1L), (shown, status.CommitsWaiting));
        Assert.Equal(SyncProblemKind.Quarantined, Assert.Single(status.Problems).Kind);
        await using var here = await first.OpenPageAsync();
        Assert.Equal(await HeadAsync(here), await HeadAsync(there));
        Assert.Equal("2", await there.GetAsync("behind"));
        Assert.Equal(400, (await there.GetAsync(Bytes("0999")))!.Value.Length);
        Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
        Assert.Empty((await second.Repository.VerifyAsync()).Problems);
    });

    // 400 KB that cannot be compressed, in one commit: two pieces.
    private static async Task PutPiecesAsync(SyncDevice device)
    {
        await using (var page = await device.OpenPageAsync())
        {
            await using var transaction = await page.BeginTransactionAsync();
            for (var number = 0; number < 1_000; number++)
            {
                await transaction.PutAsync(Bytes($"{number:0000}"), Noise(number, 400));
            }

            await transaction.CommitAsync();
        }

        await device.SyncAsync();
    }

    /// <summary>What a reader gets instead of one of two blobs.</summary>
    private static async Task<Func<BlobName, ReadOnlyMemory<byte>?, ReadOnlyMemory<byte>?>> LieAsync(
        MemoryCloud cloud, List<BlobName> names, string how)
    {
        Assert.Equal(2, names.Count);
        var first = await cloud.GetBlobAsync(names[0], default);
        var second = await cloud.GetBlobAsync(names[1], default);
        return (name, blob) =>
        {
            var content = blob!.Value.ToArray();
            switch (how)
            {
                case "forged":
                    Array.Fill(content, (byte)1);
                    return content;
                case "altered":
                    content[^1] ^= 1;
                    return content;
                case "truncated":
                    return content.AsMemory(0, content.Length - 1);
                case "of a newer version":
                    content[0]++;
                    return content;
                case "swapped":
                    return name == names[0] ? second : first;
                default:
                    throw new ArgumentOutOfRangeException(nameof(how), how, "Unknown.");
            }
        };
    }

    private static byte[] Noise(int seed, int sizeBytes)
    {
        var value = new byte[sizeBytes];
        new Random(seed).NextBytes(value);
        return value;
    }
}
