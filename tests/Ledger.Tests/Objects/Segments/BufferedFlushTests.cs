using System.Threading.Channels;
using Ledger.Objects;
using Ledger.Objects.Segments;
using Ledger.Runtime;
using Xunit;

namespace Ledger.Tests.Objects.Segments;

/// <summary>When a buffered write is brought to the medium though nobody asks.</summary>
public sealed class BufferedFlushTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task A_write_between_a_late_flush_and_its_end_is_flushed_by_another_one()
    {
        var files = new InterceptedFileSystem(new MemoryFileSystem());
        var unflushed = 0;
        files.After = (call, _) => unflushed = call switch
        {
            "write" => unflushed + 1,
            "flush" => 0,
            _ => unflushed,
        };
        var system = TestStores.RuntimeOn(files);
        var scheduler = new HeldScheduler(system.Scheduler);
        var runtime = new LedgerRuntime(scheduler, system.Time, system.Random, files, system.Network);
        await using var store = await SegmentStore.OpenAsync(runtime, "/store", new SegmentStoreOptions(), default);

        await PutAsync(store, 1);
        await scheduler.EndDelayAsync();
        await scheduler.RunHeldAsync(); // The flush begins,
        var end = await scheduler.TakeHeldAsync(); // and has been; what comes behind it waits.
        Assert.Equal(0, unflushed);
        await PutAsync(store, 2);
        Assert.Equal(1, unflushed);
        scheduler.Run(end);

        Assert.True(scheduler.IsDelayed, "Nothing will flush the second write.");
        await scheduler.EndDelayAsync();
        await scheduler.RunHeldAsync();
        scheduler.Run(await scheduler.TakeHeldAsync());
        Assert.Equal(0, unflushed);
        Assert.False(scheduler.IsDelayed);
    }

    private static async Task PutAsync(SegmentStore store, byte key)
    {
        await using var lease = store.BeginWrite();
        lease.SetRow(new[] { key }, new[] { key });
        await lease.CommitAsync(Durability.Buffered, default);
    }

    /// <summary>Holds back what the flusher does, step by step; everything else goes its way.</summary>
    private sealed class HeldScheduler(IScheduler inner) : IScheduler
    {
        /// <summary>The first that is posted leads the first put; the second is the flusher that it began.</summary>
        private const int FlusherNumber = 2;

        private readonly HeldContext _context = new();
        private readonly Channel<TaskCompletionSource> _delays = Channel.CreateUnbounded<TaskCompletionSource>();
        private int _posted;

        public bool IsEntered => inner.IsEntered;

        /// <summary>Whether the flusher waits for its time.</summary>
        public bool IsDelayed => _delays.Reader.TryPeek(out _);

        public void Post(Action continuation)
        {
            if (Interlocked.Increment(ref _posted) == FlusherNumber)
            {
                inner.Post(() => Run(continuation));
            }
            else
            {
                inner.Post(continuation);
            }
        }

        public ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state) =>
            inner.Offload(work, state);

        public ValueTask Linger(TimeSpan bound, Func<bool> condition) => inner.Linger(bound, condition);

        public async Task Delay(TimeSpan delay, CancellationToken cancellationToken)
        {
            var source = new TaskCompletionSource();
            await using var registration = cancellationToken.Register(() => source.TrySetCanceled(cancellationToken));
            await _delays.Writer.WriteAsync(source, CancellationToken.None);
            await source.Task.ConfigureAwait(false);
        }

        public async Task EndDelayAsync()
        {
            using var patience = new CancellationTokenSource(Patience);
            (await _delays.Reader.ReadAsync(patience.Token)).SetResult();
        }

        /// <summary>Waits for the flusher's next step and holds it.</summary>
        public async Task<Action> TakeHeldAsync()
        {
            using var patience = new CancellationTokenSource(Patience);
            return await _context.Held.Reader.ReadAsync(patience.Token);
        }

        public async Task RunHeldAsync() => Run(await TakeHeldAsync());

        public void Run(Action step)
        {
            var before = SynchronizationContext.Current;
            SynchronizationContext.SetSynchronizationContext(_context);
            try
            {
                step();
            }
            finally
            {
                SynchronizationContext.SetSynchronizationContext(before);
            }
        }
    }

    private sealed class HeldContext : SynchronizationContext
    {
        public Channel<Action> Held { get; } = Channel.CreateUnbounded<Action>();

        public override void Post(SendOrPostCallback d, object? state) => Held.Writer.TryWrite(() => d(state));

        public override SynchronizationContext CreateCopy() => this;
    }
}
