using Ledger.Runtime;

namespace Ledger.Sync;

/// <summary>Nothing moves between a ledger and its cloud until the user decides; local data is kept.</summary>
/// <param name="block">Why.</param>
/// <param name="message">A full sentence.</param>
public sealed class SyncBlockedException(SyncBlock block, string message) : LedgerException(message)
{
    /// <summary>Why.</summary>
    public SyncBlock Block { get; } = block;
}
