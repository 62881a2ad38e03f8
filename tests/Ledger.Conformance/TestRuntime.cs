using Ledger.Runtime;

namespace Ledger.Conformance;

/// <summary>A runtime in which everything comes from one seed: order, time, randomness and network.</summary>
public sealed class TestRuntime
{
    private TestRuntime(int seed, IFileSystem files, TimeSpan elapsed)
    {
        Scheduler = new WorldScheduler(seed, elapsed);
        Time = new WorldTimeProvider(Scheduler);
        Runtime = new LedgerRuntime(
            Scheduler, Time, new SeededRandomness(seed), new WorldFileSystem(Scheduler, files), new MemoryNetwork());
    }

    /// <summary>What is handed to the code under test.</summary>
    public LedgerRuntime Runtime { get; }

    /// <summary>The world's thread.</summary>
    public WorldScheduler Scheduler { get; }

    /// <summary>The world's clock.</summary>
    public WorldTimeProvider Time { get; }

    /// <summary>Makes a runtime.</summary>
    /// <param name="seed">Decides everything.</param>
    /// <param name="files">The disk; memory when null.</param>
    /// <param name="elapsed">The virtual time to begin at; that of the life before, when there was one.</param>
    public static TestRuntime Create(int seed, IFileSystem? files = null, TimeSpan elapsed = default) =>
        new(seed, files ?? new MemoryFileSystem(), elapsed);

    /// <inheritdoc cref="WorldScheduler.Run(Func{Task})"/>
    public void Run(Func<LedgerRuntime, Task> body) => Scheduler.Run(() => body(Runtime));

    /// <inheritdoc cref="WorldScheduler.Run{TResult}(Func{Task{TResult}})"/>
    public TResult Run<TResult>(Func<LedgerRuntime, Task<TResult>> body) => Scheduler.Run(() => body(Runtime));
}
