using Ledger.Conformance;
using Ledger.Objects.Segments;
using Ledger.Pages;
using Ledger.Pages.Merging;
using Ledger.Sync;
using Ledger.Trees;
using Xunit;
using static Ledger.Conformance.PageText;
using static Ledger.Tests.Sync.SyncEngineTests;

namespace Ledger.Tests.Sync;

/// <summary>Networks that fail, heads that are not merged, and many devices at once.</summary>
public sealed class SyncFaultTests
{
    private static readonly PageId OtherPage = new([.. Enumerable.Repeat((byte)7, PageId.SizeBytes)]);

    [Theory]
    [InlineData(100)]
    [InlineData(101)]
    [InlineData(102)]
    [InlineData(103)]
    [InlineData(104)]
    [InlineData(105)]
    [InlineData(106)]
    [InlineData(107)]
    public void Devices_agree_once_a_network_that_lost_and_repeated_and_broke_is_sound_again(int seed) => Run(
        seed, async (runtime, cloud) =>
        {
            var random = new Random(seed);
            var faults = Enumerable.Range(0, 3).Select(number => new CloudFaults(seed + number)).ToArray();
            var devices = new List<SyncDevice>();
            foreach (var (fault, number) in faults.Select((fault, number) => (fault, number)))
            {
                devices.Add(await SyncDevice.OpenAsync(
                    runtime, $"/{number}", new FaultyCloud(runtime, cloud, fault)));
            }

            foreach (var fault in faults)
            {
                Worsen(fault);
            }

            for (var round = 0; round < 60; round++)
            {
                var number = random.Next(devices.Count);
                switch (random.Next(10))
                {
                    case 0:
                        await devices[number].DisposeAsync();
                        devices[number] = await SyncDevice.OpenAsync(
                            runtime, $"/{number}", new FaultyCloud(runtime, cloud, faults[number]));
                        break;
                    case 1:
                        faults[number].IsPartitioned = !faults[number].IsPartitioned;
                        break;
                    default:
                        await EditAsync(devices[number], random);
                        break;
                }

                await runtime.Delay(TimeSpan.FromMilliseconds(random.Next(3_000)), default);
            }

            foreach (var fault in faults)
            {
                Heal(fault);
            }

            await SettleAsync([.. devices]);
            var shown = new HashSet<string>();
            foreach (var device in devices)
            {
                await using var page = await device.OpenPageAsync();
                await using var other = await device.OpenPageAsync(OtherPage);
                shown.Add(
                    $"{await HeadAsync(page)} {await page.ShowAsync()} {await HeadAsync(other)} " +
                    await other.ShowAsync());
                Assert.Empty((await device.Engine.GetStatusAsync(default)).Problems);
                Assert.Empty((await device.Repository.VerifyAsync()).Problems);
            }

            Assert.True(shown.Count == 1, $"Seed {seed}: {string.Join('\n', shown)}");
            foreach (var device in devices)
            {
                await device.DisposeAsync();
            }
        });

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void An_entry_whose_acknowledgement_was_lost_is_sent_again_unchanged_and_is_in_the_feed_once(
        bool isPlanted) => Run(
        seed: 110, async (runtime, cloud) =>
        {
            var bugs = isPlanted ? PlantedBugs.SyncRecomposeAfterLostAnswer : PlantedBugs.None;
            var sent = new List<CloudEntry>();
            var liar = new TamperingCloud(cloud)
            {
                Appending = entries => sent.AddRange(entries),
                Appended = _ =>
                {
                    if (sent.Count < 3)
                    {
                        throw new CloudUnavailableException(CloudProblem.Unreachable, "The answer was lost.");
                    }
                },

                // What comes back would tell the device.
                Tamper = item => sent.Count < 3 ? [] : [item],
            };
            await using var first = await SyncDevice.OpenAsync(
                runtime, "/a", liar, new RepositoryOptions { Bugs = bugs });
            await using var here = await first.OpenPageAsync();
            await here.PutAsync("a", "1");
            await runtime.Delay(TimeSpan.FromSeconds(30), default);
            await first.SyncAsync();
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=1", await there.ShowAsync());
            var made = sent.Select(entry => (entry.Id, Convert.ToHexString(entry.Content.Span))).Distinct().Count();
            var received = (await second.Engine.GetStatusAsync(default)).EntriesReceived;
            if (isPlanted)
            {
                // Each attempt is another entry, and those of which the answer was lost are in the feed too.
                Assert.InRange(made, 2, sent.Count);
                Assert.InRange(received, 2, made);
                return;
            }

            Assert.Equal((3, 1, 1L), (sent.Count, made, received));
        });

    [Fact]
    public void After_five_refusals_an_entry_is_appended_without_the_condition() => Run(
        seed: 111, async (runtime, cloud) =>
        {
            var refusals = 0;
            var liar = new TamperingCloud(cloud);
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", liar);
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            liar.Appending = _ =>
            {
                if (refusals < SyncUpload.RefusalsMax)
                {
                    refusals++;
                    throw new FeedMovedException(first.Keys.NameOf(PageId.Root), FeedPosition.Start, default);
                }
            };
            await using var here = await first.OpenPageAsync();
            await here.PutAsync("a", "1");
            await first.SyncAsync();
            await second.SyncAsync();

            await using var there = await second.OpenPageAsync();
            Assert.Equal("a=1", await there.ShowAsync());
            Assert.Equal(SyncUpload.RefusalsMax, refusals);
        });

    [Theory]
    [InlineData("none")]
    [InlineData("failing")]
    [InlineData("silent")]
    public void Heads_that_are_not_merged_are_sent_as_they_are(string how) => Run(seed: 112, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        foreach (var device in new[] { first, second })
        {
            if (how == "none")
            {
                device.Ledger.SetConflictResolver(MergePolicy.None);
            }
            else
            {
                device.Ledger.SetConflictResolver(
                    MergePolicy.Custom, how == "silent" ? TestResolver.Silent() : new FailingResolver(),
                    Timeout.InfiniteTimeSpan);
            }
        }

        await using var here = await first.OpenPageAsync();
        await using var there = await second.OpenPageAsync();
        await here.PutAsync("a", "1");
        await there.PutAsync("a", "2");
        await SettleAsync(first, second);

        Assert.Equal(2, (await here.GetHeadsAsync()).Count);
        Assert.Equal(await HeadAsync(here), await HeadAsync(there));
        foreach (var device in new[] { first, second })
        {
            device.Ledger.SetConflictResolver(MergePolicy.LastOneWins);
        }

        await here.WaitForMergesAsync();
        await there.WaitForMergesAsync();
        await SettleAsync(first, second);
        Assert.Single(await here.GetHeadsAsync());
        Assert.Equal(await here.ShowAsync(), await there.ShowAsync());
    });

    [Fact]
    public void A_cloud_that_goes_away_is_tried_again_for_ever_and_everything_moves_when_it_is_back() => Run(
        seed: 113, async (runtime, cloud) =>
        {
            var faults = new CloudFaults(113);
            await using var first = await SyncDevice.OpenAsync(runtime, "/a", new FaultyCloud(runtime, cloud, faults));
            await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
            await using var here = await first.OpenPageAsync();
            await here.PutAsync("a", "1");
            await SettleAsync(first, second);

            faults.IsPartitioned = true;
            await here.PutAsync("b", "2");
            await using (var there = await second.OpenPageAsync())
            {
                await there.PutAsync("c", "3");
            }

            await runtime.Delay(TimeSpan.FromMinutes(30), default);
            var status = await first.Engine.GetStatusAsync(default);
            Assert.Equal(SyncPhase.Connecting, status.Phase);
            Assert.NotNull(status.Error);
            var tries = faults.OperationCount;
            await runtime.Delay(TimeSpan.FromMinutes(30), default);
            Assert.InRange(faults.OperationCount - tries, 25, 80);

            faults.IsPartitioned = false;
            await runtime.Delay(TimeSpan.FromMinutes(2), default);
            Assert.Equal("a=1,b=2,c=3", await here.ShowAsync());
            Assert.Equal(SyncPhase.Idle, (await first.Engine.GetStatusAsync(default)).Phase);
            Assert.Null((await first.Engine.GetStatusAsync(default)).Error);
        });

    [Theory]
    [InlineData(2, false)]
    [InlineData(5, false)]
    [InlineData(3, true)]
    public void Many_devices_that_write_one_key_at_once_agree(int count, bool averages) => Run(
        seed: 114 + count, async (runtime, cloud) =>
        {
            var counted = new TamperingCloud(cloud);
            var devices = new List<SyncDevice>();
            for (var number = 0; number < count; number++)
            {
                devices.Add(await SyncDevice.OpenAsync(runtime, $"/{number}", counted));
                if (averages)
                {
                    devices[number].Ledger.SetConflictResolver(MergePolicy.Custom, new Averages());
                }
            }

            await Task.WhenAll(devices.Select(async (device, number) =>
            {
                await using var page = await device.OpenPageAsync();
                await page.PutAsync("a", $"{number}");
            }));
            await Task.WhenAll(devices.Select(device => device.SyncAsync()));
            await SettleAsync([.. devices]);
            counted.ResetCounts();
            await runtime.Delay(TimeSpan.FromMinutes(10), default);

            var (heads, shown) = (new HashSet<string>(), new HashSet<string>());
            foreach (var device in devices)
            {
                await using var page = await device.OpenPageAsync();
                Assert.False(await page.WaitForMergesAsync());
                heads.Add(await HeadAsync(page));
                shown.Add(await page.ShowAsync());
                await device.DisposeAsync();
            }

            Assert.Single(heads);
            Assert.Matches(averages ? "^a=[0-9.]+$" : $"^a=[0-{count - 1}]$", Assert.Single(shown));
            Assert.Equal((0, 0L, 0L), (counted.RoundTrips, counted.SentBytes, counted.ReceivedBytes));
        });

    [Fact]
    public void A_long_history_of_one_key_arrives_whole() => Run(seed: 120, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var here = await first.OpenPageAsync();
        for (var number = 0; number < 500; number++)
        {
            await here.PutAsync("a", $"{number}");
            await (await here.GetSnapshotAsync()).DisposeAsync();
        }

        await first.SyncAsync();
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await second.SyncAsync();

        await using var there = await second.OpenPageAsync();
        Assert.Equal("a=499", await there.ShowAsync());
        Assert.Equal(500, await there.LogAsync().CountAsync(commit => commit.Generation > 0));
        Assert.Equal(500, await there.HistoryOfAsync(Bytes("a")).CountAsync());
    });

    [Fact]
    public void A_conflict_and_its_merge_are_in_the_history_of_both() => Run(seed: 121, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await using var here = await first.OpenPageAsync();
        await using var there = await second.OpenPageAsync();
        await here.PutAsync("a", "1");
        await there.PutAsync("a", "2");
        await SettleAsync(first, second);

        foreach (var page in new[] { here, there })
        {
            var log = await page.LogAsync().ToListAsync();
            Assert.Equal(2, log.Count(commit => commit.Parents.Count == 1));
            Assert.Single(log, commit => commit.Parents.Count == 2);
            Assert.Single(await page.ExplainAsync(Bytes("a")).ToListAsync());
        }
    });

    [Fact]
    public void A_writer_that_never_pauses_does_not_keep_others_out() => Run(seed: 122, async (runtime, cloud) =>
    {
        await using var first = await SyncDevice.OpenAsync(runtime, "/a", cloud);
        await using var second = await SyncDevice.OpenAsync(runtime, "/b", cloud);
        await using var here = await first.OpenPageAsync();
        await using var there = await second.OpenPageAsync();
        await there.PutAsync("theirs", "1");
        await second.SyncAsync();
        for (var number = 0; number < 2_000 && await here.GetAsync("theirs") is null; number++)
        {
            await here.PutAsync("ours", $"{number}");
        }

        Assert.Equal("1", await here.GetAsync("theirs"));
    });

    private static async Task EditAsync(SyncDevice device, Random random)
    {
        await using var page = await device.OpenPageAsync(random.Next(4) == 0 ? OtherPage : null);
        for (var count = random.Next(1, 4); count > 0; count--)
        {
            var key = $"{random.Next(12)}";
            if (random.Next(5) == 0)
            {
                await page.DeleteAsync(key);
            }
            else
            {
                await page.PutAsync(key, new string('x', random.Next(8) == 0 ? 900 : 5) + random.Next(1_000));
            }
        }
    }

    private static void Worsen(CloudFaults faults)
    {
        faults.FailureBeforeProbability = 0.1;
        faults.LostAnswerProbability = 0.1;
        faults.RepeatProbability = 0.1;
        faults.DisconnectProbability = 0.1;
        faults.DuplicatePushProbability = 0.1;
        faults.ReorderPushProbability = 0.1;
        faults.DelayMax = TimeSpan.FromSeconds(1);
    }

    private static void Heal(CloudFaults faults)
    {
        faults.FailureBeforeProbability = 0;
        faults.LostAnswerProbability = 0;
        faults.RepeatProbability = 0;
        faults.DisconnectProbability = 0;
        faults.DuplicatePushProbability = 0;
        faults.ReorderPushProbability = 0;
        faults.DelayMax = TimeSpan.Zero;
        faults.IsPartitioned = false;
    }

    private sealed class FailingResolver : IConflictResolver
    {
        public string Name => "failing";

        public Task ResolveAsync(MergeContext context, CancellationToken cancellationToken) =>
            throw new InvalidOperationException("This resolver always fails.");
    }

    /// <summary>(4a + b) / 3 of the newer and the older: neither commutative nor associative.</summary>
    private sealed class Averages : IConflictResolver
    {
        public string Name => "averages";

        public async Task ResolveAsync(MergeContext context, CancellationToken cancellationToken)
        {
            await foreach (var entry in context.GetConflictingDiffAsync(cancellationToken))
            {
                var (left, right) = (Number(entry.Left), Number(entry.Right));
                await context.PutAsync(
                    entry.Key, Bytes($"{((4 * left) + right) / 3}"), EntryPriority.Eager, cancellationToken);
            }
        }

        private static double Number(Entry? entry) => entry is { Value: { } value }
            ? double.Parse(Text(value), System.Globalization.CultureInfo.InvariantCulture)
            : 0;
    }
}
