using System.Globalization;

namespace Ledger.Benchmarks.Stores;

/// <summary>SQLite in process, one prepared statement for each kind of call.</summary>
internal sealed unsafe class SqliteContender : KeyValueStore
{
    private readonly nint _database;
    private readonly nint _put;
    private readonly nint _get;
    private readonly nint _begin;
    private readonly nint _commit;

    /// <summary>Opens or makes the database in a directory.</summary>
    public SqliteContender(string directory, long cacheSizeBytes)
    {
        Directory.CreateDirectory(directory);
        _database = SqliteNative.Open(Path.Combine(directory, "kv.sqlite"));
        SqliteNative.Execute(_database, "PRAGMA journal_mode=WAL");
        SqliteNative.Execute(_database, "PRAGMA synchronous=FULL");
        var cacheKiB = (cacheSizeBytes / 1024).ToString(CultureInfo.InvariantCulture);
        SqliteNative.Execute(_database, $"PRAGMA cache_size=-{cacheKiB}");
        SqliteNative.Execute(
            _database, "CREATE TABLE IF NOT EXISTS kv(k BLOB PRIMARY KEY, v BLOB NOT NULL) WITHOUT ROWID");
        _put = SqliteNative.Prepare(
            _database, "INSERT INTO kv(k, v) VALUES(?1, ?2) ON CONFLICT(k) DO UPDATE SET v = excluded.v");
        _get = SqliteNative.Prepare(_database, "SELECT v FROM kv WHERE k = ?1");
        _begin = SqliteNative.Prepare(_database, "BEGIN IMMEDIATE");
        _commit = SqliteNative.Prepare(_database, "COMMIT");
    }

    /// <inheritdoc/>
    public override string Name => "SQLite";

    /// <inheritdoc/>
    public override string Settings =>
        "libsqlite3 in process; journal_mode=WAL, synchronous=FULL, WITHOUT ROWID, prepared statements";

    /// <inheritdoc/>
    public override bool AllowsParallelWriters => false;

    /// <inheritdoc/>
    public override ValueTask PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value)
    {
        Put(key.Span, value.Span);
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask PutBatchAsync(EntryStream entries, int first, int count, int valueSeed = 0)
    {
        Run(_begin);
        for (var i = first; i < first + count; i++)
        {
            Put(entries.Key(i).Span, entries.Value(i + valueSeed).Span);
        }

        Run(_commit);
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask<int> GetAsync(ReadOnlyMemory<byte> key)
    {
        fixed (byte* keyBytes = key.Span)
        {
            _ = SqliteNative.BindBlob(_get, 1, keyBytes, key.Length, 0);
            var isThere = SqliteNative.Step(_get) == SqliteNative.Row;
            var length = isThere ? Touch(Column(_get, 0)) : -1;
            _ = SqliteNative.Reset(_get);
            return new ValueTask<int>(length);
        }
    }

    /// <inheritdoc/>
    public override ValueTask<long> ScanAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false)
    {
        var where = (start, end) is (null, null) ? "" : " WHERE k >= ?1 AND k < ?2";
        var statement = SqliteNative.Prepare(
            _database, $"SELECT k, v FROM kv{where} ORDER BY k{(reverse ? " DESC" : "")}");
        fixed (byte* startBytes = start.GetValueOrDefault().Span, endBytes = end.GetValueOrDefault().Span)
        {
            if (start is { } from && end is { } to)
            {
                _ = SqliteNative.BindBlob(statement, 1, startBytes, from.Length, 0);
                _ = SqliteNative.BindBlob(statement, 2, endBytes, to.Length, 0);
            }

            var count = 0L;
            while (SqliteNative.Step(statement) == SqliteNative.Row)
            {
                Touch(Column(statement, 0));
                Touch(Column(statement, 1));
                count++;
            }

            _ = SqliteNative.FinalizeStatement(statement);
            return new ValueTask<long>(count);
        }
    }

    /// <summary>Runs a statement.</summary>
    public void Execute(string sql) => SqliteNative.Execute(_database, sql);

    /// <summary>The number of rows that a query gives.</summary>
    public long CountRows(string sql)
    {
        var statement = SqliteNative.Prepare(_database, sql);
        var count = 0L;
        while (SqliteNative.Step(statement) == SqliteNative.Row)
        {
            count++;
        }

        _ = SqliteNative.FinalizeStatement(statement);
        return count;
    }

    /// <inheritdoc/>
    public override ValueTask CompactAsync()
    {
        Execute("VACUUM");
        Execute("PRAGMA wal_checkpoint(TRUNCATE)");
        return default;
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        foreach (var statement in (nint[])[_put, _get, _begin, _commit])
        {
            _ = SqliteNative.FinalizeStatement(statement);
        }

        _ = SqliteNative.Close(_database);
        return default;
    }

    private static ReadOnlySpan<byte> Column(nint statement, int column)
    {
        var bytes = SqliteNative.ColumnBlob(statement, column);
        return new ReadOnlySpan<byte>(bytes, SqliteNative.ColumnBytes(statement, column));
    }

    private void Put(ReadOnlySpan<byte> key, ReadOnlySpan<byte> value)
    {
        fixed (byte* keyBytes = key, valueBytes = value)
        {
            _ = SqliteNative.BindBlob(_put, 1, keyBytes, key.Length, 0);
            _ = SqliteNative.BindBlob(_put, 2, valueBytes, value.Length, 0);
            Run(_put);
        }
    }

    private void Run(nint statement)
    {
        SqliteNative.Check(SqliteNative.Step(statement), _database, SqliteNative.Done);
        _ = SqliteNative.Reset(statement);
    }
}
