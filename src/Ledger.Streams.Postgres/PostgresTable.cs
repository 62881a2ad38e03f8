using Ledger.Streams.Relational;

namespace Ledger.Streams.Postgres;

/// <summary>The statements of a store that only PostgreSQL has; their parameters are $1, $2, …</summary>
internal sealed class PostgresTable
{
    private const string Columns =
        "id, stream, payload, order_key, dedup_key, source_id, schema_version, metadata, tags, search, words, " +
        "created_ms";

    private const string Values =
        "u.id, u.stream, u.payload, u.order_key, u.dedup_key, u.source_id, u.schema_version, u.metadata::jsonb, " +
        "u.tags::jsonb, u.search, array_to_tsvector(string_to_array(u.words, ' ')), " +
        "COALESCE(u.created_ms, (extract(epoch FROM statement_timestamp()) * 1000)::bigint)";

    private const string Rows =
        "unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::integer[], " +
        "$8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[]) WITH ORDINALITY " +
        "u(id, stream, payload, order_key, dedup_key, source_id, schema_version, metadata, tags, search, words, " +
        "created_ms, place)";

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
        BeginWrite = isCarefree ? "SET LOCAL synchronous_commit = on" : null;
        FindStreams = $"SELECT name, key, end_id FROM {streams} WHERE store = {number} AND name = ANY ($1) " +
            "ORDER BY key FOR UPDATE";
        FindFreeStreams =
            $"WITH free AS (SELECT key, end_id FROM {streams} WHERE store = {number} AND name = ANY ($1) " +
            "ORDER BY key FOR UPDATE SKIP LOCKED) " +
            $"SELECT s.name, s.key, f.end_id FROM {streams} s LEFT JOIN free f ON f.key = s.key " +
            $"WHERE s.store = {number} AND s.name = ANY ($1)";
        InsertStreams = $"INSERT INTO {streams} (store, name, end_id, count) " +
            $"SELECT {number}, n, 0, 0 FROM unnest($1::text[]) n ORDER BY n COLLATE \"C\" " +
            "ON CONFLICT DO NOTHING RETURNING name, key";
        UpdateStreams = $"UPDATE {streams} s SET end_id = u.end_id, count = s.count + u.added " +
            "FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) u(key, end_id, added) WHERE s.key = u.key";
        NextIds = $"SELECT nextval('{dialect.Schema}ledger_{number}_id') FROM generate_series(1, $1)";
        FindDuplicates =
            "SELECT k.name, k.dedup_key, d.id FROM unnest($1::text[], $2::text[]) k(name, dedup_key) " +
            $"JOIN {streams} s ON s.store = {number} AND s.name = k.name CROSS JOIN LATERAL " +
            $"(SELECT e.id FROM {Entries} e WHERE e.stream = s.key AND e.dedup_key = k.dedup_key OFFSET 0) d";
        LockCounter = $"SELECT last_position FROM {Stores} WHERE number = {number} FOR UPDATE";
        var insert = $"INSERT INTO {Entries} (position, {Columns}) SELECT ";
        var stamped = $"{insert} c.last_position + u.place, {Values} FROM {Rows}, {Stores} c " +
            $"WHERE c.number = {number} AND NOT EXISTS (SELECT 1 FROM {Entries} w WHERE w.position IS NULL";
        InsertWhenNoneWaits = stamped + ")";
        InsertWhenStreamsAreFree = stamped + " AND w.stream = ANY ($2))";
        InsertWaiting = $"{insert} NULL, {Values} FROM {Rows}";
        Count = $"UPDATE {Stores} SET last_position = last_position + $1 " +
            $"WHERE number = {number} AND EXISTS (SELECT 1 FROM {Entries} WHERE id = $2 AND position IS NOT NULL)";
        FindEnd = $"SELECT last_position, EXISTS (SELECT 1 FROM {Entries} WHERE position IS NULL) " +
            $"FROM {Stores} WHERE number = {number}";
        FindLastId = $"SELECT COALESCE(max(id), 0) FROM {Entries}";
        HasWaiting = $"SELECT EXISTS (SELECT 1 FROM {Entries} WHERE position IS NULL)";

        // What another transaction is changing cannot be stamped, nor can what comes after it in its stream.
        Stamp =
            $"WITH free AS MATERIALIZED (SELECT id, stream FROM {Entries} WHERE position IS NULL ORDER BY id " +
            "FOR UPDATE SKIP LOCKED), " +
            $"held AS (SELECT w.stream, min(w.id) AS id FROM {Entries} w WHERE w.position IS NULL " +
            "AND NOT EXISTS (SELECT 1 FROM free f WHERE f.id = w.id) GROUP BY w.stream), " +
            "ready AS (SELECT f.id, row_number() OVER (ORDER BY f.id) AS place FROM free f WHERE NOT EXISTS " +
            "(SELECT 1 FROM held h WHERE h.stream = f.stream AND h.id < f.id)), " +
            $"stamped AS (UPDATE {Entries} e SET position = c.last_position + r.place FROM ready r, {Stores} c " +
            $"WHERE c.number = {number} AND e.id = r.id RETURNING 1) " +
            $"UPDATE {Stores} SET last_position = last_position + (SELECT count(*) FROM stamped) " +
            $"WHERE number = {number}";
    }

    /// <summary>The statements that all databases share.</summary>
    public RelationalTable Shared { get; }

    /// <summary>The store's number.</summary>
    public int Number => Shared.Number;

    /// <summary>Whether words are indexed.</summary>
    public bool HasFullText { get; }

    /// <summary>What is notified of commits; no other store has it.</summary>
    public string Channel { get; }

    /// <summary>The first statement of a transaction that writes; null when there need not be one.</summary>
    public string? BeginWrite { get; }

    // The names and statements.
    public string Entries { get; }

    public string Stores => Shared.Stores;

    public string FindStreams { get; }

    public string FindFreeStreams { get; }

    public string InsertStreams { get; }

    public string UpdateStreams { get; }

    public string NextIds { get; }

    public string FindDuplicates { get; }

    public string LockCounter { get; }

    public string InsertWhenNoneWaits { get; }

    public string InsertWhenStreamsAreFree { get; }

    public string InsertWaiting { get; }

    public string Count { get; }

    public string FindEnd { get; }

    public string FindLastId { get; }

    public string HasWaiting { get; }

    public string Stamp { get; }
}
