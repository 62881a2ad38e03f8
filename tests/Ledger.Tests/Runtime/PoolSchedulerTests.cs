using Ledger.Conformance;
using Ledger.Runtime;
using Ledger.Runtime.Real;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class PoolSchedulerTests : SchedulerConformance
{
    [Fact]
    public async Task Offloaded_work_runs_inline()
    {
        var scheduler = new PoolScheduler();
        var before = Environment.CurrentManagedThreadId;

        var task = scheduler.Offload(static _ => Environment.CurrentManagedThreadId, 0).AsTask();

        Assert.True(task.IsCompleted);
        Assert.Equal(before, await task);
    }

    [Fact]
    public Task Entering_leaves_a_foreign_context() => Task.Run(async () =>
    {
        var runtime = LedgerRuntime.CreateSystem();
        SynchronizationContext.SetSynchronizationContext(new SynchronizationContext());

        await runtime.Enter();

        Assert.Null(SynchronizationContext.Current);
        Assert.True(runtime.Enter().IsCompleted);
    });

    protected override Task RunAsync(Func<IScheduler, Task> body) => Task.Run(() => body(new PoolScheduler()));
}
