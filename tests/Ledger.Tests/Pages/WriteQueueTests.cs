using Ledger.Conformance;
using Ledger.Pages;
using Xunit;

namespace Ledger.Tests.Pages;

/// <summary>How writes of a page gather in groups.</summary>
public sealed class WriteQueueTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Writers_who_each_wait_for_their_own_write_come_to_be_one_group(int seed)
    {
        var sizes = Write(seed, writers: 8, writesOfEach: 25);

        Assert.Equal(200, sizes.Sum());
        Assert.True(sizes.Count <= 35, $"Seed {seed}: there were {sizes.Count} groups: {string.Join(' ', sizes)}.");
    }

    [Fact]
    public void A_lone_writer_waits_for_nobody()
    {
        var world = TestRuntime.Create(seed: 4);

        var elapsed = world.Run(async runtime =>
        {
            var gate = new Lock();
            var queue = new WriteQueue(runtime, gate, _ => Task.CompletedTask);
            var started = runtime.Time.GetTimestamp();
            await WriteAsync(queue, gate, count: 100);
            return runtime.Time.GetElapsedTime(started);
        });

        Assert.Equal(TimeSpan.Zero, elapsed);
    }

    private static List<int> Write(int seed, int writers, int writesOfEach)
    {
        var world = TestRuntime.Create(seed);
        return world.Run(async runtime =>
        {
            var gate = new Lock();
            var sizes = new List<int>();
            var queue = new WriteQueue(runtime, gate, async group =>
            {
                sizes.Add(group.Count);
                await runtime.Offload(static state => state, true);
            });
            await Task.WhenAll(Enumerable.Range(0, writers).Select(_ => WriteAsync(queue, gate, writesOfEach)));
            return sizes;
        });
    }

    private static async Task WriteAsync(WriteQueue queue, Lock gate, int count)
    {
        for (var number = 0; number < count; number++)
        {
            var write = new AnyWrite();
            lock (gate)
            {
                queue.Enqueue(write);
            }

            await queue.CompleteAsync(write);
        }
    }

    private sealed class AnyWrite : QueuedWrite
    {
        public override long SizeBytes => 1;

        public override bool JoinsGroupOf(QueuedWrite leader) => true;
    }
}
