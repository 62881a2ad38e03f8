using Ledger.Runtime;
using Ledger.Streams;

namespace Ledger.Server.Services;

/// <summary>A store of the catalog, which stays open as long as somebody holds it.</summary>
/// <remarks>Whoever gets it disposes of it once, which gives it back. Safe from any thread.</remarks>
public sealed class HeldStore : IDisposable
{
    private readonly LedgerRuntime _runtime;
    private readonly Lock _gate = new();
    private int _holders;
    private long _unusedSince;
    private bool _isClosed;

    /// <summary>A store that is open, and that nobody holds.</summary>
    internal HeldStore(StreamStore store, LedgerRuntime runtime)
    {
        (Store, _runtime) = (store, runtime);
        _unusedSince = runtime.Time.GetTimestamp();
    }

    /// <summary>The store; not to be used any more once it was given back.</summary>
    public StreamStore Store { get; }

    /// <summary>How long nobody has held it; null while somebody does.</summary>
    internal TimeSpan? Unused
    {
        get
        {
            lock (_gate)
            {
                return _holders > 0 ? null : _runtime.Time.GetElapsedTime(_unusedSince);
            }
        }
    }

    /// <summary>Gives it back.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            Invariant.Check(_holders > 0);
            if (--_holders == 0)
            {
                _unusedSince = _runtime.Time.GetTimestamp();
            }
        }
    }

    /// <summary>Holds it.</summary>
    /// <returns>False when it is being closed.</returns>
    internal bool TryHold()
    {
        lock (_gate)
        {
            _holders += _isClosed ? 0 : 1;
            return !_isClosed;
        }
    }

    /// <summary>Lets nobody hold it any more, when nobody has for so long.</summary>
    internal bool TryClose(TimeSpan unused)
    {
        lock (_gate)
        {
            return _isClosed = _holders == 0 && _runtime.Time.GetElapsedTime(_unusedSince) >= unused;
        }
    }
}
