using System.Globalization;
using Ledger.Commits;
using Ledger.EndToEnd.Processes;
using Ledger.Runtime;
using Ledger.Sync;
using Xunit;

namespace Ledger.EndToEnd.Clouds;

/// <summary>Real processes that append to one cloud directory at once.</summary>
public sealed class CloudProcessTests
{
    private const int EntriesOfWriter = 60;

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public async Task Processes_that_append_at_once_lose_nothing_and_keep_their_order(int writers)
    {
        using var directory = new TestDirectory();

        var ends = await Task.WhenAll(Enumerable.Range(0, writers).Select(async writer =>
        {
            using var child = Start(directory["cloud"], writer, 0, EntriesOfWriter);
            return await child.EndAsync();
        }));

        Assert.All(ends, end => Assert.True(end.ExitCode == 0, end.Error));
        await AssertWholeAsync(directory["cloud"], writers);
    }

    [Fact]
    public async Task Processes_that_are_killed_and_try_again_append_each_entry_once()
    {
        const int Writers = 2;
        using var directory = new TestDirectory();

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(async writer =>
        {
            var random = new Random(writer);
            var acknowledged = 0;
            while (acknowledged < EntriesOfWriter)
            {
                using var child = Start(directory["cloud"], writer, acknowledged, EntriesOfWriter - acknowledged);
                for (var left = random.Next(5, 25); left > 0 && await child.ReadLineAsync() is { } line; left--)
                {
                    acknowledged = int.Parse(line, CultureInfo.InvariantCulture) + 1;
                }

                // The entry under way is sent again by the next life, whether it is there already or not.
                child.Kill();
                var end = await child.EndAsync();
                Assert.True(end.Error.Length == 0, end.Error);
            }
        }));

        await AssertWholeAsync(directory["cloud"], Writers);
    }

    private static Child Start(string cloud, int writer, int first, int count) => Child.Start(
        "Ledger.EndToEnd.dll", AppContext.BaseDirectory,
        ["cloud", cloud, .. new[] { writer, first, count }.Select(n => n.ToString(CultureInfo.InvariantCulture))]);

    private static async Task AssertWholeAsync(string path, int writers)
    {
        await using var cloud = await DirectoryCloud.OpenAsync(
            LedgerRuntime.CreateSystem(), path, create: false, default);
        await using var connection = await cloud.ConnectAsync(
            new DeviceId(99), [new(CloudChild.Ledger, default)], null, default);
        var read = new List<FeedEntry>();
        while (await connection.ReadAsync(default) is CloudEvent.Entries entries)
        {
            read.AddRange(entries.Items);
        }

        Assert.Equal(writers * EntriesOfWriter, read.Count);
        foreach (var writer in Enumerable.Range(0, writers))
        {
            var own = read.Where(entry => entry.Entry.Device.Value == (UInt128)(writer + 1)).ToArray();
            Assert.Equal(Enumerable.Range(0, EntriesOfWriter).Select(n => (long)n), own.Select(e => e.Entry.Sequence));
            Assert.All(own.Select(each => each.Entry), entry => Assert.Equal(
                CloudChild.EntryOf(writer, (int)entry.Sequence).Content.ToArray(), entry.Content.ToArray()));
        }
    }
}
