using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Runtime;

public sealed class AsyncPrimitivesTests
{
    [Fact]
    public async Task A_free_lock_is_taken_at_once()
    {
        var asyncLock = new AsyncLock();

        var first = asyncLock.AcquireAsync(CancellationToken.None).AsTask();
        var wasFree = first.IsCompletedSuccessfully;
        (await first).Dispose();
        var second = asyncLock.AcquireAsync(CancellationToken.None).AsTask();

        Assert.True(wasFree);
        Assert.True(second.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task A_lock_is_given_in_the_order_of_asking()
    {
        var asyncLock = new AsyncLock();
        var order = new List<int>();
        var holder = await asyncLock.AcquireAsync(CancellationToken.None);
        var tasks = Enumerable.Range(0, 100).Select(EnterAsync).ToArray();

        holder.Dispose();
        await Task.WhenAll(tasks);

        Assert.Equal(Enumerable.Range(0, 100), order);

        async Task EnterAsync(int number)
        {
            using var turn = await asyncLock.AcquireAsync(CancellationToken.None);
            order.Add(number);
        }
    }

    [Fact]
    public async Task A_lock_admits_one_at_a_time_from_many_threads()
    {
        var asyncLock = new AsyncLock();
        var inside = 0;
        var count = 0;

        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            for (var i = 0; i < 2_000; i++)
            {
                using var turn = await asyncLock.AcquireAsync(CancellationToken.None);
                Assert.Equal(1, Interlocked.Increment(ref inside));
                count++;
                Assert.Equal(0, Interlocked.Decrement(ref inside));
            }
        })));

        Assert.Equal(16_000, count);
    }

    [Fact]
    public async Task A_cancelled_waiter_leaves_the_line_and_the_next_gets_the_lock()
    {
        using var source = new CancellationTokenSource();
        var asyncLock = new AsyncLock();
        var holder = await asyncLock.AcquireAsync(CancellationToken.None);
        var cancelled = asyncLock.AcquireAsync(source.Token).AsTask();
        var patient = asyncLock.AcquireAsync(CancellationToken.None).AsTask();

        source.Cancel();
        holder.Dispose();

        var exception = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.Equal(source.Token, exception.CancellationToken);
        (await patient).Dispose();
        Assert.True(asyncLock.AcquireAsync(source.Token).AsTask().IsCanceled);
        Assert.True(asyncLock.AcquireAsync(CancellationToken.None).AsTask().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Releasing_twice_does_not_give_away_the_turn_of_another()
    {
        var asyncLock = new AsyncLock();
        var first = await asyncLock.AcquireAsync(CancellationToken.None);
        var second = asyncLock.AcquireAsync(CancellationToken.None).AsTask();

        first.Dispose();
        first.Dispose();
        default(AsyncLock.Releaser).Dispose();
        await second;
        var third = asyncLock.AcquireAsync(CancellationToken.None).AsTask();

        Assert.False(third.IsCompleted);
        (await second).Dispose();
        await third;
    }

    [Fact]
    public async Task A_long_line_of_waiters_does_not_deepen_the_stack()
    {
        var asyncLock = new AsyncLock();
        var holder = await asyncLock.AcquireAsync(CancellationToken.None);

        // On the pool, without the test framework's context, which takes a millisecond for each hop.
        await Task.Run(async () =>
        {
            var waiters = Enumerable.Range(0, 20_000).Select(_ => EnterAsync()).ToArray();
            holder.Dispose();
            await Task.WhenAll(waiters);
        });

        Assert.True(asyncLock.AcquireAsync(CancellationToken.None).AsTask().IsCompletedSuccessfully);

        async Task EnterAsync()
        {
            using var turn = await asyncLock.AcquireAsync(CancellationToken.None);
        }
    }

    [Fact]
    public async Task A_pulse_wakes_everybody_who_has_seen_less()
    {
        var signal = new AsyncSignal();
        var seen = signal.Version;
        var waiters = Enumerable.Range(0, 10)
            .Select(_ => signal.WaitAsync(seen, CancellationToken.None).AsTask()).ToArray();
        Assert.DoesNotContain(waiters, waiter => waiter.IsCompleted);

        signal.Pulse();
        await Task.WhenAll(waiters);

        Assert.Equal(seen + 1, signal.Version);
        Assert.True(signal.WaitAsync(seen, CancellationToken.None).AsTask().IsCompletedSuccessfully);
        Assert.False(signal.WaitAsync(seen + 1, CancellationToken.None).AsTask().IsCompleted);
    }

    [Fact]
    public async Task A_cancelled_wait_for_a_signal_leaves_the_others_waiting()
    {
        using var source = new CancellationTokenSource();
        var signal = new AsyncSignal();
        var cancelled = signal.WaitAsync(0, source.Token).AsTask();
        var patient = signal.WaitAsync(0, CancellationToken.None).AsTask();

        source.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
        Assert.False(patient.IsCompleted);
        signal.Pulse();

        await patient;
    }

    [Fact]
    public async Task A_queue_gives_back_in_order_what_it_took()
    {
        var queue = new AsyncQueue<int>(capacity: 3);

        var producer = Task.Run(async () =>
        {
            for (var i = 0; i < 10_000; i++)
            {
                await queue.EnqueueAsync(i, CancellationToken.None);
            }

            queue.Complete();
        });
        var taken = await DrainAsync(queue);
        await producer;

        Assert.Equal(Enumerable.Range(0, 10_000), taken);
    }

    [Fact]
    public async Task Many_producers_and_consumers_lose_and_double_nothing()
    {
        var queue = new AsyncQueue<int>(capacity: 5);

        var consumers = Enumerable.Range(0, 4).Select(_ => Task.Run(() => DrainAsync(queue))).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(part => Task.Run(async () =>
        {
            for (var i = 0; i < 5_000; i++)
            {
                await queue.EnqueueAsync((part * 5_000) + i, CancellationToken.None);
            }
        })));
        queue.Complete();
        var taken = (await Task.WhenAll(consumers)).SelectMany(items => items).Order();

        Assert.Equal(Enumerable.Range(0, 20_000), taken);
    }

    [Fact]
    public async Task A_full_queue_makes_producers_wait_for_room()
    {
        var queue = new AsyncQueue<string>(capacity: 1);
        await queue.EnqueueAsync("a", CancellationToken.None);

        var waiting = queue.EnqueueAsync("b", CancellationToken.None).AsTask();
        var wasWaiting = !waiting.IsCompleted;
        var first = await queue.DequeueAsync(CancellationToken.None);
        await waiting;

        Assert.True(wasWaiting);
        Assert.Equal("a", first.Item);
        Assert.Equal(1, queue.Count);
        Assert.Equal("b", (await queue.DequeueAsync(CancellationToken.None)).Item);
    }

    [Fact]
    public async Task A_complete_queue_gives_what_is_left_and_then_the_end()
    {
        var queue = new AsyncQueue<string>(capacity: 1);
        await queue.EnqueueAsync("a", CancellationToken.None);
        var refused = queue.EnqueueAsync("b", CancellationToken.None).AsTask();

        queue.Complete();
        queue.Complete();

        await Assert.ThrowsAsync<InvalidOperationException>(() => refused);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await queue.EnqueueAsync("c", default));
        Assert.Equal("a", (await queue.DequeueAsync(CancellationToken.None)).Item);
        var end = await queue.DequeueAsync(CancellationToken.None);
        Assert.True(end.IsEnd);
        Assert.Throws<InvalidOperationException>(() => end.Item);
    }

    [Fact]
    public async Task Completing_a_queue_wakes_its_consumers()
    {
        var queue = new AsyncQueue<string>(capacity: 1);
        var consumers = Enumerable.Range(0, 3).Select(_ => queue.DequeueAsync(default).AsTask()).ToArray();

        queue.Complete();

        Assert.All(await Task.WhenAll(consumers), result => Assert.True(result.IsEnd));
    }

    [Fact]
    public async Task A_cancelled_producer_or_consumer_takes_no_part()
    {
        using var source = new CancellationTokenSource();
        var queue = new AsyncQueue<string>(capacity: 1);
        var consumer = queue.DequeueAsync(source.Token).AsTask();
        source.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => consumer);

        using var other = new CancellationTokenSource();
        await queue.EnqueueAsync("a", CancellationToken.None);
        var producer = queue.EnqueueAsync("never", other.Token).AsTask();
        other.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => producer);
        queue.Complete();

        Assert.Equal(["a"], await DrainAsync(queue));
    }

    private static async Task<List<T>> DrainAsync<T>(AsyncQueue<T> queue)
    {
        var taken = new List<T>();
        while (await queue.DequeueAsync(CancellationToken.None) is { IsEnd: false } next)
        {
            taken.Add(next.Item);
        }

        return taken;
    }
}
