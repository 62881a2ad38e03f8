namespace Ledger.Streams.Sqlite;

/// <summary>Which file and which store in it.</summary>
public sealed record SqliteStreamStoreOptions
{
    /// <summary>The database file's path; made when it is missing. It has files beside it.</summary>
    public required string DataSource { get; init; }

    /// <summary>A letter or underscore, then up to 47 letters, digits and underscores; case is ignored.</summary>
    public string Store { get; init; } = "ledger_entries";

    /// <summary>
    /// Make the file and the store when they are missing; otherwise that is a <c>StoreUnavailableException</c> of the
    /// reason <c>Missing</c>, and nothing is made.
    /// </summary>
    public bool CreateIfMissing { get; init; } = true;

    /// <summary>How long a write waits for another process or a caller's transaction, 0 to 1 minute.</summary>
    public TimeSpan WriteTimeout
    {
        get;
        init => field = value >= TimeSpan.Zero && value <= TimeSpan.FromMinutes(1)
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "The wait is up to 1 minute.");
    } = TimeSpan.FromSeconds(5);

    /// <summary>Index the words of entries for full-text search; stays on once a store has it.</summary>
    public bool FullText { get; init; }
}
