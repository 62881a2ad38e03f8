using System.Data.Common;

namespace Ledger.Streams.Relational;

/// <summary>One connection, used by one caller at a time, with its commands kept prepared.</summary>
/// <param name="connection">Open; closed with the session.</param>
/// <param name="transaction">The caller's transaction when it is enlisted; then the connection is the caller's.</param>
/// <param name="direct">Runs what it can past the driver; null where the driver does all.</param>
internal sealed class RelationalSession(
    DbConnection connection, DbTransaction? transaction = null, IDirectStatements? direct = null) : IAsyncDisposable
{
    /// <summary>Commands kept; the filters of reads make many shapes, and the rare ones need not stay.</summary>
    private const int CommandsMax = 64;

    private readonly Dictionary<string, DbCommand> _commands = new(StringComparer.Ordinal);
    private string? _lastSql;
    private DbCommand? _lastCommand;

    /// <summary>Runs a statement.</summary>
    /// <returns>Rows that it changed.</returns>
    public async ValueTask<int> ExecuteAsync(
        string sql, IReadOnlyList<object?> values, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        return direct?.TryExecute(sql, values)
            ?? await Command(sql, values).ExecuteNonQueryAsync(cancellationToken);
    }

    /// <inheritdoc cref="ExecuteAsync(string, IReadOnlyList{object?}, CancellationToken)"/>
    public ValueTask<int> ExecuteAsync(string sql, CancellationToken cancellationToken) =>
        ExecuteAsync(sql, [], cancellationToken);

    /// <summary>The first row, or the default value when there is none.</summary>
    public async ValueTask<TRow?> FindAsync<TRow>(
        string sql, IReadOnlyList<object?> values, Func<DbDataReader, TRow> read, CancellationToken cancellationToken)
    {
        await using var reader = await Command(sql, values).ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? read(reader) : default;
    }

    /// <summary>The first two columns of the first row, which are numbers; null when there is none.</summary>
    /// <returns>0 for null, and for a second column that is not there.</returns>
    public async ValueTask<(long First, long Second)?> FindNumbersAsync(
        string sql, IReadOnlyList<object?> values, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        if (direct is not null && TryFindNumbers(direct, sql, values, out var found))
        {
            return found;
        }

        await using var reader = await Command(sql, values).ExecuteReaderAsync(cancellationToken);
        return await reader.ReadAsync(cancellationToken) ? (Number(reader, 0), Number(reader, 1)) : null;
    }

    /// <summary>The entries of a page; see <see cref="RelationalTable.ReadPageAsync"/>.</summary>
    public async ValueTask<EntryPage> ReadPageAsync(
        string sql, IReadOnlyList<object?> values, PageQuery query, CancellationToken cancellationToken)
    {
        await using var reader = await Command(sql, values).ExecuteReaderAsync(cancellationToken);
        return await RelationalTable.ReadPageAsync(reader, query, cancellationToken);
    }

    /// <summary>All rows.</summary>
    public async ValueTask<List<TRow>> ListAsync<TRow>(
        string sql, IReadOnlyList<object?> values, Func<DbDataReader, TRow> read, CancellationToken cancellationToken)
    {
        var rows = new List<TRow>();
        await using var reader = await Command(sql, values).ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Forget();
        direct?.Dispose();
        if (transaction is null)
        {
            await connection.DisposeAsync();
        }
    }

    private static long Number(DbDataReader row, int column) =>
        column < row.FieldCount && !row.IsDBNull(column) ? row.GetInt64(column) : 0;

    private static bool TryFindNumbers(
        IDirectStatements direct, string sql, IReadOnlyList<object?> values, out (long, long)? found)
    {
        Span<long> numbers = stackalloc long[2];
        var isFound = direct.TryFind(sql, values, numbers);
        found = isFound == true ? (numbers[0], numbers[1]) : null;
        return isFound is not null;
    }

    private DbCommand Command(string sql, IReadOnlyList<object?> values)
    {
        // The rows of a batch are written by one statement: its text need not be hashed for each of them.
        var command = ReferenceEquals(sql, _lastSql) ? _lastCommand : null;
        if (command is null && !_commands.TryGetValue(sql, out command))
        {
            if (_commands.Count == CommandsMax)
            {
                Forget();
            }

            command = connection.CreateCommand();
            // Made of our own names and of parameters; nothing that a caller gave is part of it.
#pragma warning disable CA2100
            command.CommandText = sql;
#pragma warning restore CA2100
            command.Transaction = transaction;
            for (var index = 0; index < values.Count; index++)
            {
                var parameter = command.CreateParameter();
                parameter.ParameterName = $"@p{index}";
                command.Parameters.Add(parameter);
            }

            _commands.Add(sql, command);
        }

        (_lastSql, _lastCommand) = (sql, command);
        for (var index = 0; index < values.Count; index++)
        {
            command.Parameters[index].Value = values[index] ?? DBNull.Value;
        }

        return command;
    }

    private void Forget()
    {
        foreach (var command in _commands.Values)
        {
            command.Dispose();
        }

        _commands.Clear();
        (_lastSql, _lastCommand) = (null, null);
    }
}
