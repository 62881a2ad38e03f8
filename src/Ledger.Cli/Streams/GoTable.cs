using System.Data.Common;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text.Json;
using System.Text.RegularExpressions;
using Ledger.Cli.Import;
using Ledger.Objects;
using Ledger.Streams;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Ledger.Cli.Streams;

/// <summary>A store of the original Go library or its daemon: one table of entries, and maybe one of names.</summary>
/// <param name="database">Where it is.</param>
/// <param name="table">The table's name, which is the store's.</param>
internal sealed partial class GoTable(DatabaseName database, string table)
{
    private const int PageEntries = 500;

    // The daemon keeps streams under random ids, and their names here; the library knows names only.
    private const string NamesTable = "ledger_stream_metadata";

    private static readonly string[] Columns =
        ["id", "stream", "payload", "order_key", "dedup_key", "schema_version", "metadata", "tags", "created_at"];

    private long _read;

    /// <summary>Entries there were when the reading began.</summary>
    public long Count { get; private set; }

    /// <summary>How much of it was read, 0 to 1.</summary>
    public double? Fraction => Count == 0 ? null : (double)_read / Count;

    /// <summary>Reads all entries, ascending by id, in pages; nothing is held while the caller works.</summary>
    /// <exception cref="CliException">There is no such table, or it is another one.</exception>
    /// <exception cref="StoreUnavailableException">The database does not answer.</exception>
    public async IAsyncEnumerable<ImportedEntry> ReadAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (!Name().IsMatch(table))
        {
            throw CliException.Usage($"'{table}' is not the name of a table: letters, digits and underscores.");
        }

        await using var connection = await OpenAsync(cancellationToken);
        var hasAnnotations = await CheckAsync(connection, cancellationToken);
        var names = await ReadNamesAsync(connection, cancellationToken);
        for (var after = long.MinValue; ;)
        {
            var page = await ReadPageAsync(connection, after, hasAnnotations, names, cancellationToken);
            foreach (var (id, entry) in page)
            {
                (after, _read) = (id, _read + 1);
                yield return entry;
            }

            if (page.Count < PageEntries)
            {
                yield break;
            }
        }
    }

    private async Task<DbConnection> OpenAsync(CancellationToken cancellationToken)
    {
        if (database.Kind == DatabaseKind.Sqlite && !File.Exists(database.Address))
        {
            throw new CliException(
                ExitCodes.NotFound, $"There is no file '{database.Address}'.", "Check the path that --from gives.");
        }

        SQLitePCL.Batteries_V2.Init();
        DbConnection connection = database.Kind == DatabaseKind.Sqlite
            ? new SqliteConnection(new SqliteConnectionStringBuilder
            {
                DataSource = database.Address,
                Mode = SqliteOpenMode.ReadOnly,
                Pooling = false,
            }.ToString())
            : new NpgsqlConnection(database.Address);
        try
        {
            await connection.OpenAsync(cancellationToken);
            return connection;
        }
        catch (Exception error) when (error is DbException or ArgumentException)
        {
            await connection.DisposeAsync();
            throw new StoreUnavailableException(
                StoreUnavailableReason.Unreachable, "The database that --from names cannot be opened.", error);
        }
    }

    /// <summary>Looks whether it is a table of the original, and whether entries have annotations.</summary>
    private async Task<bool> CheckAsync(DbConnection connection, CancellationToken cancellationToken)
    {
        HashSet<string> found =
            [.. await QueryAsync(connection, ColumnsOf(table), row => row.GetString(0), cancellationToken)];
        if (found.Count == 0)
        {
            throw new CliException(
                ExitCodes.NotFound, $"The database that --from names has no table '{table}'.",
                "Choose another with --table.");
        }

        if (Columns.Except(found).ToArray() is { Length: > 0 } missing)
        {
            throw new CliException(
                ExitCodes.Failed,
                $"Table '{table}' is not one of the original: it has no {string.Join(" and no ", missing)}.",
                "Choose another with --table.");
        }

        Count = (await QueryAsync(
            connection, $"SELECT COUNT(*) FROM \"{table}\"", row => row.GetInt64(0), cancellationToken))[0];
        return found.Contains("annotations");
    }

    private async Task<Dictionary<string, string>> ReadNamesAsync(
        DbConnection connection, CancellationToken cancellationToken)
    {
        var columns = await QueryAsync(connection, ColumnsOf(NamesTable), row => row.GetString(0), cancellationToken);
        if (columns.Count == 0)
        {
            return [];
        }

        var names = await QueryAsync(
            connection, $"SELECT stream_id, name FROM {NamesTable} WHERE store_name = '{table}'",
            row => (row.GetString(0), row.GetString(1)), cancellationToken);
        return names.ToDictionary(name => name.Item1, name => name.Item2, StringComparer.Ordinal);
    }

    private Task<List<(long Id, ImportedEntry Entry)>> ReadPageAsync(
        DbConnection connection, long after, bool hasAnnotations, Dictionary<string, string> names,
        CancellationToken cancellationToken)
    {
        var text = database.Kind == DatabaseKind.Postgres ? "::text" : "";
        var from = after.ToString(CultureInfo.InvariantCulture);
        var sql = $"SELECT id, stream, payload, order_key, dedup_key, schema_version, metadata{text}, tags{text}, " +
            $"created_at, {(hasAnnotations ? "annotations" + text : "NULL")} FROM \"{table}\" " +
            $"WHERE id > {from} ORDER BY id LIMIT {PageEntries}";
        return QueryAsync(connection, sql, row => (row.GetInt64(0), Read(row, names)), cancellationToken);
    }

    private ImportedEntry Read(DbDataReader row, Dictionary<string, string> names)
    {
        var id = row.GetInt64(0);
        try
        {
            var stream = row.GetString(1);
            var payload = row.GetFieldValue<byte[]>(2);
            return new ImportedEntry(
                $"Entry {id} of '{table}'", names.GetValueOrDefault(stream, stream),
                new NewEntry(payload)
                {
                    OrderKey = TextOf(row, 3),
                    DedupKey = TextOf(row, 4),
                    SourceId = $"go:{table}#{id}",
                    SchemaVersion = ImportedEntry.VersionOf(row.IsDBNull(5) ? 1 : row.GetInt64(5)),
                    Metadata = Json(row, 6, "metadata", json => json.Pairs("metadata")),
                    Tags = Json(row, 7, "tags", json => json.Texts("tags")),
                    CreatedAt = TimeOf(row.GetValue(8)),
                    SearchText = PayloadText.Of(payload),
                },
                Json(row, 9, "annotations", json => json.Pairs("annotations")));
        }
        catch (FormatException error)
        {
            throw new CliException(
                ExitCodes.Failed, $"Entry {id} of '{table}' cannot be imported: {error.Message}.",
                "The batches before it are kept: mend the row and run it again to go on.", error);
        }
    }

    private static string? TextOf(DbDataReader row, int column) =>
        row.IsDBNull(column) ? null : ImportedEntry.NotEmpty(row.GetString(column));

    // A column of JSON is read as a member of an object, as a line of an import is.
    private static T Json<T>(DbDataReader row, int column, string name, Func<JsonElement, T> read)
    {
        var text = row.IsDBNull(column) || row.GetString(column) is not { Length: > 0 } json ? "null" : json;
        using var document = JsonMembers.ParseObject(System.Text.Encoding.UTF8.GetBytes($"{{\"{name}\":{text}}}"));
        return read(document.RootElement);
    }

    private static DateTimeOffset TimeOf(object value) => value switch
    {
        DateTime time => new DateTimeOffset(time.ToUniversalTime(), TimeSpan.Zero),
        string text when DateTimeOffset.TryParse(
            text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal,
            out var time) => time,
        _ => throw new FormatException($"its \"created_at\" is no time: '{value}'"),
    };

    private string ColumnsOf(string name) => database.Kind == DatabaseKind.Sqlite
        ? $"SELECT name FROM pragma_table_info('{name}')"
        : "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() " +
            $"AND table_name = '{name}'";

    private static async Task<List<T>> QueryAsync<T>(
        DbConnection connection, string sql, Func<DbDataReader, T> read, CancellationToken cancellationToken)
    {
        try
        {
            await using var command = connection.CreateCommand();
            // Made of numbers and of names that are letters, digits and underscores.
#pragma warning disable CA2100
            command.CommandText = sql;
#pragma warning restore CA2100
            await using var reader = await command.ExecuteReaderAsync(cancellationToken);
            var rows = new List<T>();
            while (await reader.ReadAsync(cancellationToken))
            {
                rows.Add(read(reader));
            }

            return rows;
        }
        catch (DbException error)
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Unreachable, "The database that --from names cannot be read.", error);
        }
    }

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$")]
    private static partial Regex Name();
}
