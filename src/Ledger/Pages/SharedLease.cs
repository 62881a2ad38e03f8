using Ledger.Objects;
using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>A lease with several holders: a transaction, and the snapshots that show its changes.</summary>
/// <param name="writer">Ends with the last holder.</param>
internal sealed class SharedLease(IObjectWriter writer)
{
    private int _holders = 1;

    /// <summary>The lease. Only its transaction writes through it, one call at a time.</summary>
    public IObjectWriter Writer { get; } = writer;

    /// <summary>One holder more, who calls <see cref="ReleaseAsync"/> once more.</summary>
    public SharedLease Hold()
    {
        Invariant.Check(Interlocked.Increment(ref _holders) > 1);
        return this;
    }

    /// <summary>One holder less.</summary>
    public ValueTask ReleaseAsync() =>
        Interlocked.Decrement(ref _holders) == 0 ? Writer.DisposeAsync() : ValueTask.CompletedTask;
}
