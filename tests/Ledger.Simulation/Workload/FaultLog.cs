using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Simulation.Worlds;
using Microsoft.Extensions.Logging;

namespace Ledger.Simulation.Workload;

/// <summary>Hears of faults that a loop of the engine swallowed: a broken invariant fails the run.</summary>
/// <param name="run">The run.</param>
/// <param name="life">Whose log it is.</param>
/// <param name="mayBeDamaged">That something is damaged is no fault.</param>
internal sealed class FaultLog(Run run, Life life, bool mayBeDamaged) : ILogger
{
    /// <summary>What was said last.</summary>
    public string Last { get; private set; } = "";

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(
        LogLevel logLevel, EventId eventId, TState state, Exception? exception,
        Func<TState, Exception?, string> formatter)
    {
        if (life.IsDead)
        {
            return;
        }

        Last = formatter(state, exception);
        run.Say($"log: {formatter(state, exception)} {exception}");
        // A resolver that outlives its time finds its context closed: that is no fault.
        if (exception is InvariantException or NullReferenceException or ArgumentException
            or (InvalidOperationException and not (ResolverFailure or ObjectDisposedException)) ||
            (exception is CorruptObjectException && !mayBeDamaged))
        {
            run.Fail(exception);
        }
    }
}

/// <summary>Gives everybody one log.</summary>
internal sealed class FaultLogFactory(FaultLog log) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => log;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("It has one use.");

    public void Dispose()
    {
        // It has nothing.
    }
}
