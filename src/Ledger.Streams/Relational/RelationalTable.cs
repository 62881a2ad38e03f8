using System.Data.Common;
using System.Text;

namespace Ledger.Streams.Relational;

/// <summary>The statements of one store, made once, and how its rows are read.</summary>
internal sealed class RelationalTable
{
    /// <summary>Columns of an entry that an append may leave null, by their bits in a mask.</summary>
    public static readonly string[] NullableColumns =
        ["order_key", "dedup_key", "source_id", "metadata", "tags", "search"];

    /// <summary>Where a row of an entry has its stream.</summary>
    public const int StreamColumn = 2;

    private const int PositionColumn = 1;

    private readonly RelationalDialect _dialect;
    private readonly bool _keepsWords;
    private readonly string _streams;
    private readonly string _columns;
    private readonly string _columnsWithName;
    private readonly string?[] _inserts = new string?[1 << NullableColumns.Length];

    /// <summary>Prepares the statements of a store.</summary>
    /// <param name="dialect">The database's ways.</param>
    /// <param name="number">The store's number.</param>
    /// <param name="name">The table's name, as it was created.</param>
    /// <param name="keepsWords">Whether words, where they are indexed, are in a table of their own.</param>
    public RelationalTable(RelationalDialect dialect, int number, string name, bool keepsWords)
    {
        _dialect = dialect;
        (Number, _keepsWords) = (number, keepsWords);
        Entries = dialect.Schema + RelationalDialect.Quote(name);
        _streams = dialect.Schema + "ledger_streams";
        Stores = dialect.Schema + "ledger_stores";
        Consumers = dialect.Schema + "ledger_consumers";
        _columns = Columns("e.stream");
        _columnsWithName = Columns(NameOf);
        var (end, count, uncounted, last) = ("s.end_id", "s.count", "", "last_position");
        if (dialect.CountsLate)
        {
            end = $"max(s.end_id, COALESCE((SELECT MAX(e.id) FROM {Entries} e WHERE e.stream = s.key), 0))";
            count = $"s.count + (SELECT COUNT(*) FROM {Entries} e WHERE e.stream = s.key AND e.id > s.end_id)";
            uncounted = $" + (SELECT COUNT(*) FROM {Entries} e WHERE e.stream = {_streams}.key " +
                $"AND e.id > {_streams}.end_id)";
            last = $"max(last_position, COALESCE((SELECT MAX(e.id) FROM {Entries} e), 0))";
        }

        var streamOf = $"FROM {_streams} s WHERE s.store = {number} AND s.name = @p0";
        FindStream = $"SELECT s.key, {end}, {count} {streamOf}";
        LockStream = $"SELECT s.key, {end} {streamOf}" + dialect.ForUpdate;
        InsertStream = $"INSERT INTO {_streams} (store, name, end_id, count) VALUES ({number}, @p0, 0, 0) " +
            "RETURNING key";
        UpdateStream = $"UPDATE {_streams} SET end_id = @p1, count = count + @p2{uncounted} WHERE key = @p0";
        RenameStream = $"UPDATE {_streams} SET name = @p1 WHERE key = @p0";
        MarkRename = dialect.MarksRenames
            ? $"INSERT INTO {dialect.Schema}ledger_renames (store, mark) VALUES ({number}, @p0) " +
            "ON CONFLICT (store) DO UPDATE SET mark = excluded.mark"
            : null;
        FindDuplicate = $"SELECT e.id FROM {Entries} e WHERE e.stream = @p0 AND e.dedup_key = @p1";
        FindEntry = $"SELECT {_columnsWithName} FROM {Entries} e WHERE e.id = @p0";
        FindSource = $"SELECT {_columnsWithName} FROM {Entries} e WHERE e.stream = {KeyOf("@p0")} " +
            "AND e.source_id = @p1 ORDER BY e.id LIMIT 1";
        InsertWords = $"INSERT INTO ledger_{number}_text (rowid, search) VALUES (@p0, @p1)";
        DeleteWords = $"INSERT INTO ledger_{number}_text (ledger_{number}_text, rowid, search) " +
            $"SELECT 'delete', e.id, e.search FROM {Entries} e WHERE e.stream = @p0 AND e.id <= @p1 " +
            "AND e.search IS NOT NULL";
        SetTags = $"UPDATE {Entries} SET tags = {dialect.Json("@p2")}, updated_ms = @p3 " +
            $"WHERE id = @p1 AND stream = {KeyOf("@p0")}";
        FindAnnotations = $"SELECT e.annotations FROM {Entries} e WHERE e.id = @p1 AND e.stream = {KeyOf("@p0")}" +
            dialect.ForUpdate;
        SetAnnotations = $"UPDATE {Entries} SET annotations = {dialect.Json("@p1")}, updated_ms = @p2 WHERE id = @p0";
        HasEntries = dialect.CountsLate
            ? $"EXISTS (SELECT 1 FROM {Entries} e WHERE e.stream = s.key)" : "s.count > 0";
        Trim = $"DELETE FROM {Entries} WHERE stream = @p0 AND id <= @p1";
        Ends = $"SELECT MIN(e.id) FROM {Entries} e WHERE e.stream = @p0 UNION ALL " +
            $"SELECT MAX(e.id) FROM {Entries} e WHERE e.stream = @p0";
        FindLast = $"SELECT {last}, CAST(full_text AS integer) FROM {Stores} WHERE number = {number}";
        LockLast = FindLast + dialect.ForUpdate;
        SetLast = $"UPDATE {Stores} SET last_position = @p0 WHERE number = {number}";
        FindConsumer = $"SELECT state FROM {Consumers} WHERE store = {number} AND name = @p0" + dialect.ForUpdate;
        var parked = dialect.Schema + "ledger_parked";
        const string ParkedColumns = "position, entry, stream, attempts, error, at_ms";
        ListConsumers = $"SELECT name, state, 0, '', '', 0, '', 0 FROM {Consumers} WHERE store = {number} " +
            $"UNION ALL SELECT consumer, NULL, {ParkedColumns} FROM {parked} WHERE store = {number}";
        FindParkedPositions = $"SELECT position FROM {parked} WHERE store = {number} AND consumer = @p0 " +
            "ORDER BY position";
        FindParked = $"SELECT consumer, NULL, {ParkedColumns} FROM {parked} WHERE store = {number} " +
            "AND consumer = @p0 ORDER BY position";
        SetParked = $"INSERT INTO {parked} (store, consumer, {ParkedColumns}) " +
            $"VALUES ({number}, @p0, @p1, @p2, @p3, @p4, @p5, @p6) ON CONFLICT (store, consumer, position) DO UPDATE " +
            "SET entry = excluded.entry, stream = excluded.stream, attempts = excluded.attempts, " +
            "error = excluded.error, at_ms = excluded.at_ms";
        DropParked = $"DELETE FROM {parked} WHERE store = {number} AND consumer = @p0 AND position = @p1";
        DropAllParked = $"DELETE FROM {parked} WHERE store = {number} AND consumer = @p0";
        SetConsumer = $"INSERT INTO {Consumers} (store, name, state) VALUES ({number}, @p0, @p1) " +
            "ON CONFLICT (store, name) DO UPDATE SET state = excluded.state";
        DropConsumer = $"DELETE FROM {Consumers} WHERE store = {number} AND name = @p0";
    }

    /// <summary>The store's number.</summary>
    public int Number { get; }

    /// <summary>The name of an entry's stream, in a statement on entries.</summary>
    public string NameOf => $"(SELECT s.name FROM {_streams} s WHERE s.key = e.stream)";

    /// <inheritdoc cref="RelationalDialect.CountsLate"/>
    public bool CountsLate => _dialect.CountsLate;

    // The names and statements; their parameters are @p0, @p1, … in the order in which the callers give them.
    public string Entries { get; }

    public string Stores { get; }

    public string Consumers { get; }

    public string FindStream { get; }

    public string LockStream { get; }

    public string InsertStream { get; }

    public string UpdateStream { get; }

    public string RenameStream { get; }

    /// <summary>Notes that a stream has another name, by a number never used before; null where nobody asks.</summary>
    public string? MarkRename { get; }

    public string FindDuplicate { get; }

    public string FindEntry { get; }

    public string FindSource { get; }

    public string InsertWords { get; }

    public string DeleteWords { get; }

    public string SetTags { get; }

    public string FindAnnotations { get; }

    public string SetAnnotations { get; }

    public string HasEntries { get; }

    public string Trim { get; }

    public string Ends { get; }

    public string FindLast { get; }

    public string LockLast { get; }

    public string SetLast { get; }

    public string FindConsumer { get; }

    /// <summary>Consumers, and as further rows what is parked, in one statement and in no order.</summary>
    public string ListConsumers { get; }

    public string FindParkedPositions { get; }

    public string FindParked { get; }

    public string SetParked { get; }

    public string DropParked { get; }

    public string DropAllParked { get; }

    public string SetConsumer { get; }

    public string DropConsumer { get; }

    /// <summary>
    /// Writes an entry: its number, stream, payload, schema version, time of creation, and then those of the columns
    /// that may be null for which the mask has a bit, in the order of <see cref="NullableColumns"/>.
    /// </summary>
    public string InsertEntry(int mask) => _inserts[mask] ??= MakeInsert(mask);

    /// <summary>The names of streams, ascending.</summary>
    public string ListStreams(bool isBounded, bool includeEmpty) =>
        $"SELECT s.name FROM {_streams} s WHERE s.store = {Number}" + (isBounded ? " AND s.name > @p1" : "") +
        (includeEmpty ? "" : " AND " + HasEntries) + " ORDER BY s.name LIMIT @p0";

    /// <summary>Whether a writer keeps words in a table of their own; as <see cref="FindLast"/> says.</summary>
    /// <remarks>Asked in each transaction: another process may have begun with it since the store was opened.</remarks>
    public bool HasWords(long fullText) => _keepsWords && fullText != 0;

    /// <summary>The columns of an entry, as <see cref="Read(DbDataReader, string)"/> wants them.</summary>
    /// <param name="stream">What stands in the place of the stream.</param>
    public string Columns(string stream) =>
        $"e.id, {_dialect.Position}, {stream}, e.payload, e.order_key, e.dedup_key, e.source_id, e.schema_version, " +
        "e.metadata, e.tags, e.annotations, e.created_ms, e.updated_ms";

    /// <summary>One page of a read; null when nothing can match.</summary>
    /// <remarks>The rows of a page of one stream have its key in place of its name, which is known.</remarks>
    /// <param name="query">What is asked for.</param>
    /// <param name="columns">What else than the columns of an entry is selected; null for those.</param>
    /// <param name="isNumbered">Whether parameters are $1, $2, … and not @p0, @p1, …</param>
    public (string Sql, List<object?> Values)? Page(PageQuery query, string? columns = null, bool isNumbered = false)
    {
        var values = new List<object?>();
        string Add(object? value)
        {
            values.Add(value);
            return isNumbered ? $"${values.Count}" : $"@p{values.Count - 1}";
        }

        var order = query.ByPosition ? _dialect.Position : "e.id";
        columns ??= query.Stream is null ? _columnsWithName : _columns;
        var sql = new StringBuilder($"SELECT {columns} FROM {Entries} e WHERE ");
        if (query.Stream is { } stream)
        {
            sql.Append("e.stream = ").Append(KeyOf(Add(stream))).Append(" AND ");
        }

        if (!query.After.TryGetInt64(out var after) || query.Search is { } words && query.IsFullText
            && _dialect.Words(words) is null)
        {
            return null;
        }

        sql.Append(order).Append(" > ").Append(Add(after));
        if (query.Before is { } before && before.TryGetInt64(out var beforeId))
        {
            sql.Append(" AND ").Append(order).Append(" < ").Append(Add(beforeId));
        }

        if (query.Through is { } through && through.TryGetInt64(out var throughId))
        {
            sql.Append(" AND ").Append(order).Append(" <= ").Append(Add(throughId));
        }

        if (query.Search is { } text)
        {
            sql.Append(" AND ").Append(query.IsFullText
                ? _dialect.HasWords(Number, Add(_dialect.Words(text)))
                : _dialect.HasText(Add(text.ToUpperInvariant())));
        }

        foreach (var condition in Conditions(query.Filter, Add))
        {
            sql.Append(" AND ").Append(condition);
        }

        var ordered = $" ORDER BY {order}{(query.Descending ? " DESC" : "")} LIMIT ";
        if (!isNumbered)
        {
            return (sql.Append(ordered).Append(Add(query.Limit)).ToString(), values);
        }

        // A database that cannot know how many rows are wanted takes every page for a long one, and plans each anew
        // because it knows better then: so the largest page is said, and then how many of it. The second order is that
        // of the first, which needs no sorting, by the same column's number.
        var column = query.ByPosition ? PositionColumn + 1 : 1;
        sql.Append(ordered).Append(StreamStore.PageEntriesMax).Insert(0, "SELECT p.* FROM (").Append(") p ORDER BY ");
        sql.Append(column).Append(query.Descending ? " DESC" : "").Append(" LIMIT ").Append(Add(query.Limit));
        return (sql.ToString(), values);
    }

    /// <summary>The entries of a page's rows, up to its bytes.</summary>
    /// <param name="rows">The rows; whoever gives them closes them.</param>
    /// <param name="query">What was asked for.</param>
    /// <param name="cancellationToken">Ends the reading.</param>
    public static async ValueTask<EntryPage> ReadPageAsync(
        DbDataReader rows, PageQuery query, CancellationToken cancellationToken)
    {
        var entries = new List<Entry>();
        var sizeBytes = 0L;
        while (await rows.ReadAsync(cancellationToken))
        {
            var entry = Read(rows, query.Stream ?? rows.GetString(StreamColumn));
            entries.Add(entry);
            sizeBytes += entry.Payload.Length;
            if (sizeBytes >= query.BytesMax)
            {
                return new EntryPage(entries, false);
            }
        }

        return new EntryPage(entries, entries.Count < query.Limit);
    }

    /// <summary>An entry from a row that has the stream's name.</summary>
    public static Entry Read(DbDataReader row) => Read(row, row.GetString(StreamColumn));

    /// <summary>An entry from a row.</summary>
    /// <param name="row">With the columns of <see cref="Columns"/>.</param>
    /// <param name="stream">The stream's name, whatever the row has.</param>
    public static Entry Read(DbDataReader row, string stream) => new()
    {
        Id = EntryId.Of(row.GetInt64(0)),
        Position = row.IsDBNull(1) ? null : new Position(row.GetInt64(1)),
        Stream = stream,
        Payload = row.GetFieldValue<byte[]>(3),
        OrderKey = row.IsDBNull(4) ? null : row.GetString(4),
        DedupKey = row.IsDBNull(5) ? null : row.GetString(5),
        SourceId = row.IsDBNull(6) ? null : row.GetString(6),
        SchemaVersion = row.GetInt32(7),
        Metadata = RelationalText.ReadPairs(row, 8),
        Tags = RelationalText.ReadTags(row, 9),
        Annotations = RelationalText.ReadPairs(row, 10),
        CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(11)),
        UpdatedAt = row.IsDBNull(12) ? null : DateTimeOffset.FromUnixTimeMilliseconds(row.GetInt64(12)),
    };

    private string KeyOf(string name) =>
        $"(SELECT s.key FROM {_streams} s WHERE s.store = {Number} AND s.name = {name})";

    // A driver looks each parameter up by its name: those of columns that stay null are left out.
    private string MakeInsert(int mask)
    {
        List<string> columns = ["id", "stream", "payload", "schema_version", "created_ms"];
        columns.AddRange(NullableColumns.Where((_, index) => (mask & 1 << index) != 0));
        var values = string.Join(", ", columns.Select((_, index) => $"@p{index}"));
        return $"INSERT INTO {Entries} ({string.Join(", ", columns)}) VALUES ({values})";
    }

    private IEnumerable<string> Conditions(EntryFilter filter, Func<object?, string> add)
    {
        if (filter.OrderKey is { } orderKey)
        {
            yield return $"e.order_key = {add(orderKey)}";
        }

        foreach (var tag in filter.Tags)
        {
            yield return _dialect.HasTag(add(tag));
        }

        foreach (var (key, value) in filter.Metadata)
        {
            yield return _dialect.HasPair("e.metadata", add(key), add(value));
        }

        foreach (var (key, value) in filter.Annotations)
        {
            yield return _dialect.HasPair("e.annotations", add(key), add(value));
        }

        if (filter.CreatedFrom is { } from)
        {
            yield return $"e.created_ms >= {add(CeilingMs(from))}";
        }

        if (filter.CreatedBefore is { } before)
        {
            yield return $"e.created_ms < {add(CeilingMs(before))}";
        }
    }

    // Creation times are whole milliseconds: a bound between two of them is the next one.
    private static long CeilingMs(DateTimeOffset time) =>
        time.ToUnixTimeMilliseconds() + (time.UtcTicks % TimeSpan.TicksPerMillisecond == 0 ? 0 : 1);
}
