namespace Ledger.Server.Hooks;

/// <summary>What is the same for all hooks of a daemon.</summary>
internal sealed record HookPlan
{
    /// <summary>How long a cursor stays with a process that died; a restart waits for it at most.</summary>
    public TimeSpan Lease { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Requests of one hook at once, each for another stream.</summary>
    public int Concurrency { get; init; } = 16;

    /// <summary>Entries of one request; the original's number.</summary>
    public int BatchEntriesMax { get; init; } = 500;

    /// <summary>Payload of one request, in bytes; an entry that is larger goes alone.</summary>
    public int BatchBytesMax { get; init; } = 1 << 20;

    /// <summary>The wait after the first failure; it doubles with each, and half of it is chance.</summary>
    public TimeSpan BackoffMin { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest wait, unless the endpoint asks for a longer one.</summary>
    public TimeSpan BackoffMax { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How long requests that are out may go on when a hook is stopped.</summary>
    public TimeSpan DrainBound { get; init; } = TimeSpan.FromSeconds(5);
}
