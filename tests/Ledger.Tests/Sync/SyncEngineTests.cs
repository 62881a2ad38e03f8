using Ledger.Conformance;
using Ledger.Pages;
using Ledger.Runtime;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;

namespace Ledger.Tests.Sync;

/// <summary>Devices and a cloud in memory, on virtual time.</summary>
public sealed class SyncEngineTests
{
    private static readonly TimeSpan ShortTime = TimeSpan.FromMinutes(2);

    [Fact]
    public void What_one_device_puts_the_other_one_shows() => Run(seed: 1, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await using var here = await first.OpenPageAsync();
        await using var there = await second.OpenPageAsync();

        await here.PutAsync("a", "1");
        await first.SyncAsync();
        await second.SyncAsync();

        Assert.Equal("a=1", await there.ShowAsync());
    });

    [Fact]
    public void A_device_that_comes_when_the_other_one_is_gone_gets_all() => Run(seed: 2, async (runtime, cloud) =>
    {
        await using (var first = await SyncDevice.OpenAsync(runtime, "/a", cloud))
        {
            await using var here = await first.OpenPageAsync();
            for (var number = 0; number < 20; number++)
            {
                await here.PutAsync($"{number % 7}", $"{number}");
                await (await here.GetSnapshotAsync()).DisposeAsync();
            }

            await first.SyncAsync();
        }

        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await second.SyncAsync();

        await using var there = await second.OpenPageAsync();
        Assert.Equal("0=14,1=15,2=16,3=17,4=18,5=19,6=13", await there.ShowAsync());
        Assert.Equal(20, await there.LogAsync().CountAsync(commit => commit.Generation > 0));
    });

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Devices_that_diverge_agree(int seed) => Run(seed, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await using var here = await first.OpenPageAsync();
        await using var there = await second.OpenPageAsync();

        for (var round = 0; round < 5; round++)
        {
            await here.PutAsync("a", $"{round}");
            await there.PutAsync("b", $"{round}");
            await here.PutAsync("c", $"left {round}");
            await there.PutAsync("c", $"right {round}");
            await Task.WhenAll(first.SyncAsync(), second.SyncAsync());
        }

        await SettleAsync(first, second);
        Assert.Equal(await here.ShowAsync(), await there.ShowAsync());
        Assert.Equal(await HeadAsync(here), await HeadAsync(there));
    });

    internal static void Run(int seed, Func<LedgerRuntime, MemoryCloud, Task> body, IFileSystem? files = null)
    {
        var world = TestRuntime.Create(seed, files);
        world.Run(async runtime =>
        {
            await using var cloud = new MemoryCloud(runtime);
            var running = body(runtime, cloud);
            using var end = new CancellationTokenSource();
            var limit = LimitAsync(runtime, ShortTime * 60, end.Token);
            await Task.WhenAny(running, limit);
            Assert.True(running.IsCompleted, $"Seed {seed}: the test has not ended.");
            end.Cancel();
            await running;
        });
    }

    internal static async Task SettleAsync(params SyncDevice[] devices)
    {
        for (var round = 0; round < 3; round++)
        {
            foreach (var device in devices)
            {
                await device.SyncAsync();
            }
        }
    }

    internal static async Task<string> HeadAsync(IPage page) =>
        string.Join(',', (await page.GetHeadsAsync()).Select(head => head.Id));

    private static async Task LimitAsync(LedgerRuntime runtime, TimeSpan time, CancellationToken cancellationToken)
    {
        try
        {
            await runtime.Delay(time, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            // The test has ended in time.
        }
    }
}
