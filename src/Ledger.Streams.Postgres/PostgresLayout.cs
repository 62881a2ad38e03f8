using System.Globalization;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams.Relational;
using Npgsql;

namespace Ledger.Streams.Postgres;

/// <summary>Makes, checks and upgrades the tables; their layout is docs/formats/streams-postgres.md.</summary>
/// <param name="options">Which store.</param>
/// <param name="where">The database, in words.</param>
/// <param name="runtime">Where identities come from.</param>
internal sealed class PostgresLayout(PostgresStreamStoreOptions options, string where, LedgerRuntime runtime)
{
    /// <summary>The version of the shared tables.</summary>
    public const int SharedVersionNow = 3;

    /// <summary>The version of a store's own.</summary>
    public const int VersionNow = 1;

    /// <summary>Held while tables are made, so that two processes do not make them at once.</summary>
    private const long LockKey = 0x4C_65_64_67_65_72_01;

    private readonly string _schema = RelationalDialect.Quote(options.Schema) + ".";

    private string FindStore =>
        $"SELECT number, name, uuid, version, full_text FROM {_schema}ledger_stores WHERE name_key = @p0";

    /// <summary>The statements of the store, after whatever had to be made.</summary>
    public async ValueTask<PostgresTable> OpenAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using var session = new RelationalSession(connection);
        var settings = await session.FindAsync(
            "SELECT current_setting('server_encoding'), current_setting('synchronous_commit')", [],
            row => (Encoding: row.GetString(0), Commit: row.GetString(1)), cancellationToken);
        if (settings.Encoding != "UTF8")
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.NotARepository,
                $"{where} has the encoding {settings.Encoding}; a store needs UTF8.");
        }

        var isCarefree = settings.Commit == "off";
        if (await FindAsync(session, isCarefree, cancellationToken) is not { } found)
        {
            if (!options.CreateIfMissing && !await IsThereAsync(session, cancellationToken))
            {
                throw new StoreUnavailableException(
                    StoreUnavailableReason.Missing, $"{where} has no store '{options.Store}'.");
            }

            cancellationToken.ThrowIfCancellationRequested();
            await using (var transaction = await connection.BeginTransactionAsync(CancellationToken.None))
            {
                await session.ExecuteAsync(
                    $"SELECT pg_advisory_xact_lock({LockKey.ToString(CultureInfo.InvariantCulture)})",
                    CancellationToken.None);
                await UpgradeSharedAsync(session);
                await CreateStoreAsync(session);
                await transaction.CommitAsync(CancellationToken.None);
            }

            found = await FindAsync(session, isCarefree, CancellationToken.None);
            Invariant.Check(found is not null);
        }

        if (options.FullText && !(found.HasFullText && await ExistsAsync(session, found.Unindexed, cancellationToken)))
        {
            await IndexWordsAsync(session, found);
            found = await FindAsync(session, isCarefree, CancellationToken.None);
            Invariant.Check(found is not null);
        }

        return found;
    }

    private async ValueTask<PostgresTable?> FindAsync(
        RelationalSession session, bool isCarefree, CancellationToken cancellationToken)
    {
        if (await SharedVersionAsync(session, cancellationToken) != SharedVersionNow)
        {
            return null;
        }

        var store = await session.FindAsync(
            FindStore, [Key(options.Store)],
            row => (Number: row.GetInt32(0), Name: row.GetString(1), Uuid: row.GetString(2),
                Version: row.GetInt32(3), Text: row.GetBoolean(4)),
            cancellationToken);
        CheckVersion($"Store '{options.Store}' in {where}", store.Version, VersionNow);
        return store.Version == VersionNow
            ? new PostgresTable(
                new PostgresDialect(options.Schema), store.Number, store.Name, store.Uuid, store.Text, isCarefree)
            : null;
    }

    private async ValueTask<int> SharedVersionAsync(RelationalSession session, CancellationToken cancellationToken)
    {
        // The shared tables have a row of their own, number 0. Looked up as rows are: names are cached by the server.
        var version = !await ExistsAsync(session, "ledger_stores", cancellationToken) ? 0 : await session.FindAsync(
            $"SELECT version FROM {_schema}ledger_stores WHERE number = 0", [], row => row.GetInt32(0),
            cancellationToken);
        CheckVersion(where, version, SharedVersionNow);
        return version;
    }

    private ValueTask<bool> ExistsAsync(
        RelationalSession session, string relation, CancellationToken cancellationToken) =>
        session.FindAsync(
            "SELECT EXISTS (SELECT 1 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace " +
            "WHERE n.nspname = @p0 AND c.relname = @p1)",
            [options.Schema, relation], row => row.GetBoolean(0), cancellationToken);

    private async ValueTask<bool> IsThereAsync(RelationalSession session, CancellationToken cancellationToken) =>
        await SharedVersionAsync(session, cancellationToken) > 0
        && await session.FindAsync(FindStore, [Key(options.Store)], _ => true, cancellationToken);

    private async ValueTask UpgradeSharedAsync(RelationalSession session)
    {
        var version = await SharedVersionAsync(session, CancellationToken.None);
        if (version == SharedVersionNow)
        {
            return;
        }

        // Step n brings shared tables of version n to n + 1; all of it happens in one transaction.
        string[] steps =
        [
            $"""
            CREATE TABLE {_schema}ledger_stores (
              number integer PRIMARY KEY, name text COLLATE "C" NOT NULL, name_key text COLLATE "C" NOT NULL UNIQUE,
              uuid text NOT NULL, version integer NOT NULL, full_text boolean NOT NULL, last_position bigint NOT NULL)
              WITH (fillfactor = 10);
            CREATE TABLE {_schema}ledger_streams (
              key bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, store integer NOT NULL,
              name text COLLATE "C" NOT NULL, end_id bigint NOT NULL, count bigint NOT NULL, UNIQUE (store, name))
              WITH (fillfactor = 70);
            CREATE TABLE {_schema}ledger_consumers (
              store integer NOT NULL, name text COLLATE "C" NOT NULL, state text NOT NULL, PRIMARY KEY (store, name))
              WITH (fillfactor = 50);
            """,
            $"""
            CREATE TABLE {_schema}ledger_renames (store integer PRIMARY KEY, mark bigint NOT NULL)
              WITH (fillfactor = 50);
            """,
            $"""
            CREATE TABLE {_schema}ledger_parked (
              store integer NOT NULL, consumer text COLLATE "C" NOT NULL, position bigint NOT NULL, entry text NOT NULL,
              stream text NOT NULL, attempts integer NOT NULL, error text NOT NULL, at_ms bigint NOT NULL,
              PRIMARY KEY (store, consumer, position));
            """,
        ];
        foreach (var step in steps[version..])
        {
            await session.ExecuteAsync(step, CancellationToken.None);
        }

        await RelationalConsumers.MoveParkedAsync(session, _schema);
        await session.ExecuteAsync(
            $"INSERT INTO {_schema}ledger_stores VALUES (0, '', '', @p0, @p1, false, 0) " +
            "ON CONFLICT (number) DO UPDATE SET version = excluded.version",
            [NewUuid(), SharedVersionNow], CancellationToken.None);
    }

    private async ValueTask CreateStoreAsync(RelationalSession session)
    {
        var existing = await session.FindAsync(
            FindStore, [Key(options.Store)], row => row.GetInt32(0), CancellationToken.None);
        if (existing > 0)
        {
            return;
        }

        await MakeRoomAsync(session);
        await RefuseForeignAsync(session);
        var number = await session.FindAsync(
            $"INSERT INTO {_schema}ledger_stores (number, name, name_key, uuid, version, full_text, last_position) " +
            $"SELECT max(number) + 1, @p0, @p1, @p2, @p3, false, 0 FROM {_schema}ledger_stores RETURNING number",
            [options.Store, Key(options.Store), NewUuid(), VersionNow], row => row.GetInt32(0), CancellationToken.None);
        var table = _schema + RelationalDialect.Quote(options.Store);
        await session.ExecuteAsync(
            $"""
            CREATE SEQUENCE {_schema}ledger_{number}_id;
            CREATE TABLE {table} (
              id bigint CONSTRAINT ledger_{number}_pkey PRIMARY KEY, position bigint, stream bigint NOT NULL,
              payload bytea NOT NULL, order_key text COLLATE "C", dedup_key text COLLATE "C",
              source_id text COLLATE "C", schema_version integer NOT NULL, metadata jsonb, tags jsonb,
              annotations jsonb, search text COLLATE "C", words tsvector,
              created_ms bigint NOT NULL, updated_ms bigint);
            CREATE UNIQUE INDEX ledger_{number}_position ON {table} (position);
            CREATE INDEX ledger_{number}_waiting ON {table} (id) WHERE position IS NULL;
            CREATE INDEX ledger_{number}_stream ON {table} (stream, id);
            CREATE UNIQUE INDEX ledger_{number}_dedup ON {table} (stream, dedup_key) WHERE dedup_key IS NOT NULL;
            CREATE INDEX ledger_{number}_order ON {table} (stream, order_key, id) WHERE order_key IS NOT NULL;
            CREATE INDEX ledger_{number}_source ON {table} (stream, source_id, id) WHERE source_id IS NOT NULL;
            """,
            CancellationToken.None);
    }

    // The server named the primary keys of stores that were made before: after the table, which is a name that a store
    // may have. Tables and indexes share their names; the index gives its own up, which blocks nobody who uses it.
    private async ValueTask MakeRoomAsync(RelationalSession session)
    {
        var index = await session.FindAsync(
            "SELECT i.relname, s.number FROM pg_class i JOIN pg_namespace n ON n.oid = i.relnamespace " +
            "JOIN pg_constraint p ON p.conindid = i.oid AND p.contype = 'p' JOIN pg_class c ON c.oid = p.conrelid " +
            $"JOIN {_schema}ledger_stores s ON s.name = c.relname AND s.number > 0 " +
            "WHERE n.nspname = @p0 AND lower(i.relname) = @p1 AND c.relnamespace = n.oid",
            [options.Schema, Key(options.Store)], row => (Name: row.GetString(0), Number: row.GetInt32(1)),
            CancellationToken.None);
        if (index.Number > 0)
        {
            await session.ExecuteAsync(
                $"ALTER INDEX {_schema}{RelationalDialect.Quote(index.Name)} RENAME TO ledger_{index.Number}_pkey",
                CancellationToken.None);
        }
    }

    private async ValueTask RefuseForeignAsync(RelationalSession session)
    {
        var foreign = await session.FindAsync(
            "SELECT (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attisdropped " +
            "AND a.attname IN ('stream', 'payload', 'order_key', 'dedup_key', 'schema_version')) + 1 " +
            "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace " +
            "WHERE n.nspname = @p0 AND lower(c.relname) = @p1 LIMIT 1",
            [options.Schema, Key(options.Store)], row => row.GetInt64(0), CancellationToken.None);
        if (foreign > 0)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.NotARepository,
                $"{where} has a table '{options.Store}' that Ledger did not make." +
                (foreign == 6 ? " It has the columns of the original Go library's." : ""));
        }
    }

    // Writers go on meanwhile: pages of rows, indexes that block nobody, and only then the mark that they are there.
    // Who has not seen the mark goes on to write no words: the first search afterwards finds those entries by the
    // second index and makes up for it.
    private static async ValueTask IndexWordsAsync(RelationalSession session, PostgresTable table)
    {
        await PostgresWords.FillAsync(session, table, CancellationToken.None);
        await session.ExecuteAsync(table.IndexWords, CancellationToken.None);
        await session.ExecuteAsync(table.IndexUnindexed, CancellationToken.None);
        await session.ExecuteAsync(
            $"UPDATE {table.Stores} SET full_text = true WHERE number = {table.Number}", CancellationToken.None);
    }

    private static void CheckVersion(string what, int version, int known)
    {
        if (version > known)
        {
            throw new FormatTooNewException(what, version, known);
        }
    }

    // Store names are ASCII, so that lower case is the same everywhere.
    private static string Key(string name) => name.ToLowerInvariant();

    private string NewUuid()
    {
        Span<byte> bytes = stackalloc byte[16];
        runtime.Random.Fill(bytes);
        return new Guid(bytes).ToString("N");
    }
}
