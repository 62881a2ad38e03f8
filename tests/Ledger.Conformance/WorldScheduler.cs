using System.Diagnostics;
using System.Globalization;
using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>Runs everything on one thread, in an order and at virtual times that a seed decides.</summary>
/// <remarks>
/// Whatever leaves that thread fails the run: code that hops to the pool, waits for a real timer or real I/O, or is
/// continued by another thread. So does a state in which nothing can ever happen again.
/// </remarks>
public sealed class WorldScheduler : IScheduler
{
    /// <summary>Steps after which a run is taken for an endless loop.</summary>
    public const int StepsMax = 50_000_000;

    private readonly Random _random;
    private readonly WorldContext _context;
    private readonly AsyncLocal<bool> _flow;
    private readonly List<Action> _ready = [];
    private readonly PriorityQueue<Timer, (TimeSpan Due, long Number)> _timers = new();
    private readonly object _escapeGate = new();
    private string? _escape;
    private volatile int _threadId;
    private long _timerNumber;
    private long _steps;

    /// <summary>Makes a world in which nothing runs yet.</summary>
    /// <param name="seed">Decides every order and every duration.</param>
    /// <param name="elapsed">The virtual time to begin at; that of the life before, when there was one.</param>
    public WorldScheduler(int seed, TimeSpan elapsed = default)
    {
        Seed = seed;
        Elapsed = elapsed;
        _random = new Random(seed);
        _context = new WorldContext(this);
        _flow = new AsyncLocal<bool>(OnFlow);
    }

    /// <summary>Decides every order and every duration.</summary>
    public int Seed { get; }

    /// <summary>Real time that a stuck run waits for other threads, to tell an escape from a deadlock.</summary>
    /// <value>Five seconds, because a busy pool takes one or two to begin.</value>
    public TimeSpan EscapePatience { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// How many of the next continuations run at once, on the stack of whoever posts them: as on another thread that is
    /// faster. To be set while nobody holds a lock.
    /// </summary>
    public int AtOnce { get; set; }

    /// <summary>Virtual time since the first life began. Moves on between steps, never within one.</summary>
    public TimeSpan Elapsed { get; private set; }

    /// <inheritdoc/>
    public bool IsEntered => Environment.CurrentManagedThreadId == _threadId
        && SynchronizationContext.Current == _context && TaskScheduler.Current == TaskScheduler.Default;

    /// <summary>Runs <paramref name="body"/> to its end on the calling thread.</summary>
    /// <remarks>What else is going on then stands still, and goes on in the next run.</remarks>
    /// <exception cref="WorldException">Something left the world's thread, or nothing can happen any more.</exception>
    public void Run(Func<Task> body)
    {
        Invariant.Check(_threadId == 0);
        var contextBefore = SynchronizationContext.Current;
        _threadId = Environment.CurrentManagedThreadId;
        var flowBefore = ExecutionContext.Capture()!;
        _flow.Value = true;
        SynchronizationContext.SetSynchronizationContext(_context);
        try
        {
            var task = body();
            while (!task.IsCompleted)
            {
                Step();
            }

            ThrowIfEscaped();
            task.GetAwaiter().GetResult();
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(contextBefore);

            // Setting the mark back would leave an entry for each world in the thread's context, for ever.
            ExecutionContext.Restore(flowBefore);
            _threadId = 0;
        }
    }

    /// <summary>Runs <paramref name="body"/> to its end on the calling thread and gives its result.</summary>
    /// <exception cref="WorldException">Something left the world's thread, or nothing can happen any more.</exception>
    public TResult Run<TResult>(Func<Task<TResult>> body)
    {
        Task<TResult>? task = null;
        Run(() => (Task)(task = body()));
        return task!.GetAwaiter().GetResult();
    }

    /// <inheritdoc/>
    public void Post(Action continuation)
    {
        CheckThread("Something was posted");
        _ready.Add(continuation);
    }

    /// <inheritdoc/>
    public async ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state)
    {
        CheckThread("Work was offloaded");
        await AfterAsync(RandomDelay(TimeSpan.FromMilliseconds(2)));
        var result = work(state);

        // What the work did is there before its caller knows, and others may see it first.
        await AfterAsync(TimeSpan.Zero);
        return result;
    }

    /// <inheritdoc/>
    public async ValueTask Linger(TimeSpan bound, Func<bool> condition)
    {
        CheckThread("Linger was called");
        var end = Elapsed + bound;
        while (!condition() && Elapsed < end)
        {
            await AfterAsync(RandomDelay(bound / 4) + TimeSpan.FromTicks(1));
        }
    }

    /// <inheritdoc/>
    public async Task Delay(TimeSpan delay, CancellationToken cancellationToken)
    {
        CheckThread("Delay was called");
        cancellationToken.ThrowIfCancellationRequested();
        if (delay != Timeout.InfiniteTimeSpan)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(delay, TimeSpan.Zero);
        }

        var source = NewSource();
        var timer = new Timer(() => source.TrySetResult());
        using var registration = cancellationToken.UnsafeRegister(
            _ =>
            {
                timer.IsCancelled = true;
                source.TrySetCanceled(cancellationToken);
            },
            null);
        if (delay >= TimeSpan.Zero)
        {
            AddTimer(delay + RandomDelay(delay / 8), timer);
        }

        await source.Task;
    }

    /// <summary>Fails the run unless the caller is on the world's thread.</summary>
    /// <param name="what">What happened, as the beginning of a sentence.</param>
    internal void CheckThread(string what)
    {
        if (Environment.CurrentManagedThreadId != _threadId)
        {
            throw new WorldException(Report(what));
        }
    }

    // Asynchronous continuations go to the context, that is to the seed, instead of running on the timer's stack.
    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private async Task AfterAsync(TimeSpan delay)
    {
        var source = NewSource();
        AddTimer(delay, new Timer(source.SetResult));
        await source.Task;
    }

    private void AddTimer(TimeSpan delay, Timer timer) => _timers.Enqueue(timer, (Elapsed + delay, _timerNumber++));

    // Half of all durations are nothing at all: that is where races are.
    private TimeSpan RandomDelay(TimeSpan longest) =>
        _random.Next(2) == 0 ? TimeSpan.Zero : longest * _random.NextDouble();

    private void Step()
    {
        ThrowIfEscaped();
        if (++_steps > StepsMax)
        {
            throw new WorldException(Message($"No end after {StepsMax} steps"));
        }

        if (_ready.Count == 0)
        {
            AwaitNextTimer();
        }

        while (TryPeekTimer(out var due) && due <= Elapsed)
        {
            _ready.Add(_timers.Dequeue().Action);
        }

        var chosen = _random.Next(_ready.Count);
        var next = _ready[chosen];
        _ready.RemoveAt(chosen);
        SynchronizationContext.SetSynchronizationContext(_context);
        next();
        Elapsed += TimeSpan.FromTicks(_random.Next(200));
    }

    private void AwaitNextTimer()
    {
        if (TryPeekTimer(out var due))
        {
            Elapsed = due > Elapsed ? due : Elapsed;
            return;
        }

        lock (_escapeGate)
        {
            if (_escape is null)
            {
                Monitor.Wait(_escapeGate, EscapePatience);
            }
        }

        ThrowIfEscaped();
        throw new WorldException(Message(
            "Deadlock: nothing is ready and no timer runs, but the body has not ended. It waits for itself, or for "
            + "something outside the world"));
    }

    // Forgets cancelled timers, so that time does not jump for them and a deadlock is seen at once.
    private bool TryPeekTimer(out TimeSpan due)
    {
        while (_timers.TryPeek(out var timer, out var priority))
        {
            if (!timer.IsCancelled)
            {
                due = priority.Due;
                return true;
            }

            _timers.Dequeue();
        }

        due = default;
        return false;
    }

    private void OnFlow(AsyncLocalValueChangedArgs<bool> change)
    {
        // The mark travels with the execution context, so it shows up wherever the world's code is continued.
        if (change.CurrentValue && _threadId != 0 && Environment.CurrentManagedThreadId != _threadId)
        {
            Report("Code of the world ran");
        }
    }

    private string Report(string what)
    {
        var where = _threadId == 0 ? "while the world was not running" : "on another thread";
        lock (_escapeGate)
        {
            _escape ??= $"{Message($"{what} {where}")}{Environment.NewLine}{new StackTrace(fNeedFileInfo: true)}";
            Monitor.PulseAll(_escapeGate);
            return _escape;
        }
    }

    private void ThrowIfEscaped()
    {
        lock (_escapeGate)
        {
            if (_escape is not null)
            {
                throw new WorldException(_escape);
            }
        }
    }

    private string Message(string what) => string.Create(
        CultureInfo.InvariantCulture, $"{what} (seed {Seed}, step {_steps}, {Elapsed.TotalMilliseconds} virtual ms).");

    private sealed class Timer(Action action)
    {
        public Action Action => action;

        public bool IsCancelled { get; set; }
    }

    private sealed class WorldContext(WorldScheduler world) : SynchronizationContext
    {
        public override void Post(SendOrPostCallback d, object? state)
        {
            if (Environment.CurrentManagedThreadId != world._threadId)
            {
                // Thrown here it would only end the foreign thread.
                world.Report("Code of the world was continued");
                return;
            }

            if (world.AtOnce > 0)
            {
                world.AtOnce--;
                d(state);
                return;
            }

            world._ready.Add(() => d(state));
        }

        public override void Send(SendOrPostCallback d, object? state) =>
            throw new NotSupportedException("Nothing blocks in the world: await instead.");

        public override SynchronizationContext CreateCopy() => this;
    }
}
