namespace Ledger.Runtime.Real;

/// <summary>Joins the real seams; the only place that knows all five.</summary>
internal static class SystemRuntime
{
    /// <summary>A runtime on the thread pool, the system's clock, its generator, its disks and its sockets.</summary>
    public static LedgerRuntime Create() => new(
        new PoolScheduler(), TimeProvider.System, new SystemRandomness(), new SystemFileSystem(), new SocketNetwork());
}
