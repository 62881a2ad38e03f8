using System.Diagnostics;
using System.Globalization;
using System.Reflection;

namespace Ledger.Simulation.Worlds;

/// <summary>One thread, one virtual time and one seed for all the devices of a run.</summary>
/// <remarks>
/// Whatever is ready stands in one list, whoever it belongs to, and the seed picks which of it runs next. Whatever
/// leaves the thread fails the run.
/// </remarks>
internal sealed class World
{
    private const ulong HashPrime = 0x9E3779B97F4A7C15;

    private readonly List<Work> _ready = [];
    private readonly PriorityQueue<Work, (long DueTicks, long Number)> _timers = new();
    private readonly int _threadId = Environment.CurrentManagedThreadId;
    private readonly AsyncLocal<bool> _flow;
    private readonly HashSet<MethodInfo> _reading = [];
    private readonly HashSet<MethodInfo> _changing = [];
    private long _timerNumber;
    private long _nextTimerTicks = long.MaxValue;
    private volatile string? _escape;
    private int _running = 1;

    /// <summary>Makes a world in which nothing runs yet.</summary>
    /// <param name="seed">Decides every order and every duration.</param>
    public World(ulong seed)
    {
        Random = new Random(unchecked((int)(seed ^ (seed >> 32))));
        TraceHash = seed;
        _flow = new AsyncLocal<bool>(OnFlow);
    }

    /// <summary>Draws all that the world itself decides.</summary>
    public Random Random { get; }

    /// <summary>Virtual time since the beginning.</summary>
    public TimeSpan Elapsed { get; private set; }

    /// <summary>The longest that work beside the continuations takes.</summary>
    public TimeSpan DiskTimeMax { get; init; } = TimeSpan.FromMilliseconds(2);

    /// <summary>How likely work that only reads is done at once; 0 to 1.</summary>
    public double ReadsAtOnce { get; init; }

    /// <summary>Everything that is continued is watched, which costs something for each await.</summary>
    /// <remarks>Without it, what leaves the thread is noticed when it calls a seam or comes back.</remarks>
    public bool WatchesFlow { get; init; } = true;

    /// <summary>More steps than any run takes: whoever gets there goes round in circles.</summary>
    public long StepsMax { get; init; } = long.MaxValue;

    /// <summary>Continuations run so far.</summary>
    public long Steps { get; private set; }

    /// <summary>A hash of everything that happened, in order: equal for two runs of one seed.</summary>
    public ulong TraceHash { get; private set; }

    /// <summary>Told of every event that is traced; null for nobody.</summary>
    public Action<string>? Listener { get; set; }

    /// <summary>Continuations that could run now.</summary>
    public int ReadyCount => _ready.Count;

    /// <summary>Mixes an event into the trace.</summary>
    public void Trace(ulong kind, ulong detail)
    {
        var hash = (TraceHash ^ kind) * HashPrime;
        hash = ((hash ^ (hash >> 29)) + detail) * HashPrime;
        TraceHash = hash ^ (hash >> 32);
    }

    /// <summary>Runs until a condition holds.</summary>
    /// <param name="isDone">Asked before every step.</param>
    /// <param name="until">Virtual time at which it has taken too long.</param>
    /// <param name="what">What is waited for, for the message.</param>
    /// <exception cref="ViolationException">It never comes, takes too long, or something left the thread.</exception>
    public void Run(Func<bool> isDone, TimeSpan until, string what)
    {
        var flowBefore = ExecutionContext.Capture()!;
        _flow.Value = WatchesFlow;
        try
        {
            while (!isDone())
            {
                if (_ready.Count == 0 && _timers.Count == 0)
                {
                    throw new ViolationException(
                        "liveness", $"Nothing can ever happen again, but this has not: {what}.");
                }

                if (Steps > StepsMax)
                {
                    throw new ViolationException(
                        "liveness", $"After {Steps} steps, at {Text(Elapsed)}, this has still not happened: {what}.");
                }

                if (Elapsed > until)
                {
                    throw new ViolationException(
                        "liveness", $"At {Text(Elapsed)} of virtual time this has still not happened: {what}.");
                }

                Step();
            }

            ThrowIfEscaped();
        }
        finally
        {
            // Setting the mark back would leave an entry for each world in the thread's context, for ever.
            ExecutionContext.Restore(flowBefore);
        }
    }

    /// <summary>Ends the world: what is continued from now on, by whomever, is nobody's.</summary>
    public void End()
    {
        _ready.Clear();
        _timers.Clear();
        Volatile.Write(ref _running, 0);
    }

    /// <summary>Lets something run next, or whenever the seed says.</summary>
    public void Post(in Work work) => _ready.Add(work);

    /// <summary>Lets something run after a delay.</summary>
    public void PostAfter(TimeSpan delay, in Work work)
    {
        if (delay <= TimeSpan.Zero)
        {
            _ready.Add(work);
        }
        else
        {
            var due = Elapsed.Ticks + delay.Ticks;
            _timers.Enqueue(work, (due, _timerNumber++));
            _nextTimerTicks = Math.Min(due, _nextTimerTicks);
        }
    }

    /// <summary>Forgets everything that a life had before it.</summary>
    public void Drop(Life life) => _ready.RemoveAll(work => work.Life == life);

    /// <summary>Half of all durations are nothing at all: that is where races are.</summary>
    public TimeSpan RandomDelay(TimeSpan longest) =>
        Random.Next(2) == 0 ? TimeSpan.Zero : TimeSpan.FromTicks(Random.NextInt64(longest.Ticks + 1));

    /// <summary>Work was done beside the continuations.</summary>
    /// <param name="work">It.</param>
    /// <param name="isReading">It has not changed the disk.</param>
    public void Note(MethodInfo work, bool isReading)
    {
        if (isReading)
        {
            _reading.Add(work);
        }
        else
        {
            _changing.Add(work);
        }
    }

    /// <summary>Whether work is done without letting anything else run before or after it.</summary>
    /// <remarks>Never work that has changed the disk, as far as was seen in this world.</remarks>
    public bool IsDoneAtOnce(MethodInfo work) =>
        ReadsAtOnce > 0 && _reading.Contains(work) && !_changing.Contains(work) && Random.NextDouble() < ReadsAtOnce;

    /// <summary>Fails the run unless the caller is on the world's thread.</summary>
    public void CheckThread(string what)
    {
        if (Environment.CurrentManagedThreadId != _threadId)
        {
            throw new ViolationException("thread", Report(what));
        }
    }

    /// <summary>True on the world's thread; elsewhere the run will fail.</summary>
    public bool IsOnThread(string what)
    {
        if (Environment.CurrentManagedThreadId == _threadId)
        {
            return true;
        }

        Report(what);
        return false;
    }

    /// <summary>Virtual time as it is shown.</summary>
    public static string Text(TimeSpan time) =>
        string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.000000} s");

    private void Step()
    {
        ThrowIfEscaped();
        Steps++;
        if (_ready.Count == 0)
        {
            Elapsed = TimeSpan.FromTicks(Math.Max(_nextTimerTicks, Elapsed.Ticks));
        }

        while (_nextTimerTicks <= Elapsed.Ticks)
        {
            var timer = _timers.Dequeue();
            _nextTimerTicks = _timers.TryPeek(out _, out var next) ? next.DueTicks : long.MaxValue;
            if (!timer.Life.IsDead && timer.Timer is not { IsCancelled: true })
            {
                _ready.Add(timer);
            }
        }

        if (_ready.Count == 0)
        {
            return;
        }

        var chosen = _ready.Count == 1 ? 0 : Random.Next(_ready.Count);
        var work = _ready[chosen];
        _ready[chosen] = _ready[^1];
        _ready.RemoveAt(_ready.Count - 1);
        Trace((ulong)work.Life.Number, (ulong)Elapsed.Ticks);
        if (work.Life.IsDead)
        {
            return;
        }

        work.Life.Execute(work);
        Elapsed += TimeSpan.FromTicks(Random.Next(200));
    }

    private void OnFlow(AsyncLocalValueChangedArgs<bool> change)
    {
        // The mark travels with the execution context, so it shows up wherever the world's code is continued.
        if (change.CurrentValue && Volatile.Read(ref _running) != 0 &&
            Environment.CurrentManagedThreadId != _threadId)
        {
            Report("Code of the world ran");
        }
    }

    private string Report(string what)
    {
        var text = $"{what} on another thread.{Environment.NewLine}{new StackTrace(fNeedFileInfo: true)}";
        if (Volatile.Read(ref _running) != 0)
        {
            _escape ??= text;
        }

        return text;
    }

    private void ThrowIfEscaped()
    {
        if (_escape is { } escape)
        {
            throw new ViolationException("thread", escape);
        }
    }
}

/// <summary>A continuation of a life.</summary>
/// <param name="Life">Whose it is; it is dropped when that is dead.</param>
/// <param name="Callback">Either this, with its state,</param>
/// <param name="State">What the callback gets,</param>
/// <param name="Action">or this,</param>
/// <param name="Timer">or this.</param>
internal readonly record struct Work(
    Life Life, SendOrPostCallback? Callback, object? State, Action? Action, WorldTimer? Timer);

/// <summary>A wait that may be given up.</summary>
/// <param name="fire">Runs when the time has come.</param>
internal sealed class WorldTimer(Action fire)
{
    /// <summary>True when nobody waits any more.</summary>
    public bool IsCancelled { get; set; }

    /// <summary>Runs when the time has come.</summary>
    public void Fire() => fire();
}

/// <summary>A run found that a promise was broken.</summary>
/// <param name="rule">Which: one of R1 to R22, or what the simulator itself asks for.</param>
/// <param name="message">What was found.</param>
internal sealed class ViolationException(string rule, string message) : Exception($"{rule}: {message}")
{
    /// <summary>Which promise.</summary>
    public string Rule { get; } = rule;
}
