using System.Text.RegularExpressions;
using Npgsql;

namespace Ledger.Streams.Postgres;

/// <summary>Which database and which store in it: a connection string, or a data source of the caller's.</summary>
public sealed partial record PostgresStreamStoreOptions
{
    /// <summary>
    /// Of Npgsql (<c>Host=…;Database=…</c>) or a URI (<c>postgresql://user@host/database</c>); null when a data source
    /// is given. The store then has a pool of its own.
    /// </summary>
    public string? ConnectionString { get; init; }

    /// <summary>Stays the caller's to dispose of; null when a connection string is given.</summary>
    public NpgsqlDataSource? DataSource { get; init; }

    /// <summary>A letter or underscore, then up to 47 letters, digits and underscores; case is ignored.</summary>
    public string Store { get; init; } = "ledger_entries";

    /// <summary>The schema that has the tables, which must exist: 1 to 63 letters, digits and underscores.</summary>
    public string Schema
    {
        get;
        init => field = SchemaName().IsMatch(value ?? "")
            ? value! : throw new ArgumentException($"'{value}' is not the name of a schema.", nameof(value));
    } = "public";

    /// <summary>
    /// Make the store when it is missing; otherwise that is a <c>StoreUnavailableException</c> of the reason
    /// <c>Missing</c>, and nothing is made. The database and the schema are never made.
    /// </summary>
    public bool CreateIfMissing { get; init; } = true;

    /// <summary>
    /// How long a call waits for a lock, and how long one that can be repeated safely is repeated while the server is
    /// away, 0 to 1 minute.
    /// </summary>
    public TimeSpan WriteTimeout
    {
        get;
        init => field = value >= TimeSpan.Zero && value <= TimeSpan.FromMinutes(1)
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "The wait is up to 1 minute.");
    } = TimeSpan.FromSeconds(5);

    /// <summary>Index the words of entries for full-text search; stays on once a store has it.</summary>
    public bool FullText { get; init; }

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_]{0,62}\z", RegexOptions.CultureInvariant)]
    private static partial Regex SchemaName();
}
