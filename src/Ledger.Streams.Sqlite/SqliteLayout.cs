using System.Globalization;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams.Relational;

namespace Ledger.Streams.Sqlite;

/// <summary>Makes, checks and upgrades the tables; their layout is docs/formats/streams-sqlite.md.</summary>
/// <param name="options">Which store.</param>
/// <param name="runtime">Where identities come from.</param>
internal sealed class SqliteLayout(SqliteStreamStoreOptions options, LedgerRuntime runtime)
{
    /// <summary>The version of the shared tables.</summary>
    public const int SharedVersionNow = 2;

    /// <summary>The version of a store's own.</summary>
    public const int VersionNow = 2;

    private const string FindStore =
        "SELECT number, name, version, full_text FROM ledger_stores WHERE name_key = @p0";

    // Step n brings shared tables of version n to n + 1; all of it happens in one transaction.
    private static readonly string[] SharedSteps =
    [
        """
        CREATE TABLE ledger_stores (
          number INTEGER PRIMARY KEY, name TEXT NOT NULL, name_key TEXT NOT NULL UNIQUE, uuid TEXT NOT NULL,
          version INTEGER NOT NULL, full_text INTEGER NOT NULL, last_position INTEGER NOT NULL);
        CREATE TABLE ledger_streams (
          key INTEGER PRIMARY KEY, store INTEGER NOT NULL, name TEXT NOT NULL, end_id INTEGER NOT NULL,
          count INTEGER NOT NULL, UNIQUE (store, name));
        CREATE TABLE ledger_consumers (
          store INTEGER NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, PRIMARY KEY (store, name)) WITHOUT ROWID;
        """,
        """
        CREATE TABLE ledger_parked (
          store INTEGER NOT NULL, consumer TEXT NOT NULL, position INTEGER NOT NULL, entry TEXT NOT NULL,
          stream TEXT NOT NULL, attempts INTEGER NOT NULL, error TEXT NOT NULL, at_ms INTEGER NOT NULL,
          PRIMARY KEY (store, consumer, position)) WITHOUT ROWID;
        """,
    ];

    /// <summary>The statements of the store, after whatever had to be made.</summary>
    /// <param name="session">Not in a transaction.</param>
    /// <param name="cancellationToken">Cancels before the tables are made.</param>
    public async ValueTask<RelationalTable> OpenAsync(
        RelationalSession session, CancellationToken cancellationToken)
    {
        if (await FindAsync(session, cancellationToken) is { } found)
        {
            return found;
        }

        cancellationToken.ThrowIfCancellationRequested();
        await session.ExecuteAsync("BEGIN IMMEDIATE", CancellationToken.None);
        var isDone = false;
        try
        {
            await UpgradeSharedAsync(session);
            await UpgradeStoreAsync(session);
            await session.ExecuteAsync("COMMIT", CancellationToken.None);
            isDone = true;
        }
        finally
        {
            if (!isDone)
            {
                await session.ExecuteAsync("ROLLBACK", CancellationToken.None);
            }
        }

        var made = await FindAsync(session, CancellationToken.None);
        Invariant.Check(made is not null);
        return made;
    }

    /// <summary>Fails when the store is not there; writes nothing.</summary>
    /// <exception cref="StoreUnavailableException">It is missing.</exception>
    public async ValueTask RequireAsync(RelationalSession session, CancellationToken cancellationToken)
    {
        var isThere = await SharedVersionAsync(session, cancellationToken) > 0
            && await session.FindAsync(FindStore, [Key(options.Store)], _ => true, cancellationToken);
        if (!isThere)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Missing, $"The database '{options.DataSource}' has no store '{options.Store}'.");
        }
    }

    private async ValueTask<RelationalTable?> FindAsync(RelationalSession session, CancellationToken cancellationToken)
    {
        if (await SharedVersionAsync(session, cancellationToken) != SharedVersionNow)
        {
            return null;
        }

        var store = await session.FindAsync(
            FindStore, [Key(options.Store)],
            row => (Number: row.GetInt32(0), Name: row.GetString(1), Version: row.GetInt64(2), Text: row.GetInt32(3)),
            cancellationToken);
        CheckVersion($"Store '{options.Store}' in '{options.DataSource}'", store.Version, VersionNow);
        return store.Version == VersionNow && (store.Text != 0 || !options.FullText)
            ? new RelationalTable(new SqliteDialect(), store.Number, store.Name, keepsWords: true)
            : null;
    }

    private async ValueTask<long> SharedVersionAsync(RelationalSession session, CancellationToken cancellationToken)
    {
        // The shared tables have a row of their own, number 0.
        var version = await TableExistsAsync(session, "ledger_stores", cancellationToken)
            ? await session.FindAsync(
                "SELECT version FROM ledger_stores WHERE number = 0", [], row => row.GetInt64(0), cancellationToken)
            : 0;
        CheckVersion($"The database '{options.DataSource}'", version, SharedVersionNow);
        return version;
    }

    private async ValueTask UpgradeSharedAsync(RelationalSession session)
    {
        var version = await SharedVersionAsync(session, CancellationToken.None);
        if (version == SharedVersionNow)
        {
            return;
        }

        for (var step = version; step < SharedVersionNow; step++)
        {
            await session.ExecuteAsync(SharedSteps[step], CancellationToken.None);
        }

        await RelationalConsumers.MoveParkedAsync(session, "");
        await session.ExecuteAsync(
            "INSERT INTO ledger_stores VALUES (0, '', '', @p0, @p1, 0, 0) " +
            "ON CONFLICT (number) DO UPDATE SET version = excluded.version",
            [NewUuid(), SharedVersionNow], CancellationToken.None);
    }

    private async ValueTask UpgradeStoreAsync(RelationalSession session)
    {
        var store = await session.FindAsync(
            FindStore, [Key(options.Store)],
            row => (Number: row.GetInt32(0), Name: row.GetString(1), Version: row.GetInt64(2), Text: row.GetInt32(3)),
            CancellationToken.None);
        if (store.Number == 0)
        {
            store = (await CreateStoreAsync(session), options.Store, VersionNow, 0);
        }

        CheckVersion($"Store '{options.Store}' in '{options.DataSource}'", store.Version, VersionNow);
        if (store.Version < VersionNow)
        {
            // Version 1 wrote the row of the stream and the last position with each append, which is as good in 2.
            await session.ExecuteAsync(
                "UPDATE ledger_stores SET version = @p1 WHERE number = @p0", [store.Number, VersionNow],
                CancellationToken.None);
        }

        if (options.FullText && store.Text == 0)
        {
            var text = string.Create(CultureInfo.InvariantCulture, $"ledger_{store.Number}_text");
            await session.ExecuteAsync(
                $"""
                CREATE VIRTUAL TABLE {text} USING fts5 (search, content='{store.Name}', content_rowid='id');
                INSERT INTO {text} ({text}) VALUES ('rebuild');
                """,
                CancellationToken.None);
            await session.ExecuteAsync(
                "UPDATE ledger_stores SET full_text = 1 WHERE number = @p0", [store.Number], CancellationToken.None);
        }
    }

    private async ValueTask<int> CreateStoreAsync(RelationalSession session)
    {
        var name = RelationalDialect.Quote(options.Store);
        if (await TableExistsAsync(session, options.Store, CancellationToken.None))
        {
            var isOriginal = await session.FindAsync(
                $"SELECT COUNT(*) FROM pragma_table_info('{options.Store}') " +
                "WHERE name IN ('stream', 'payload', 'order_key', 'dedup_key', 'schema_version')",
                [], row => row.GetInt64(0), CancellationToken.None) == 5;
            throw new StoreUnavailableException(
                StoreUnavailableReason.NotARepository,
                $"The database '{options.DataSource}' has a table '{options.Store}' that Ledger did not make." +
                (isOriginal ? " It has the columns of the original Go library's." : ""));
        }

        var number = await session.FindAsync(
            "INSERT INTO ledger_stores (name, name_key, uuid, version, full_text, last_position) " +
            "VALUES (@p0, @p1, @p2, @p3, 0, 0) RETURNING number",
            [options.Store, Key(options.Store), NewUuid(), VersionNow], row => row.GetInt32(0), CancellationToken.None);
        await session.ExecuteAsync(
            $"""
            CREATE TABLE {name} (
              id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, payload BLOB NOT NULL, order_key TEXT, dedup_key TEXT,
              source_id TEXT, schema_version INTEGER NOT NULL, metadata TEXT, tags TEXT, annotations TEXT, search TEXT,
              created_ms INTEGER NOT NULL, updated_ms INTEGER);
            CREATE INDEX ledger_{number}_stream ON {name} (stream);
            CREATE UNIQUE INDEX ledger_{number}_dedup ON {name} (stream, dedup_key) WHERE dedup_key IS NOT NULL;
            CREATE INDEX ledger_{number}_order ON {name} (stream, order_key) WHERE order_key IS NOT NULL;
            CREATE INDEX ledger_{number}_source ON {name} (stream, source_id) WHERE source_id IS NOT NULL;
            """,
            CancellationToken.None);
        return number;
    }

    private static void CheckVersion(string what, long version, int versionNow)
    {
        if (version > versionNow)
        {
            throw new FormatTooNewException(what, version, versionNow);
        }
    }

    private static async ValueTask<bool> TableExistsAsync(
        RelationalSession session, string name, CancellationToken cancellationToken) =>
        await session.FindAsync(
            "SELECT COUNT(*) FROM sqlite_master WHERE lower(name) = @p0", [Key(name)], row => row.GetInt64(0),
            cancellationToken) > 0;

    // Store names are ASCII, so that lower case is the same everywhere.
    private static string Key(string name) => name.ToLowerInvariant();

    private string NewUuid()
    {
        Span<byte> bytes = stackalloc byte[16];
        runtime.Random.Fill(bytes);
        return new Guid(bytes).ToString();
    }
}
