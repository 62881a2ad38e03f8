using System.Text;
using Ledger.Runtime;
using Ledger.Streams.Relational;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace Ledger.Streams.Sqlite;

/// <summary>
/// Statements without rows, or with one of numbers, which go to the library directly on a connection of the store's.
/// </summary>
/// <remarks>
/// The provider makes a reader for each statement and looks each parameter up by its name, which costs more than the
/// insert of a row does. A statement keeps what was bound to it: what is the same object is not bound again.
/// </remarks>
/// <param name="connection">Open for longer than this is used.</param>
internal sealed class SqliteStatements(SqliteConnection connection) : IDirectStatements
{
    private const int StatementsMax = 64;
    private const int StackBytesMax = 512;

    private readonly Dictionary<string, Statement> _statements = new(StringComparer.Ordinal);
    private Statement? _last;

    private sqlite3 Database => connection.Handle
        ?? throw new InvalidOperationException("The connection of the store was closed.");

    /// <inheritdoc/>
    public int? TryExecute(string sql, IReadOnlyList<object?> values) =>
        TryFind(sql, values, []) is null ? null : raw.sqlite3_changes(Database);

    /// <inheritdoc/>
    public bool? TryFind(string sql, IReadOnlyList<object?> values, Span<long> numbers)
    {
        var statement = Find(sql, values.Count);
        if (statement.Handle is not { } handle)
        {
            return null;
        }

        Invariant.Check(values.Count == statement.Places.Length);

        for (var index = 0; index < values.Count; index++)
        {
            Bind(statement, handle, index, values[index]);
        }

        try
        {
            var isFound = false;
            int code;
            while ((code = raw.sqlite3_step(handle)) == raw.SQLITE_ROW)
            {
                for (var column = 0; column < numbers.Length && !isFound; column++)
                {
                    // Null is 0 to the library.
                    numbers[column] = raw.sqlite3_column_int64(handle, column);
                }

                isFound = true;
            }

            if (code != raw.SQLITE_DONE)
            {
                SqliteException.ThrowExceptionForRC(code, Database);
            }

            return isFound;
        }
        finally
        {
            raw.sqlite3_reset(handle);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => Forget();

    private Statement Find(string sql, int values)
    {
        // The rows of a batch are written by one statement: its text need not be hashed for each of them.
        if (ReferenceEquals(sql, _last?.Sql))
        {
            return _last;
        }

        if (!_statements.TryGetValue(sql, out var statement))
        {
            if (_statements.Count == StatementsMax)
            {
                Forget();
            }

            statement = Prepare(sql, values);
            _statements.Add(sql, statement);
        }

        return _last = statement;
    }

    private Statement Prepare(string sql, int values)
    {
        var code = raw.sqlite3_prepare_v2(Database, sql, out var handle, out var rest);
        SqliteException.ThrowExceptionForRC(code, Database);
        if (rest.Length > 0)
        {
            // Several statements are the provider's: they make tables.
            handle.Dispose();
            return new Statement(sql, null, []);
        }

        var places = new int[values];
        for (var index = 0; index < values; index++)
        {
            places[index] = raw.sqlite3_bind_parameter_index(handle, $"@p{index}");
        }

        return new Statement(sql, handle, places);
    }

    private void Bind(Statement statement, sqlite3_stmt handle, int index, object? value)
    {
        if (statement.HasBound[index] && ReferenceEquals(statement.Bound[index], value))
        {
            return;
        }

        var place = statement.Places[index];
        var code = value switch
        {
            _ when place == 0 => raw.SQLITE_OK, // The statement does without it.
            null => raw.sqlite3_bind_null(handle, place),
            long number => raw.sqlite3_bind_int64(handle, place, number),
            int number => raw.sqlite3_bind_int64(handle, place, number),
            byte[] bytes => raw.sqlite3_bind_blob(handle, place, bytes),
            string text => BindText(handle, place, text),
            _ => throw new ArgumentException($"A value of the type {value.GetType().Name} cannot be bound."),
        };
        SqliteException.ThrowExceptionForRC(code, Database);

        // An array may have other bytes the next time.
        statement.HasBound[index] = value is not byte[];
        statement.Bound[index] = statement.HasBound[index] ? value : null;
    }

    private static int BindText(sqlite3_stmt handle, int place, string text)
    {
        var length = text.Length == 0 ? 0 : Encoding.UTF8.GetMaxByteCount(text.Length);
        if (length is 0 or > StackBytesMax)
        {
            return raw.sqlite3_bind_text(handle, place, text);
        }

        Span<byte> bytes = stackalloc byte[StackBytesMax];
        return raw.sqlite3_bind_text(handle, place, bytes[..Encoding.UTF8.GetBytes(text, bytes)]);
    }

    private void Forget()
    {
        foreach (var statement in _statements.Values)
        {
            statement.Handle?.Dispose();
        }

        _statements.Clear();
        _last = null;
    }

    /// <summary>A prepared statement.</summary>
    /// <param name="sql">Its text.</param>
    /// <param name="handle">Null when it is more than one.</param>
    /// <param name="places">Where each of @p0, @p1, … is in it.</param>
    private sealed class Statement(string sql, sqlite3_stmt? handle, int[] places)
    {
        public string Sql { get; } = sql;

        public sqlite3_stmt? Handle { get; } = handle;

        public int[] Places { get; } = places;

        public bool[] HasBound { get; } = new bool[places.Length];

        public object?[] Bound { get; } = new object?[places.Length];
    }
}
