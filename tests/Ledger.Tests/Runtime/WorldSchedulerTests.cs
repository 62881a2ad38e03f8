using Ledger.Conformance;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class WorldSchedulerTests : SchedulerConformance
{
    [Fact]
    public void One_seed_is_one_order_and_other_seeds_are_others()
    {
        Assert.Equal(Play(seed: 1), Play(seed: 1));
        Assert.True(Enumerable.Range(0, 20).Select(Play).Distinct().Count() > 15);

        static string Play(int seed)
        {
            var world = TestRuntime.Create(seed);
            var order = new List<string>();
            world.Run(runtime => Task.WhenAll(Enumerable.Range(0, 5).Select(async number =>
            {
                for (var step = 0; step < 3; step++)
                {
                    await runtime.Offload(static _ => 0, 0);
                    order.Add($"{number}");
                }
            })));
            return string.Concat(order) + world.Scheduler.Elapsed;
        }
    }

    [Fact]
    public void Virtual_time_passes_without_real_time()
    {
        var world = TestRuntime.Create(seed: 1);

        var (before, after) = world.Run(async runtime =>
        {
            var start = runtime.WallClockMs();
            await runtime.Delay(TimeSpan.FromDays(100), CancellationToken.None);
            return (start, runtime.WallClockMs());
        });

        Assert.InRange(after - before, 100L * 86_400_000, 113L * 86_400_000);
    }

    [Fact]
    public void Delays_end_in_the_order_of_their_ends()
    {
        var world = TestRuntime.Create(seed: 1);
        var order = new List<int>();

        world.Run(runtime => Task.WhenAll(new[] { 300, 100, 200 }.Select(async delay =>
        {
            await runtime.Delay(TimeSpan.FromSeconds(delay), CancellationToken.None);
            order.Add(delay);
        })));

        Assert.Equal([100, 200, 300], order);
    }

    [Fact]
    public void A_cancelled_delay_costs_no_virtual_time()
    {
        var world = TestRuntime.Create(seed: 1);

        world.Run(async runtime =>
        {
            using var source = new CancellationTokenSource();
            var delay = runtime.Delay(TimeSpan.FromDays(1), source.Token);
            var endless = runtime.Delay(Timeout.InfiniteTimeSpan, source.Token);
            source.Cancel();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => delay);
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => endless);
            await runtime.Delay(TimeSpan.FromSeconds(1), CancellationToken.None);
        });

        Assert.InRange(world.Scheduler.Elapsed, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2));
    }

    [Fact]
    public void What_the_body_throws_comes_out_of_the_run()
    {
        var world = TestRuntime.Create(seed: 1);

        Assert.Throws<InvalidDataException>(() => world.Run(async runtime =>
        {
            await runtime.Offload(static _ => 0, 0);
            throw new InvalidDataException();
        }));
        Assert.Equal(3, world.Run(_ => Task.FromResult(3)));
    }

    [Fact]
    public void A_world_leaves_nothing_in_the_context_of_the_thread_that_ran_it()
    {
        var before = ExecutionContext.Capture();

        new WorldScheduler(seed: 1).Run(() => Task.CompletedTask);

        Assert.Same(before, ExecutionContext.Capture());
    }

    [Fact]
    public void A_deadlock_is_reported_with_its_seed()
    {
        var world = TestRuntime.Create(seed: 77);
        world.Scheduler.EscapePatience = TimeSpan.Zero;

        var exception = Assert.Throws<WorldException>(() => world.Run(async _ =>
        {
            var asyncLock = new AsyncLock();
            await asyncLock.AcquireAsync(CancellationToken.None);
            await asyncLock.AcquireAsync(CancellationToken.None);
        }));

        Assert.StartsWith("Deadlock", exception.Message, StringComparison.Ordinal);
        Assert.Contains("seed 77", exception.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_hop_to_the_pool_is_reported() =>
        AssertEscapes(async _ => await Task.Run(() => { }));

    [Fact]
    public void A_wait_for_a_real_timer_is_reported() =>
        AssertEscapes(async _ =>
        {
            // A tick that came before it was waited for is no wait: the first that is waited for ends the loop.
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(1));
            while (await timer.WaitForNextTickAsync())
            {
            }
        });

    [Fact]
    public void A_continuation_without_the_context_is_reported() =>
        AssertEscapes(async runtime =>
        {
            await runtime.Scheduler.Offload(static _ => 0, 0).ConfigureAwait(false);
            await new TaskCompletionSource().Task;
        });

    [Fact]
    public void A_hop_that_nobody_waits_for_is_reported_when_it_touches_a_seam()
    {
        foreach (var touch in new Action<LedgerRuntime>[]
        {
            runtime => runtime.Scheduler.Post(() => { }),
            runtime => runtime.Time.GetTimestamp(),
            runtime => runtime.WallClockMs(),
            runtime => runtime.Files.FileExists("/a"),
        })
        {
            AssertEscapes(async runtime =>
            {
                // Without the execution context, so that nothing but the seam itself can notice.
                ThreadPool.UnsafeQueueUserWorkItem(_ => Assert.Throws<WorldException>(() => touch(runtime)), null);
                await new TaskCompletionSource().Task;
            });
        }
    }

    [Fact]
    public void Entering_leaves_a_foreign_context_for_the_world()
    {
        var world = TestRuntime.Create(seed: 1);

        world.Run(async runtime =>
        {
            Assert.True(runtime.Enter().IsCompleted);
            SynchronizationContext.SetSynchronizationContext(null);
            Assert.False(runtime.Enter().IsCompleted);

            await runtime.Enter();

            Assert.True(runtime.Enter().IsCompleted);
        });
    }

    [Fact]
    public void The_primitives_stay_in_the_world_under_when_all_and_when_any()
    {
        for (var seed = 0; seed < 50; seed++)
        {
            var world = TestRuntime.Create(seed);
            world.Run(async runtime =>
            {
                var asyncLock = new AsyncLock();
                var signal = new AsyncSignal();
                var queue = new AsyncQueue<int>(capacity: 2);
                var holder = await asyncLock.AcquireAsync(CancellationToken.None);
                var turns = Enumerable.Range(0, 3)
                    .Select(_ => asyncLock.AcquireAsync(CancellationToken.None).AsTask()).ToArray();
                var pulse = signal.WaitAsync(signal.Version, CancellationToken.None).AsTask();
                var items = Enumerable.Range(0, 3)
                    .Select(_ => queue.DequeueAsync(CancellationToken.None).AsTask()).ToArray();

                // Combined before anything is complete: a task that forces its continuations off the stack would
                // have the combination continue on the pool.
                var woken = Task.WhenAll(pulse, Task.WhenAll(items));
                var next = Task.WhenAny(turns);
                signal.Pulse();
                for (var i = 0; i < 5; i++)
                {
                    await queue.EnqueueAsync(i, CancellationToken.None);
                }

                var producers = Task.WhenAll(
                    queue.EnqueueAsync(5, CancellationToken.None).AsTask(),
                    queue.EnqueueAsync(6, CancellationToken.None).AsTask(),
                    queue.EnqueueAsync(7, CancellationToken.None).AsTask());
                await woken;
                foreach (var following in new[] { turns[1..], turns[2..], null })
                {
                    holder.Dispose();
                    holder = await await next;
                    next = following is null ? next : Task.WhenAny(following);
                }

                for (var i = 3; i < 8; i++)
                {
                    Assert.Equal(i, (await queue.DequeueAsync(CancellationToken.None)).Item);
                }

                await producers;
            });
        }
    }

    [Fact]
    public void Lock_order_and_mutual_exclusion_hold_for_every_seed()
    {
        for (var seed = 0; seed < 200; seed++)
        {
            var world = TestRuntime.Create(seed);
            var inside = 0;
            world.Run(runtime =>
            {
                var asyncLock = new AsyncLock();
                return Task.WhenAll(Enumerable.Range(0, 5).Select(async _ =>
                {
                    for (var step = 0; step < 5; step++)
                    {
                        using var turn = await asyncLock.AcquireAsync(CancellationToken.None);
                        inside++;
                        await runtime.Offload(static _ => 0, 0);
                        Assert.True(inside == 1, $"Seed {seed}.");
                        inside--;
                    }
                }));
            });
        }
    }

    [Fact]
    public void A_network_works_in_the_world()
    {
        var world = TestRuntime.Create(seed: 3);

        var answer = world.Run(async runtime =>
        {
            await using var listener = await runtime.Network.ListenAsync("localhost:0", CancellationToken.None);
            var serving = ServeAsync(listener);
            await using var client = await runtime.Network.ConnectAsync(listener.Address, CancellationToken.None);
            await client.WriteAsync(new byte[] { 41 });
            var buffer = new byte[1];
            Assert.Equal(1, await client.ReadAsync(buffer));
            await serving;
            return buffer[0];
        });

        Assert.Equal(42, answer);

        static async Task ServeAsync(IConnectionListener listener)
        {
            await using var connection = (await listener.AcceptAsync(CancellationToken.None))!;
            var buffer = new byte[1];
            Assert.Equal(1, await connection.ReadAsync(buffer));
            buffer[0]++;
            await connection.WriteAsync(buffer);
        }
    }

    [Fact]
    public void What_goes_on_at_the_end_of_a_run_goes_on_in_the_next()
    {
        var world = TestRuntime.Create(seed: 1);
        var count = 0;

        world.Run(runtime =>
        {
            _ = CountAsync(runtime);
            return Task.CompletedTask;
        });
        var before = count;
        world.Run(runtime => runtime.Delay(TimeSpan.FromMinutes(1), CancellationToken.None));

        Assert.Equal(0, before);
        Assert.Equal(1, count);

        async Task CountAsync(LedgerRuntime runtime)
        {
            await runtime.Delay(TimeSpan.FromSeconds(1), CancellationToken.None);
            count++;
        }
    }

    [Fact]
    public void Random_bytes_follow_the_seed()
    {
        Assert.Equal(Draw(5), Draw(5));
        Assert.NotEqual(Draw(5), Draw(6));

        static ulong Draw(int seed) => TestRuntime.Create(seed).Runtime.NextUInt64();
    }

    protected override Task RunAsync(Func<IScheduler, Task> body)
    {
        var world = new WorldScheduler(seed: 5);
        world.Run(() => body(world));
        return Task.CompletedTask;
    }

    private static void AssertEscapes(Func<LedgerRuntime, Task> body)
    {
        var world = TestRuntime.Create(seed: 77);

        var exception = Assert.Throws<WorldException>(() => world.Run(body));

        Assert.Contains("on another thread", exception.Message, StringComparison.Ordinal);
        Assert.Contains("seed 77", exception.Message, StringComparison.Ordinal);
    }
}
