using Ledger.Runtime;
using Xunit;

namespace Ledger.Conformance;

/// <summary>What every scheduler behind the scheduling seam must do.</summary>
public abstract class SchedulerConformance
{
    /// <summary>Runs a test body where the scheduler's work runs, and hands it the scheduler.</summary>
    protected abstract Task RunAsync(Func<IScheduler, Task> body);

    [Fact]
    public Task What_runs_on_the_scheduler_has_entered_it() => RunAsync(scheduler =>
    {
        Assert.True(scheduler.IsEntered);
        return Task.CompletedTask;
    });

    [Fact]
    public async Task What_runs_elsewhere_has_not_entered_it()
    {
        IScheduler? captured = null;
        await RunAsync(scheduler =>
        {
            captured = scheduler;
            return Task.CompletedTask;
        });
        var before = SynchronizationContext.Current;
        bool isEntered;

        SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());
        try
        {
            isEntered = captured!.IsEntered;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(before);
        }

        Assert.False(isEntered);
    }

    [Fact]
    public Task What_is_posted_runs_later_and_has_entered() => RunAsync(async scheduler =>
    {
        var source = new TaskCompletionSource<bool>();

        scheduler.Post(() => source.SetResult(scheduler.IsEntered));

        Assert.True(await source.Task);
    });

    [Fact]
    public Task Offloaded_work_gets_its_state_and_gives_its_result() => RunAsync(async scheduler =>
    {
        var result = await scheduler.Offload(static state => state + 1, 41);

        Assert.Equal(42, result);
        Assert.True(scheduler.IsEntered);
    });

    [Fact]
    public Task What_offloaded_work_throws_comes_out_of_the_task() => RunAsync(async scheduler =>
    {
        var task = scheduler.Offload<int, int>(static state => throw new InvalidDataException($"{state}"), 7).AsTask();

        var exception = await Assert.ThrowsAsync<InvalidDataException>(() => task);

        Assert.Equal("7", exception.Message);
    });

    [Fact]
    public Task Lingering_ends_when_the_condition_holds() => RunAsync(async scheduler =>
    {
        var checks = 0;

        await scheduler.Linger(TimeSpan.FromHours(1), () => ++checks == 3);

        Assert.Equal(3, checks);
    });

    [Fact]
    public Task Lingering_ends_at_its_bound() => RunAsync(async scheduler =>
    {
        await scheduler.Linger(TimeSpan.FromMicroseconds(100), () => false);

        Assert.True(scheduler.IsEntered);
    });

    [Fact]
    public Task What_the_condition_throws_comes_out_of_the_task() => RunAsync(async scheduler =>
    {
        var task = scheduler.Linger(TimeSpan.FromHours(1), () => throw new InvalidDataException("no")).AsTask();

        await Assert.ThrowsAsync<InvalidDataException>(() => task);
    });

    [Fact]
    public Task A_delay_ends() => RunAsync(async scheduler =>
    {
        await scheduler.Delay(TimeSpan.FromMilliseconds(2), CancellationToken.None);
        await scheduler.Delay(TimeSpan.Zero, CancellationToken.None);

        Assert.True(scheduler.IsEntered);
    });

    [Fact]
    public Task A_cancelled_delay_throws() => RunAsync(async scheduler =>
    {
        using var source = new CancellationTokenSource();
        var delay = scheduler.Delay(TimeSpan.FromHours(1), source.Token);

        source.Cancel();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => delay);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => scheduler.Delay(TimeSpan.Zero, source.Token));
    });
}
