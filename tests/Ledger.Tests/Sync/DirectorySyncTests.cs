using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Sync;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.MaliciousCloudTests;
using static Ledger.Tests.Sync.SyncEngineTests;
using static Ledger.Tests.Sync.SyncRepairTests;

namespace Ledger.Tests.Sync;

/// <summary>Devices that share a directory, which somebody restores, or which goes away.</summary>
public sealed class DirectorySyncTests
{
    private const string Root = "/share/cloud";

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_directory_that_rolls_back_under_a_connected_device_is_noticed_and_not_written_to(bool puts) => Run(
        seed: 130, async (runtime, _) =>
        {
            await using var cloud = await DirectoryCloud.OpenAsync(runtime, Root, create: true, default);
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 5))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            var slots = Path.Combine(Root, "feeds", first.Keys.Ledger.ToString(), "slots", "000000000000");
            foreach (var slot in runtime.Files.List(slots).Skip(2))
            {
                runtime.Files.Delete(Path.Combine(slots, slot));
            }

            if (puts)
            {
                await PutAsync(first, "late", "y");
            }

            await runtime.Delay(TimeSpan.FromSeconds(10), default);

            Assert.Equal(SyncBlock.RolledBack, (await first.Engine.GetStatusAsync(default)).Block);
            Assert.Equal(2, runtime.Files.List(slots).Count);
            await PutAsync(first, "later", "z");
            await first.Engine.RepairAsync(default);
            await first.SyncAsync();
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await second.SyncAsync();
            await using var here = await first.OpenPageAsync();
            await using var there = await second.OpenPageAsync();
            Assert.Equal(await here.ShowAsync(), await there.ShowAsync());
        });

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_directory_that_was_rolled_back_and_has_grown_again_is_noticed(bool restarts) => Run(
        seed: 131, async (runtime, _) =>
        {
            await using var cloud = await DirectoryCloud.OpenAsync(runtime, Root, create: true, default);
            var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            foreach (var number in Enumerable.Range(0, 3))
            {
                await PutAndSyncAsync(first, $"{number}", "x");
            }

            if (restarts)
            {
                await first.DisposeAsync();
            }

            // What the restored directory got since: other content under the numbers that were there.
            var slots = Path.Combine(Root, "feeds", first.Keys.Ledger.ToString(), "slots", "000000000000");
            var names = runtime.Files.List(slots);
            var content = ReadAll(runtime.Files, Path.Combine(slots, names[0]));
            runtime.Files.Delete(Path.Combine(slots, names[^1]));
            using (var file = runtime.Files.Open(Path.Combine(slots, names[^1]), FileOpening.CreateNew))
            {
                file.Write(0, content);
            }

            await using var again = await DirectoryCloud.OpenAsync(runtime, Root, create: false, default);
            first = restarts ? await SyncDevice.OpenAsync(runtime, "/a", again) : first;
            await runtime.Delay(TimeSpan.FromSeconds(10), default);

            Assert.Equal(SyncBlock.RolledBack, (await first.Engine.GetStatusAsync(default)).Block);
            await first.DisposeAsync();
        });

    [Fact]
    public void A_directory_that_goes_away_between_an_entry_and_its_pieces_puts_nothing_aside()
    {
        var files = new VanishingFileSystem(new MemoryFileSystem(), "/share");
        var random = new Random(132);
        Run(
            seed: 132,
            async (runtime, _) =>
            {
                await using var cloud = await DirectoryCloud.OpenAsync(runtime, Root, create: true, default);
                await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
                await using (var here = await first.OpenPageAsync())
                {
                    await using var transaction = await here.BeginTransactionAsync();
                    for (var number = 0; number < 1_000; number++)
                    {
                        var value = new byte[250];
                        random.NextBytes(value);
                        await transaction.PutAsync($"{number:0000}", Convert.ToHexString(value));
                    }

                    await transaction.CommitAsync();
                }

                await first.SyncAsync();
                var hasGone = false;
                var liar = new TamperingCloud(cloud)
                {
                    Tamper = item =>
                    {
                        (hasGone, files.IsAway) = (true, !hasGone);
                        return [item];
                    },
                };
                await using var second = await SyncDevice.OpenAsync(runtime, "/b", liar);
                await runtime.Delay(TimeSpan.FromMinutes(1), default);
                Assert.True(hasGone);
                Assert.NotNull((await second.Engine.GetStatusAsync(default)).Error);

                files.IsAway = false;
                await second.SyncAsync();

                Assert.Empty((await second.Engine.GetStatusAsync(default)).Problems);
                await using var there = await second.OpenPageAsync();
                Assert.Equal(500, (await there.GetAsync("0999"))!.Length);
            },
            files);
    }

    [Fact]
    public void Devices_that_are_told_of_no_changes_look_by_themselves() => Run(
        seed: 133,
        async (runtime, _) =>
        {
            // Two processes: neither knows what the other one appends.
            await using var cloud = await DirectoryCloud.OpenAsync(runtime, Root, create: true, default);
            await using var other = await DirectoryCloud.OpenAsync(runtime, Root, create: false, default);
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", other);
            await using var here = await first.OpenPageAsync();
            await using var there = await second.OpenPageAsync();
            await SettleAsync(first, second);
            var time = other.CheckInterval + TimeSpan.FromMilliseconds(100);

            await PutAndSyncAsync(first, "a", "1");
            await runtime.Delay(time, default);
            var shown = await there.ShowAsync();
            await PutAndSyncAsync(second, "b", "2");
            await runtime.Delay(time, default);

            Assert.Equal(("a=1", "a=1,b=2"), (shown, await here.ShowAsync()));
        },
        new UnwatchedFileSystem(new MemoryFileSystem()));

    private static byte[] ReadAll(IFileSystem files, string path)
    {
        using var file = files.Open(path, FileOpening.ReadOnly);
        var content = new byte[file.Length];
        Assert.Equal(content.Length, file.ReadFully(0, content));
        return content;
    }
}
