using Ledger.Conformance;
using Ledger.Runtime;

namespace Ledger.Simulation.Worlds;

/// <summary>A device from one start to its end: its context, its seams, and the crash that awaits it.</summary>
/// <remarks>
/// A kill drops what is queued. Nothing of the life runs after it: no continuation, no <c>finally</c>. What is on the
/// stack at that moment, if the crash comes within a call of a seam, finds every seam dead.
/// </remarks>
internal sealed class Life : SynchronizationContext, IScheduler, IRandomness
{
    private readonly World _world;
    private readonly Random _random;
    private readonly Action<Life> _onDeath;
    private long _callsUntilCrash = long.MaxValue;
    private long _changes;

    /// <summary>Begins a life.</summary>
    /// <param name="world">The world it is in.</param>
    /// <param name="number">Its number in the run.</param>
    /// <param name="onDeath">Called once, when it is killed.</param>
    public Life(World world, int number, Action<Life> onDeath)
    {
        (_world, Number, _onDeath) = (world, number, onDeath);
        _random = new Random(world.Random.Next());
    }

    /// <summary>Its number in the run.</summary>
    public int Number { get; }

    /// <summary>True once it was killed.</summary>
    public bool IsDead { get; private set; }

    /// <summary>Continuations run and seams called.</summary>
    public long Calls { get; private set; }

    /// <inheritdoc/>
    public bool IsEntered => _world.IsOnThread("A context was asked for") && Current == this;

    /// <summary>Kills it at once.</summary>
    public void Kill()
    {
        if (IsDead)
        {
            return;
        }

        IsDead = true;
        _world.Trace(1, (ulong)Number);
        _world.Drop(this);
        _onDeath(this);
    }

    /// <summary>Kills it after so many continuations and calls of seams.</summary>
    public void KillAfter(long calls) => _callsUntilCrash = calls;

    /// <summary>Counts a call of a seam that changes the disk, or may; it may be the last.</summary>
    /// <exception cref="SimulatedCrashException">It was.</exception>
    public void Change(ulong kind, ulong detail = 0)
    {
        _changes++;
        Call(kind, detail);
    }

    /// <summary>Counts a call of a seam, which may be the last.</summary>
    /// <exception cref="SimulatedCrashException">It was.</exception>
    public void Call(ulong kind, ulong detail = 0)
    {
        _world.CheckThread("A seam was called");
        if (!IsDead)
        {
            Calls++;
            _world.Trace(kind, detail);
            if (--_callsUntilCrash <= 0)
            {
                Kill();
            }
        }

        if (IsDead)
        {
            throw new SimulatedCrashException($"Life {Number} is over.");
        }
    }

    /// <summary>Runs a continuation.</summary>
    public void Execute(in Work work)
    {
        Calls++;
        if (--_callsUntilCrash <= 0)
        {
            Kill();
            return;
        }

        SetSynchronizationContext(this);
        try
        {
            if (work.Callback is { } callback)
            {
                callback(work.State);
            }
            else if (work.Action is { } action)
            {
                action();
            }
            else
            {
                work.Timer?.Fire();
            }
        }
        catch (SimulatedCrashException)
        {
            Kill();
        }
        finally
        {
            SetSynchronizationContext(null);
        }
    }

    /// <summary>Starts something in this life.</summary>
    public void Start(Action action) => _world.Post(new Work(this, null, null, action, null));

    /// <inheritdoc/>
    public override void Post(SendOrPostCallback d, object? state)
    {
        if (_world.IsOnThread("Code of the world was continued") && !IsDead)
        {
            _world.Post(new Work(this, d, state, null, null));
        }
    }

    /// <inheritdoc/>
    public override void Send(SendOrPostCallback d, object? state) =>
        throw new NotSupportedException("Nothing blocks in the world: await instead.");

    /// <inheritdoc/>
    public override SynchronizationContext CreateCopy() => this;

    /// <inheritdoc/>
    public void Post(Action continuation)
    {
        _world.CheckThread("Something was posted");
        if (!IsDead)
        {
            Start(continuation);
        }
    }

    /// <inheritdoc/>
    public ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state)
    {
        Call(2);
        return _world.IsDoneAtOnce(work.Method) ? DoAtOnceAsync(work, state) : DoLaterAsync(work, state);
    }


    /// <inheritdoc/>
    public async ValueTask Linger(TimeSpan bound, Func<bool> condition)
    {
        Call(3);
        var end = _world.Elapsed + bound;
        while (!condition() && _world.Elapsed < end)
        {
            await After(_world.RandomDelay(bound / 4) + TimeSpan.FromTicks(1));
        }
    }

    /// <inheritdoc/>
    public async Task Delay(TimeSpan delay, CancellationToken cancellationToken)
    {
        Call(4);
        cancellationToken.ThrowIfCancellationRequested();
        var source = NewSource();
        var timer = new WorldTimer(() => source.TrySetResult());
        using var registration = cancellationToken.UnsafeRegister(
            _ =>
            {
                timer.IsCancelled = true;
                source.TrySetCanceled(cancellationToken);
            },
            null);
        if (delay != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
            _world.PostAfter(delay + _world.RandomDelay(delay / 8), new Work(this, null, null, null, timer));
        }

        await source.Task;
    }

    /// <inheritdoc/>
    public void Fill(Span<byte> destination)
    {
        Call(5);
        _random.NextBytes(destination);
    }

    /// <summary>Lets this life go on after a delay.</summary>
    public AfterAwaitable After(TimeSpan delay) => new(_world, this, delay);

    private async ValueTask<TResult> DoAtOnceAsync<TState, TResult>(Func<TState, TResult> work, TState state)
    {
        var result = await DoAsync(work, state);

        // What comes next comes as late as it would, for whoever counts.
        Call(8);
        return result;
    }

    private async ValueTask<TResult> DoLaterAsync<TState, TResult>(Func<TState, TResult> work, TState state)
    {
        await After(_world.RandomDelay(_world.DiskTimeMax));
        var result = await DoAsync(work, state);

        // What the work did is there before its caller knows, and others may see it first.
        if (_world.Random.Next(2) == 0)
        {
            await After(TimeSpan.Zero);
        }

        return result;
    }

    private async ValueTask<TResult> DoAsync<TState, TResult>(Func<TState, TResult> work, TState state)
    {
        var changes = _changes;
        try
        {
            var result = work(state);
            _world.Note(work.Method, isReading: changes == _changes);
            return result;
        }
        catch (SimulatedCrashException)
        {
            // The process died in a system call: nothing after it ever runs.
            Kill();
            await NewSource().Task;
            throw;
        }
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}

/// <summary>Awaiting it continues after a delay, and never on the caller's stack.</summary>
internal readonly struct AfterAwaitable(World world, Life life, TimeSpan delay)
    : System.Runtime.CompilerServices.ICriticalNotifyCompletion
{
    public bool IsCompleted => false;

    public AfterAwaitable GetAwaiter() => this;

    public void GetResult()
    {
        // Waiting cannot fail.
    }

    public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

    public void UnsafeOnCompleted(Action continuation)
    {
        if (!life.IsDead)
        {
            world.PostAfter(delay, new Work(life, null, null, continuation, null));
        }
    }
}

/// <summary>The clock of a device, perhaps set wrongly.</summary>
/// <param name="world">Whose virtual time it shows; it begins on 1 January 2025 UTC.</param>
/// <param name="life">Who reads it.</param>
/// <param name="offset">How far it is ahead now; negative when behind.</param>
internal sealed class LifeClock(World world, Life life, Func<TimeSpan> offset) : TimeProvider
{
    private static readonly DateTimeOffset Beginning = new(2025, 1, 1, 0, 0, 0, TimeSpan.Zero);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        life.Call(6);
        return Beginning + world.Elapsed + offset();
    }

    public override long GetTimestamp()
    {
        life.Call(7);
        return world.Elapsed.Ticks;
    }

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) =>
        throw new NotSupportedException("Only the readings of a clock may be used: wait with runtime.Delay.");
}
