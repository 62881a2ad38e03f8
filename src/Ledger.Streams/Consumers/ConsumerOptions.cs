namespace Ledger.Streams.Consumers;

/// <summary>How a consumer works.</summary>
public sealed record ConsumerOptions
{
    /// <summary>How long the lease holds without being renewed; it is renewed three times in that time.</summary>
    public TimeSpan LeaseDuration
    {
        get;
        init => field = value > TimeSpan.Zero
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A lease holds for some time.");
    } = TimeSpan.FromSeconds(30);

    /// <summary>Entries read that are not done, 1 to 1,000: how far others go on beside a stream that hangs.</summary>
    /// <remarks>Where payloads are large, fewer: about 16 MiB of them are read ahead.</remarks>
    public int Window
    {
        get;
        init => field = value is >= 1 and <= 1_000
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A window has 1 to 1,000 entries.");
    } = 1_000;

    /// <summary>Attempts before an entry is parked, 1 or more; the death of a process is one.</summary>
    public int AttemptsMax
    {
        get;
        init => field = value >= 1
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "There is 1 attempt or more.");
    } = 10;

    /// <summary>The wait after the first failed attempt; it doubles with each.</summary>
    public TimeSpan RetryDelayMin { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest wait between two attempts.</summary>
    public TimeSpan RetryDelayMax { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Handlers at work at once, each on another stream; 1 to 64.</summary>
    public int Concurrency
    {
        get;
        init => field = value is >= 1 and <= 64
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "There are 1 to 64 handlers.");
    } = 4;

    /// <summary>Where a consumer that is made now begins.</summary>
    public Position StartAfter { get; init; }

    /// <summary>Which entries are handed out; the others count as done.</summary>
    public EntryFilter Filter { get; init; } = EntryFilter.None;

    /// <summary>The only stream whose entries are handed out; null for all.</summary>
    public string? Stream { get; init; }

    /// <summary>
    /// Whether the death of a process counts as an attempt of what was out. Then every hand-out is written before it is
    /// handled, and after a death each is tried alone; otherwise only what is done is written, which is half the work.
    /// </summary>
    public bool DeathCounts { get; init; } = true;
}

/// <summary>What a consumer has before it.</summary>
/// <param name="Pending">Entries that were read and are not done, at most its window.</param>
/// <param name="Parked">Entries that are parked.</param>
/// <param name="OldestCreatedAt">When the first of the pending ones was appended; null when there are none.</param>
internal sealed record ConsumerBacklog(int Pending, int Parked, DateTimeOffset? OldestCreatedAt);

/// <summary>What follows from a failed attempt.</summary>
public sealed record DeliveryFailure
{
    /// <summary>An attempt more; the wait is that of the consumer's options.</summary>
    public static DeliveryFailure Counted { get; } = new();

    /// <summary>Whether it counts as an attempt; one that does not never parks the entry.</summary>
    public bool IsCounted { get; init; } = true;

    /// <summary>Whether the entry is parked at once, whatever attempts are left.</summary>
    public bool IsFinal { get; init; }

    /// <summary>The wait before the next attempt, 0 or more; null for that of the consumer's options.</summary>
    public TimeSpan? RetryAfter
    {
        get;
        init => field = value is null || value >= TimeSpan.Zero
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A wait is not negative.");
    }
}

/// <summary>An entry that is handed out to be handled.</summary>
/// <param name="Entry">The entry.</param>
/// <param name="Attempt">1 for the first time.</param>
/// <param name="Epoch">The lease under which it is handed out.</param>
public sealed record Delivery(Entry Entry, int Attempt, long Epoch);

/// <summary>An entry that failed too often; it holds nobody up until somebody decides.</summary>
/// <param name="Position">Its place in the store.</param>
/// <param name="Id">The entry.</param>
/// <param name="Stream">The stream's name then.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="Error">The last failure, at most 1,000 characters.</param>
/// <param name="ParkedAt">When, by the database's clock.</param>
public sealed record ParkedEntry(
    Position Position, EntryId Id, string Stream, int Attempts, string Error, DateTimeOffset ParkedAt);

/// <summary>How a consumer stands.</summary>
/// <param name="Name">The name.</param>
/// <param name="Epoch">Rises with every lease and every decision of an administrator.</param>
/// <param name="Position">Everything up to here is done or parked.</param>
/// <param name="Read">Everything after here was not looked at yet.</param>
/// <param name="Pending">Entries between the two that are not done.</param>
/// <param name="LeaseUntil">When the lease ends, by the database's clock; null when nobody has it.</param>
/// <param name="Parked">Ascending by position; at most 1,000.</param>
public sealed record ConsumerInfo(
    string Name, long Epoch, Position Position, Position Read, int Pending, DateTimeOffset? LeaseUntil,
    IReadOnlyList<ParkedEntry> Parked);
