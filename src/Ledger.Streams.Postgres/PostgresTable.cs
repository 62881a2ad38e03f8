using Ledger.Streams.Relational;

namespace Ledger.Streams.Postgres;

/// <summary>The statements of a store that only PostgreSQL has; their parameters are $1, $2, …</summary>
internal sealed class PostgresTable
{
    /// <summary>
    /// Plans are made once: the server would make a new one for every small append, which takes longer than the append.
    /// So a statement must not be written such that its plan for an empty table is a bad one later.
    /// </summary>
    private const string PlanOnce =
        "set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)";

    private const string Columns =
        "position, id, stream, payload, order_key, dedup_key, source_id, schema_version, metadata, tags, search, " +
        "words, created_ms";

    private const string Values =
        "u.stream, u.payload, u.order_key, u.dedup_key, u.source_id, u.schema_version, u.metadata::jsonb, " +
        "u.tags::jsonb, u.search, array_to_tsvector(string_to_array(u.words, ' ')), " +
        "COALESCE(u.created_ms, (extract(epoch FROM statement_timestamp()) * 1000)::bigint) " +
        "FROM unnest($1::bigint[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[], " +
        "$8::text[], $9::text[], $10::text[], $11::bigint[]) WITH ORDINALITY " +
        "u(stream, payload, order_key, dedup_key, source_id, schema_version, metadata, tags, search, words, " +
        "created_ms, place)";

    private readonly string _pageColumns;
    private readonly string _pageColumnsWithNames;
    private bool _hasFullText;

    /// <summary>Prepares the statements of a store.</summary>
    /// <param name="dialect">The schema's ways.</param>
    /// <param name="number">The store's number.</param>
    /// <param name="name">The table's name, as it was created.</param>
    /// <param name="uuid">The store's identity, 32 hexadecimal digits.</param>
    /// <param name="hasFullText">Whether words are indexed.</param>
    /// <param name="isCarefree">Whether the server would acknowledge commits that are not durable.</param>
    public PostgresTable(
        PostgresDialect dialect, int number, string name, string uuid, bool hasFullText, bool isCarefree)
    {
        Shared = new RelationalTable(dialect, number, name, keepsWords: false);
        (HasFullText, Channel) = (hasFullText, "ledger_" + uuid);
        Entries = Shared.Entries;
        var streams = dialect.Schema + "ledger_streams";
        BeginForeign = isCarefree ? "SET LOCAL synchronous_commit = on" : null;
        BeginOwn = "SELECT set_config('lock_timeout', $1, true)" +
            (isCarefree ? ", set_config('synchronous_commit', 'on', true)" : "");
        BeginGroup = $"{BeginOwn}, {PlanOnce}";
        FindStreams = $"SELECT name, key, end_id FROM {streams} WHERE store = {number} AND name = ANY ($1) " +
            "ORDER BY key FOR UPDATE";
        FindFreeStreams =
            // Nobody waits for these locks, so that their order does not matter.
            $"WITH free AS (SELECT f.* FROM unnest($1::text[]) n CROSS JOIN LATERAL " +
            $"(SELECT name, key, end_id FROM {streams} WHERE store = {number} AND name = n " +
            "FOR UPDATE SKIP LOCKED) f), " +
            $"made AS (INSERT INTO {streams} (store, name, end_id, count) SELECT {number}, n, 0, 0 " +
            $"FROM unnest($2::text[]) n WHERE (SELECT s.key FROM {streams} s WHERE s.store = {number} " +
            "AND s.name = n) IS NULL ORDER BY n COLLATE \"C\" ON CONFLICT DO NOTHING RETURNING name, key) " +
            "SELECT name, key, end_id FROM free UNION ALL SELECT name, key, 0 FROM made UNION ALL " +
            $"SELECT n, (SELECT s.key FROM {streams} s WHERE s.store = {number} AND s.name = n), NULL " +
            "FROM unnest($3::text[]) n";
        InsertStreams = $"INSERT INTO {streams} (store, name, end_id, count) " +
            $"SELECT {number}, n, 0, 0 FROM unnest($1::text[]) n ORDER BY n COLLATE \"C\" " +
            "ON CONFLICT DO NOTHING RETURNING name, key";
        FindDuplicates =
            "SELECT k.name, k.dedup_key, d.id FROM unnest($1::text[], $2::text[]) k(name, dedup_key) " +
            $"JOIN {streams} s ON s.store = {number} AND s.name = k.name CROSS JOIN LATERAL " +
            $"(SELECT e.id FROM {Entries} e WHERE e.stream = s.key AND e.dedup_key = k.dedup_key OFFSET 0) d";
        LockCounter = $"SELECT last_position FROM {Stores} WHERE number = {number} FOR UPDATE";
        // The server evaluates what it inserts row by row, in the order of the arrays: ids rise with the places.
        string Writing(string counting, string position) =>
            $"WITH {counting}written AS (INSERT INTO {Entries} ({Columns}) SELECT {position}, " +
            $"nextval('{dialect.Schema}ledger_{number}_id'), {Values} RETURNING id, stream), " +
            $"ends AS (UPDATE {streams} s SET end_id = w.last, count = s.count + w.added " +
            "FROM (SELECT stream, max(id) AS last, count(*) AS added FROM written GROUP BY stream) w " +
            "WHERE s.key = w.stream AND s.key = ANY ($1)), told AS MATERIALIZED (SELECT pg_notify($12, $13)) " +
            "SELECT id FROM written, told ORDER BY id";
        var counted = $"counted AS (UPDATE {Stores} SET last_position = last_position + $14 WHERE number = {number}";
        const string Returning = " RETURNING last_position - $14 AS before), ";
        const string Counted = "(SELECT before FROM counted) + u.place";
        Write = Writing(counted + Returning, Counted);
        WriteUnlessBehindWaiting = Writing(
            $"{counted} AND NOT EXISTS (SELECT 1 FROM {Entries} WHERE position IS NULL AND stream + 0 = ANY ($1))" +
            Returning, Counted);
        WriteWaiting = Writing("", "CAST(NULL AS bigint)");
        FindEnd = $"SELECT last_position, EXISTS (SELECT 1 FROM {Entries} WHERE position IS NULL) " +
            $"FROM {Stores} WHERE number = {number}";
        FindLastId = $"SELECT COALESCE(max(id), 0) FROM {Entries}";
        HasWaiting = $"SELECT EXISTS (SELECT 1 FROM {Entries} WHERE position IS NULL)";
        HasWaitingThenTimeout = $"{HasWaiting}, (SELECT full_text FROM {Stores} WHERE number = {number}), " +
            $"set_config('lock_timeout', $1, true), {PlanOnce}";
        const string IsUnindexed = "search IS NOT NULL AND words IS NULL";
        HasUnindexed = $"SELECT EXISTS (SELECT 1 FROM {Entries} WHERE {IsUnindexed})";
        FindUnindexed = $"SELECT id, search FROM {Entries} WHERE {IsUnindexed} AND id > @p0 ORDER BY id LIMIT @p1";
        SetWords = $"UPDATE {Entries} SET words = array_to_tsvector(string_to_array(@p1, ' ')) WHERE id = " +
            $"(SELECT id FROM {Entries} WHERE id = @p0 AND words IS NULL FOR UPDATE SKIP LOCKED)";
        IndexWords = $"CREATE INDEX CONCURRENTLY IF NOT EXISTS ledger_{number}_words ON {Entries} USING gin (words)";
        Unindexed = $"ledger_{number}_unindexed";
        IndexUnindexed = $"CREATE INDEX CONCURRENTLY IF NOT EXISTS {Unindexed} ON {Entries} (id) " +
            $"WHERE {IsUnindexed}";

        var renames = $"COALESCE((SELECT mark FROM {dialect.Schema}ledger_renames WHERE store = {number}), 0)";
        FindNames = $"SELECT key, name, (SELECT {renames}) FROM {streams} WHERE key = ANY ($1)";
        Mark = $"(SELECT 2 * {renames} + EXISTS (SELECT 1 FROM {Entries} WHERE position IS NULL)::integer)";
        _pageColumns = $"{Shared.Columns("e.stream")}, {Mark}";
        _pageColumnsWithNames = $"{Shared.Columns(Shared.NameOf)}, {Mark}";

        // What another transaction is changing cannot be stamped, nor can what comes after it in its stream.
        Stamp =
            $"WITH free AS MATERIALIZED (SELECT id, stream FROM {Entries} WHERE position IS NULL ORDER BY id " +
            "FOR UPDATE SKIP LOCKED), " +
            $"held AS (SELECT w.stream, min(w.id) AS id FROM {Entries} w WHERE w.position IS NULL " +
            "AND NOT EXISTS (SELECT 1 FROM free f WHERE f.id = w.id) GROUP BY w.stream), " +
            "ready AS (SELECT f.id, row_number() OVER (ORDER BY f.id) AS place FROM free f WHERE NOT EXISTS " +
            "(SELECT 1 FROM held h WHERE h.stream = f.stream AND h.id < f.id)), " +
            $"stamped AS (UPDATE {Entries} e SET position = c.last_position + r.place FROM ready r, {Stores} c " +
            $"WHERE c.number = {number} AND e.id = r.id AND e.position IS NULL RETURNING 1) " +
            $"UPDATE {Stores} SET last_position = last_position + (SELECT count(*) FROM stamped) " +
            $"WHERE number = {number}";
    }

    /// <summary>The statements that all databases share.</summary>
    public RelationalTable Shared { get; }

    /// <summary>The store's number.</summary>
    public int Number => Shared.Number;

    /// <summary>Whether words are indexed; another process may begin with it while the store is open.</summary>
    public bool HasFullText
    {
        get => Volatile.Read(ref _hasFullText);
        set => Volatile.Write(ref _hasFullText, value);
    }

    /// <summary>What is notified of commits; no other store has it.</summary>
    public string Channel { get; }

    /// <summary>What is said first in a foreign transaction that writes; null when there is nothing to say.</summary>
    public string? BeginForeign { get; }

    /// <summary>What is said first in a transaction of our own; its parameter is the time to wait for locks.</summary>
    public string BeginOwn { get; }

    /// <summary>As <see cref="BeginOwn"/>, when all that follows has plans that hold.</summary>
    public string BeginGroup { get; }

    // The names and statements.
    public string Entries { get; }

    public string Stores => Shared.Stores;

    public string FindStreams { get; }

    public string FindFreeStreams { get; }

    public string InsertStreams { get; }

    public string FindDuplicates { get; }

    public string LockCounter { get; }

    /// <summary>Writes entries, gives them the next positions, and tells of it; gives their ids.</summary>
    public string Write { get; }

    /// <summary>As <see cref="Write"/>, without positions when an entry of their streams waits for its own.</summary>
    public string WriteUnlessBehindWaiting { get; }

    /// <summary>As <see cref="Write"/>, without positions.</summary>
    public string WriteWaiting { get; }

    public string FindEnd { get; }

    /// <summary>Names of streams by their keys, each with the mark of renames.</summary>
    public string FindNames { get; }

    /// <summary>
    /// In a statement on entries: twice the mark of renames, and one more when entries wait for their positions. The
    /// server asks once for the whole statement.
    /// </summary>
    public string Mark { get; }

    public string FindLastId { get; }

    public string HasWaiting { get; }

    /// <summary>
    /// As <see cref="HasWaiting"/>, and whether words are indexed; says how long to wait for locks from then on.
    /// </summary>
    public string HasWaitingThenTimeout { get; }

    public string Stamp { get; }

    /// <summary>Whether there are entries with text without words: written without knowing of the index.</summary>
    public string HasUnindexed { get; }

    /// <summary>A page of entries with text without words.</summary>
    public string FindUnindexed { get; }

    /// <summary>Gives an entry its words, unless somebody is just changing it.</summary>
    public string SetWords { get; }

    public string IndexWords { get; }

    /// <summary>The index of entries with text without words.</summary>
    public string Unindexed { get; }

    public string IndexUnindexed { get; }

    /// <summary>
    /// One page of a read, with parameters $1, $2, …; null when nothing can match. A page of all streams has
    /// <see cref="Mark"/> behind the columns of an entry.
    /// </summary>
    /// <param name="query">What is asked for.</param>
    /// <param name="hasNames">Whether the rows of all streams have the streams' names, or else their keys.</param>
    public (string Sql, List<object?> Values)? Page(PageQuery query, bool hasNames) => Shared.Page(
        query,
        query.Stream is not null ? null : hasNames ? _pageColumnsWithNames : _pageColumns,
        isNumbered: true);
}
