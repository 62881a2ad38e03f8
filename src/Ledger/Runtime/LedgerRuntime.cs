using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Ledger.Runtime.Real;

namespace Ledger.Runtime;

/// <summary>The five seams to the outside world, handed to everything by constructor.</summary>
/// <param name="scheduler">Which thread continues, and how waiting is done.</param>
/// <param name="time">The clock; only its readings are used, never its timers.</param>
/// <param name="random">Where random bytes come from.</param>
/// <param name="files">The disk.</param>
/// <param name="network">The network.</param>
public sealed class LedgerRuntime(
    IScheduler scheduler, TimeProvider time, IRandomness random, IFileSystem files, INetwork network)
{
    /// <summary>Which thread continues, and how waiting is done.</summary>
    public IScheduler Scheduler { get; } = scheduler;

    /// <summary>The clock; only its readings are used, never its timers.</summary>
    public TimeProvider Time { get; } = time;

    /// <summary>Where random bytes come from.</summary>
    public IRandomness Random { get; } = random;

    /// <summary>The disk.</summary>
    public IFileSystem Files { get; } = files;

    /// <summary>The network.</summary>
    public INetwork Network { get; } = network;

    /// <summary>The runtime of production: thread pool, system clock and randomness, real disks and sockets.</summary>
    public static LedgerRuntime CreateSystem() => SystemRuntime.Create();

    /// <summary>Leaves the caller's context: the first await of every public asynchronous method.</summary>
    public EnterAwaitable Enter() => new(Scheduler);

    /// <inheritdoc cref="IScheduler.Offload"/>
    internal ValueTask<TResult> Offload<TState, TResult>(Func<TState, TResult> work, TState state) =>
        Scheduler.Offload(work, state);

    /// <inheritdoc cref="IScheduler.Linger"/>
    internal ValueTask Linger(TimeSpan bound, Func<bool> condition) => Scheduler.Linger(bound, condition);

    /// <inheritdoc cref="IScheduler.Delay"/>
    internal Task Delay(TimeSpan delay, CancellationToken cancellationToken) =>
        Scheduler.Delay(delay, cancellationToken);

    /// <summary>Milliseconds since the Unix epoch by the wall clock.</summary>
    internal long WallClockMs() => Time.GetUtcNow().ToUnixTimeMilliseconds();

    /// <summary>A random unsigned 64-bit number.</summary>
    internal ulong NextUInt64()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        Random.Fill(bytes);
        return BinaryPrimitives.ReadUInt64LittleEndian(bytes);
    }
}

/// <summary>Awaiting it continues where the scheduler's work runs; completes at once when already there.</summary>
/// <param name="scheduler">The scheduler to enter.</param>
public readonly struct EnterAwaitable(IScheduler scheduler) : ICriticalNotifyCompletion, IEquatable<EnterAwaitable>
{
    private readonly IScheduler _scheduler = scheduler;

    /// <summary>True when there is no foreign context to leave.</summary>
    public bool IsCompleted => _scheduler.IsEntered;

    /// <summary>The awaiter is the awaitable.</summary>
    public EnterAwaitable GetAwaiter() => this;

    /// <summary>Nothing to give back.</summary>
    public void GetResult()
    {
        // Entering cannot fail.
    }

    /// <inheritdoc/>
    public void OnCompleted(Action continuation) => _scheduler.Post(continuation);

    /// <inheritdoc/>
    public void UnsafeOnCompleted(Action continuation) => _scheduler.Post(continuation);

    /// <inheritdoc/>
    public bool Equals(EnterAwaitable other) => ReferenceEquals(_scheduler, other._scheduler);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => obj is EnterAwaitable other && Equals(other);

    /// <inheritdoc/>
    public override int GetHashCode() => RuntimeHelpers.GetHashCode(_scheduler);

    /// <summary>Same scheduler.</summary>
    public static bool operator ==(EnterAwaitable left, EnterAwaitable right) => left.Equals(right);

    /// <summary>Different scheduler.</summary>
    public static bool operator !=(EnterAwaitable left, EnterAwaitable right) => !left.Equals(right);
}
