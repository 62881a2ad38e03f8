namespace Ledger.Server.Hooks;

/// <summary>How a hook stands; the counts are since it was started here.</summary>
/// <param name="Hook">The hook.</param>
/// <param name="IsWorking">Whether its cursor is held here.</param>
/// <param name="Delivered">Entries that the endpoint took.</param>
/// <param name="Failures">Requests that failed.</param>
/// <param name="Pending">Entries that were read and not delivered, at most 1,000.</param>
/// <param name="Parked">Dead letters.</param>
/// <param name="Lag">The age of the oldest entry that is not delivered; zero when there is none.</param>
/// <param name="PausedUntil">When the endpoint is tried again, when it is away.</param>
/// <param name="LastError">The last failure, as one sentence; null when there was none.</param>
/// <param name="LastErrorAt">When that was.</param>
internal sealed record HookStatus(
    HookOptions Hook, bool IsWorking, long Delivered, long Failures, int Pending, int Parked, TimeSpan Lag,
    DateTimeOffset? PausedUntil, string? LastError, DateTimeOffset? LastErrorAt);
