using Ledger.Streams.Relational;
using Npgsql;
using NpgsqlTypes;

namespace Ledger.Streams.Postgres;

/// <summary>Reads pages of entries, with names of streams from memory where they still hold.</summary>
/// <remarks>
/// A row of another table for each entry, only for the name, would be half of what a page costs the server: a page of
/// all streams has their keys, and beside them the mark of renames as the same statement sees it
/// (<see cref="PostgresNames"/>).
/// </remarks>
/// <param name="connections">Where connections come from.</param>
/// <param name="table">The store.</param>
internal sealed class PostgresPages(PostgresConnections connections, PostgresTable table)
{
    /// <summary>Behind the columns of an entry: <see cref="PostgresTable.Mark"/>.</summary>
    private const int MarkColumn = 13;

    private readonly PostgresNames _names = new();

    /// <summary>One page of a read.</summary>
    /// <returns>
    /// The page, and, for one of all streams by position or of words, whether entries wait for their positions or for
    /// their words: as the page's own statement saw it, or an earlier one.
    /// </returns>
    public async ValueTask<(bool IsWaiting, EntryPage Page)> ReadAsync(
        PageQuery query, CancellationToken cancellationToken)
    {
        // What is given its position between a page and the question would be neither in the page nor waiting any
        // more, and nobody would look again: when there is no row to have the answer, the question comes first.
        var question = query.IsFullText ? table.HasUnindexed : null;
        var shape = query.Stream is not null ? Shape.OneStream : Shape.Keys;
        while (true)
        {
            var (isWaiting, entries, isWhole, isCertain) = await ReadAsync(query, question, shape, cancellationToken);
            if (!isCertain)
            {
                // A stream was renamed between the page and the names: now all in one statement.
                shape = Shape.Names;
            }
            else if (entries.Count == 0 && question is null && query is { ByPosition: true, Through: null })
            {
                question = table.HasWaiting;
            }
            else
            {
                return (isWaiting, new EntryPage(entries, isWhole && entries.Count < query.Limit));
            }
        }
    }

    private async ValueTask<(bool IsWaiting, List<Entry> Entries, bool IsWhole, bool IsCertain)> ReadAsync(
        PageQuery query, string? question, Shape shape, CancellationToken cancellationToken)
    {
        if (table.Page(query, shape is Shape.Names) is not { } page)
        {
            return (false, [], true, true);
        }

        await using var connection = await connections.OpenAsync(cancellationToken);
        await using var batch = new NpgsqlBatch(connection);
        if (question is not null)
        {
            batch.BatchCommands.Add(Command(question));
        }

        var command = Command(page.Sql);
        foreach (var value in page.Values)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = value ?? DBNull.Value });
        }

        batch.BatchCommands.Add(command);
        var rows = new Rows(query, shape, _names);
        var isWaiting = false;
        await using (var reader = await batch.ExecuteReaderAsync(cancellationToken))
        {
            if (question is not null)
            {
                await reader.ReadAsync(cancellationToken);
                isWaiting = reader.GetBoolean(0);
                await reader.NextResultAsync(cancellationToken);
            }

            await rows.ReadAsync(reader, cancellationToken);
        }

        var isCertain = rows.Unknown.Count == 0 || await FindNamesAsync(connection, rows, cancellationToken);
        return (question is null ? rows.IsWaiting : isWaiting, rows.Entries, rows.IsWhole, isCertain);
    }

    /// <summary>Asks for the names that are not known.</summary>
    /// <returns>False when they are not those that hold for the page.</returns>
    private async ValueTask<bool> FindNamesAsync(
        NpgsqlConnection connection, Rows rows, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        var command = Command(table.FindNames);
        command.Parameters.Add(new NpgsqlParameter<long[]>
        {
            TypedValue = [.. rows.Unknown.Select(unknown => unknown.Key).Distinct()],
            NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint,
        });
        batch.BatchCommands.Add(command);
        var names = new Dictionary<long, string>();
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            var (key, name, mark) = (reader.GetInt64(0), reader.GetString(1), reader.GetInt64(2));
            _names.Add(mark, key, name);
            if (mark != rows.Mark)
            {
                return false;
            }

            names[key] = name;
        }

        foreach (var (index, key) in rows.Unknown)
        {
            if (!names.TryGetValue(key, out var name))
            {
                return false;
            }

            rows.Entries[index] = rows.Entries[index] with { Stream = name };
        }

        return true;
    }

    private static NpgsqlBatchCommand Command(string sql)
    {
        // Made of our own names and of parameters; nothing that a caller gave is part of it.
#pragma warning disable CA2100
        return new NpgsqlBatchCommand(sql);
#pragma warning restore CA2100
    }

    /// <summary>What a row has in the place of its stream.</summary>
    private enum Shape
    {
        /// <summary>A key, of which the name is known: it was asked for.</summary>
        OneStream,

        /// <summary>A key.</summary>
        Keys,

        /// <summary>A name.</summary>
        Names,
    }

    /// <summary>The rows of a page while it is read.</summary>
    private sealed class Rows(PageQuery query, Shape shape, PostgresNames names)
    {
        public List<Entry> Entries { get; } = [];

        /// <summary>Places of entries whose streams' names are not known, and the streams' keys.</summary>
        public List<(int Index, long Key)> Unknown { get; } = [];

        public long Mark { get; private set; }

        public bool IsWaiting { get; private set; }

        /// <summary>False when it ends by its bytes.</summary>
        public bool IsWhole { get; private set; } = true;

        public async ValueTask ReadAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
        {
            var sizeBytes = 0L;
            PostgresNames.Known? known = null;
            while (await reader.ReadAsync(cancellationToken))
            {
                if (known is null && shape is not Shape.OneStream)
                {
                    var mark = reader.GetInt64(MarkColumn);
                    (Mark, IsWaiting) = (mark >> 1, (mark & 1) != 0);
                    known = names.At(Mark);
                }

                var entry = RelationalTable.Read(reader, StreamOf(reader, known));
                Entries.Add(entry);
                sizeBytes += entry.Payload.Length;
                if (sizeBytes >= query.BytesMax)
                {
                    IsWhole = false;
                    return;
                }
            }
        }

        private string StreamOf(NpgsqlDataReader reader, PostgresNames.Known? known)
        {
            if (query.Stream is { } name)
            {
                return name;
            }

            if (shape is Shape.Names)
            {
                return reader.GetString(RelationalTable.StreamColumn);
            }

            var key = reader.GetInt64(RelationalTable.StreamColumn);
            if (known?.Find(key) is { } remembered)
            {
                return remembered;
            }

            Unknown.Add((Entries.Count, key));
            return "";
        }
    }
}
