using Ledger.Conformance;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Runtime;

/// <summary>For whom the leader of a group waits, and how long.</summary>
public sealed class GroupGatheringTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMicroseconds(100);

    [Theory]
    [InlineData(2, 4_000, 0, true)]
    [InlineData(2, 4_000, 99, true)]
    [InlineData(2, 4_000, 101, false)]
    [InlineData(2, 200, 49, true)]
    [InlineData(2, 200, 51, false)]
    [InlineData(1, 4_000, 0, false)]
    [InlineData(0, 4_000, 0, false)]
    public void A_leader_waits_right_after_a_group_of_several(
        int expected, int tookMicroseconds, int agoMicroseconds, bool waits)
    {
        var clock = new SetClock();
        var gathering = Create(clock);

        Note(gathering, clock, expected, tookMicroseconds);
        clock.Microseconds += agoMicroseconds;
        var wait = gathering.WaitAsync(() => 1);

        Assert.Equal(!waits, wait.IsCompleted);
    }

    [Fact]
    public void The_wait_ends_when_all_are_there() => TestRuntime.Create(seed: 1).Run(async runtime =>
    {
        var gathering = new GroupGathering(runtime, TimeSpan.FromHours(1));
        var started = runtime.Time.GetTimestamp();
        await runtime.Delay(TimeSpan.FromHours(4), default);
        gathering.Note(3, started);
        var there = 1;

        var began = runtime.Time.GetTimestamp();
        await gathering.WaitAsync(() => there++);

        Assert.Equal(4, there);
        Assert.True(runtime.Time.GetElapsedTime(began) < TimeSpan.FromHours(1));
    });

    private static GroupGathering Create(SetClock clock)
    {
        var world = TestRuntime.Create(seed: 1);
        return new GroupGathering(
            new LedgerRuntime(new NeverScheduler(), clock, world.Runtime.Random, world.Runtime.Files,
                world.Runtime.Network),
            Patience);
    }

    private static void Note(GroupGathering gathering, SetClock clock, int expected, int tookMicroseconds)
    {
        var started = clock.GetTimestamp();
        clock.Microseconds += tookMicroseconds;
        gathering.Note(expected, started);
    }

    private sealed class SetClock : TimeProvider
    {
        public long Microseconds { get; set; } = 1;

        public override long TimestampFrequency => 1_000_000;

        public override long GetTimestamp() => Microseconds;
    }

    /// <summary>Nothing that waits ever goes on.</summary>
    private sealed class NeverScheduler : IScheduler
    {
        public bool IsEntered => true;

        public void Post(Action continuation) => throw new InvalidOperationException("Nothing is posted.");

        public ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state) =>
            throw new InvalidOperationException("Nothing is offloaded.");

        public ValueTask Linger(TimeSpan bound, Func<bool> condition) => new(new TaskCompletionSource().Task);

        public Task Delay(TimeSpan delay, CancellationToken cancellationToken) => new TaskCompletionSource().Task;
    }
}
