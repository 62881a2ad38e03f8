using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Ledger.Sync;
using Xunit;

namespace Ledger.Tests.Sync;

/// <summary>The kit through the wrapper with delays alone, and what each fault does.</summary>
public sealed class FaultyCloudTests : CloudProviderConformance, IAsyncDisposable
{
    private readonly MemoryCloud _cloud = new(SystemRuntime.Create());

    protected override LedgerRuntime Runtime { get; } = SystemRuntime.Create();

    public ValueTask DisposeAsync() => _cloud.DisposeAsync();

    [Fact]
    public void An_entry_is_there_once_whatever_was_lost_on_the_way_and_one_seed_is_one_history()
    {
        for (var seed = 0; seed < 40; seed++)
        {
            var first = RunLossy(seed);

            Assert.Equal(first, RunLossy(seed));
        }
    }

    [Fact]
    public void Every_fault_happens_and_is_seen()
    {
        var world = TestRuntime.Create(seed: 5);
        world.Run(async runtime =>
        {
            var cloud = new MemoryCloud(runtime);
            var faults = new CloudFaults(seed: 5);
            var faulty = new FaultyCloud(runtime, cloud, faults);
            faults.FailureBeforeProbability = 1;
            await AssertUnreachableAsync(faulty, 1);
            faults.FailureBeforeProbability = 0;
            Assert.Empty(await ReadBacklogAsync(cloud, Notes));

            faults.LostAnswerProbability = 1;
            await AssertUnreachableAsync(faulty, 2);
            faults.LostAnswerProbability = 0;
            Assert.Single(await ReadBacklogAsync(cloud, Notes));

            await AppendAsync(cloud, First, 3, 4);
            faults.DuplicatePushProbability = 0.5;
            faults.ReorderPushProbability = 0.5;
            var (duplicates, reordered) = (0, 0);
            for (var round = 0; round < 20; round++)
            {
                var read = await ReadBacklogAsync(faulty, Notes);
                duplicates += read.Count > 3 ? 1 : 0;
                reordered += read.Zip(read.Skip(1)).Any(pair => pair.First.Position > pair.Second.Position) ? 1 : 0;
            }

            Assert.True(duplicates > 0 && reordered > 0, $"{duplicates} duplicated, {reordered} reordered.");

            await using var connection = await faulty.ConnectAsync(Phone, [new(Notes, default)], null, default);
            faults.IsPartitioned = true;
            await Assert.ThrowsAsync<CloudUnavailableException>(async () => await connection.ReadAsync(default));
            await AssertUnreachableAsync(faulty, 5);
        });
    }

    internal override ValueTask<ICloudProvider> OpenAsync() => new(new FaultyCloud(
        Runtime, _cloud, new CloudFaults(1) { DelayMax = TimeSpan.FromMilliseconds(2) }));

    internal override ValueTask EraseAsync()
    {
        _cloud.Erase();
        return ValueTask.CompletedTask;
    }

    internal override ValueTask RollBackAsync(LedgerName ledger, FeedPosition last)
    {
        _cloud.RollBack(ledger, last);
        return ValueTask.CompletedTask;
    }

    internal override ValueTask<DateTimeOffset?> LeaseOfAsync(BlobName name) => new(_cloud.LeaseOf(name));

    private static async Task AssertUnreachableAsync(FaultyCloud cloud, int number)
    {
        var error = await Assert.ThrowsAsync<CloudUnavailableException>(
            async () => await AppendAsync(cloud, First, number));
        Assert.Equal((CloudProblem.Unreachable, true), (error.Problem, error.IsTransient));
    }

    private static string RunLossy(int seed)
    {
        var world = TestRuntime.Create(seed);
        return world.Run(async runtime =>
        {
            var cloud = new MemoryCloud(runtime);
            var faults = new CloudFaults(seed)
            {
                FailureBeforeProbability = 0.2,
                LostAnswerProbability = 0.2,
                RepeatProbability = 0.2,
                DelayMax = TimeSpan.FromSeconds(1),
            };
            await Task.WhenAll(WriteAsync(runtime, cloud, faults, 0), WriteAsync(runtime, cloud, faults, 100));
            var read = (await ReadBacklogAsync(cloud, Notes)).Select(entry => entry.Entry.Sequence).ToArray();
            Assert.True(faults.FaultCount > 0, $"Seed {seed} has no fault.");
            Assert.Equal(read.Distinct(), read);
            Assert.Equal(Enumerable.Range(0, 10).Select(number => (long)number), read.Where(number => number < 100));
            return $"{string.Join(' ', read)} {world.Scheduler.Elapsed}";
        });
    }

    private static async Task WriteAsync(LedgerRuntime runtime, MemoryCloud cloud, CloudFaults faults, int first)
    {
        var faulty = new FaultyCloud(runtime, cloud, faults);
        for (var number = first; number < first + 10; number++)
        {
            for (var isDone = false; !isDone;)
            {
                try
                {
                    await AppendAsync(faulty, First, number);
                    isDone = true;
                }
                catch (CloudUnavailableException)
                {
                    await runtime.Delay(TimeSpan.FromMilliseconds(100), default);
                }
            }
        }
    }
}
