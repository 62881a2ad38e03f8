using Ledger.Streams;

namespace Ledger.Server.Hooks;

/// <summary>The store that a hook reads and keeps its cursor in, as long as it works.</summary>
/// <param name="Store">The store, which stays its owner's.</param>
/// <param name="Hold">Keeps it open; null where nobody closes it before the hook ends.</param>
internal readonly record struct HookStore(IStreamStore Store, IDisposable? Hold = null) : IDisposable
{
    /// <summary>Gives the store back.</summary>
    public void Dispose() => Hold?.Dispose();
}
