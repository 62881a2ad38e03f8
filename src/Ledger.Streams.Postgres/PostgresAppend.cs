using System.Data.Common;
using System.Runtime.InteropServices;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams.Relational;
using Npgsql;
using NpgsqlTypes;

namespace Ledger.Streams.Postgres;

/// <summary>Appends inside one transaction: holds the streams, decides, and writes.</summary>
/// <remarks>
/// Own appends take two round trips: the first begins the transaction, holds the streams and asks what must be known,
/// the second takes the store's counter, writes and commits. Those inside a foreign transaction never touch the
/// counter: docs/formats/streams-postgres.md, "How entries are written".
/// </remarks>
/// <param name="connection">In a transaction of the caller's, or in none.</param>
/// <param name="table">The store.</param>
internal sealed class PostgresAppend(NpgsqlConnection connection, PostgresTable table)
{
    /// <summary>How long a group waits for a stream that another transaction is just making.</summary>
    private const string CreationTimeout = "50ms";

    private readonly AppendPlan _plan = new();
    private readonly List<long> _ids = [];
    private bool _isSomethingWaiting;

    /// <summary>How long own transactions wait for locks, as the server takes it; null in a foreign one.</summary>
    public string? LockTimeout { get; init; }

    /// <summary>Who tells of the commit; empty in a foreign transaction.</summary>
    public string Sender { get; init; } = "";

    /// <summary>The ids of what was written, by place.</summary>
    public IReadOnlyList<long> Ids => _ids;

    /// <summary>
    /// Begins a transaction, locks the streams that nobody holds, makes those that may be made, and looks for
    /// duplicates.
    /// </summary>
    /// <param name="appends">Of the whole group.</param>
    /// <param name="mayBeMade">
    /// Streams that get an entry in any case when they are missing: a stream that was made must not stay empty.
    /// </param>
    /// <returns>The names of streams that somebody else holds.</returns>
    public ValueTask<HashSet<string>> BeginGroupAsync(
        IReadOnlyList<StreamAppend> appends, string[] mayBeMade) =>
        LockAsync(appends, mayBeMade, CancellationToken.None);

    /// <summary>Locks the streams, waits for those who hold them, and looks for duplicates.</summary>
    /// <remarks>Begins a transaction, unless it is the caller's.</remarks>
    public async ValueTask LockAllAsync(IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        var held = await LockAsync(appends, null, cancellationToken);
        Invariant.Check(held.Count == 0);
    }

    /// <inheritdoc cref="AppendPlan.Decide"/>
    public AppendPlan.Decision Decide(IReadOnlyList<StreamAppend> appends) => _plan.Decide(appends);

    /// <summary>Makes the streams that get their first entries and are not made yet.</summary>
    /// <param name="isGroup">Whether others would wait as well when somebody is just making one of them.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>False when somebody else has made one of them meanwhile: then all must be decided again.</returns>
    public async ValueTask<bool> CreateStreamsAsync(bool isGroup, CancellationToken cancellationToken)
    {
        var missing = _plan.Written.Where(stream => stream.Key == 0)
            .ToDictionary(stream => stream.Name, StringComparer.Ordinal);
        if (missing.Count == 0)
        {
            return true;
        }

        await using var batch = new NpgsqlBatch(connection);
        if (isGroup)
        {
            Add(batch, $"SET LOCAL lock_timeout = '{CreationTimeout}'");
        }

        Add(batch, table.InsertStreams, Texts([.. missing.Keys]));
        if (isGroup && LockTimeout is { } timeout)
        {
            Add(batch, $"SET LOCAL lock_timeout = '{timeout}'");
        }

        var made = 0;
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        for (; await reader.ReadAsync(cancellationToken); made++)
        {
            missing[reader.GetString(0)].Key = reader.GetInt64(1);
        }

        return made == missing.Count;
    }

    /// <summary>Writes what was decided, with positions, and commits: one round trip, never cancelled.</summary>
    /// <exception cref="NpgsqlException">Nothing is written.</exception>
    /// <exception cref="OutcomeUnknownException">
    /// The connection was lost before the server had answered: what was to be written is there whole, or not at all.
    /// </exception>
    public async ValueTask CommitAsync()
    {
        await using var batch = new NpgsqlBatch(connection);
        if (_plan.Entries.Count > 0)
        {
            if (_isSomethingWaiting)
            {
                // Entries of foreign transactions wait for their positions: they come first.
                Add(batch, table.LockCounter);
                Add(batch, table.Stamp);
            }

            Add(
                batch, _isSomethingWaiting ? table.WriteUnlessBehindWaiting : table.Write,
                [.. Rows(), new NpgsqlParameter<long> { TypedValue = _plan.Entries.Count }]);
        }

        Add(batch, "COMMIT");
        try
        {
            await using var reader = await batch.ExecuteReaderAsync(CancellationToken.None);
            if (_plan.Entries.Count > 0)
            {
                if (_isSomethingWaiting)
                {
                    await reader.NextResultAsync(CancellationToken.None);
                }

                await ReadIdsAsync(reader, CancellationToken.None);
            }

            // To the answer of the commit itself: a reader that is only closed keeps its errors to itself.
            while (await reader.NextResultAsync(CancellationToken.None))
            {
            }
        }
        catch (DbException error) when (MayBeCommitted(error))
        {
            throw new OutcomeUnknownException("The database went away during a commit.", error);
        }

        Invariant.Check(_ids.Count == _plan.Entries.Count);
    }

    /// <summary>Writes what was decided, without positions, and tells those who listen when it is committed.</summary>
    public async ValueTask WriteWaitingAsync(CancellationToken cancellationToken)
    {
        if (_plan.Entries.Count == 0)
        {
            return;
        }

        await using var batch = new NpgsqlBatch(connection);
        Add(batch, table.WriteWaiting, Rows());
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        await ReadIdsAsync(reader, cancellationToken);
        Invariant.Check(_ids.Count == _plan.Entries.Count);
    }

    private async ValueTask<HashSet<string>> LockAsync(
        IReadOnlyList<StreamAppend> appends, string[]? mayBeMade, CancellationToken cancellationToken)
    {
        string[] names = [.. appends.Select(append => append.Stream).Distinct(StringComparer.Ordinal)];
        var keys = appends.SelectMany(append => append.Entries
            .Where(entry => entry.DedupKey is not null)
            .Select(entry => (append.Stream, Key: entry.DedupKey ?? ""))).Distinct().ToArray();
        await using var batch = new NpgsqlBatch(connection);
        var isOwn = LockTimeout is not null;
        if (isOwn)
        {
            Add(batch, "BEGIN ISOLATION LEVEL READ COMMITTED");
            _ = mayBeMade is null
                ? Add(batch, table.BeginOwn, Text(LockTimeout))
                : Add(batch, table.BeginGroup, Text(CreationTimeout));
        }
        else if (table.BeginForeign is { } begin)
        {
            Add(batch, begin);
        }

        _ = mayBeMade is null
            ? Add(batch, table.FindStreams, Texts(names))
            : Add(batch, table.FindFreeStreams, Texts(names), Texts(mayBeMade), Texts([.. names.Except(mayBeMade)]));
        if (keys.Length > 0)
        {
            if (isOwn)
            {
                Add(batch, "SET LOCAL plan_cache_mode = auto");
            }

            Add(
                batch, table.FindDuplicates, Texts([.. keys.Select(key => key.Stream)]),
                Texts([.. keys.Select(key => key.Key)]));
        }

        if (isOwn)
        {
            Add(batch, table.HasWaitingThenTimeout, Text(LockTimeout));
        }

        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        if (isOwn)
        {
            await reader.NextResultAsync(cancellationToken);
        }

        var held = await ReadStreamsAsync(reader, mayBeMade ?? [], cancellationToken);
        if (keys.Length > 0)
        {
            await reader.NextResultAsync(cancellationToken);
            while (await reader.ReadAsync(cancellationToken))
            {
                _plan.AddDuplicate(reader.GetString(0), reader.GetString(1), reader.GetInt64(2));
            }
        }

        if (isOwn)
        {
            await reader.NextResultAsync(cancellationToken);
            await reader.ReadAsync(cancellationToken);
            _isSomethingWaiting = reader.GetBoolean(0);
            table.HasFullText = reader.GetBoolean(1);
        }

        return held;
    }

    // What could be made and is neither ours nor new is somebody else's, who may have made it only now.
    private async ValueTask<HashSet<string>> ReadStreamsAsync(
        NpgsqlDataReader reader, string[] mayBeMade, CancellationToken cancellationToken)
    {
        var held = new HashSet<string>(mayBeMade, StringComparer.Ordinal);
        var own = new List<string>();
        while (await reader.ReadAsync(cancellationToken))
        {
            var name = reader.GetString(0);
            if (reader.IsDBNull(2))
            {
                if (!reader.IsDBNull(1))
                {
                    held.Add(name);
                }
            }
            else
            {
                own.Add(name);
                _plan.AddStream(name, reader.GetInt64(1), reader.GetInt64(2));
            }
        }

        held.ExceptWith(own);
        return held;
    }

    /// <summary>Whether a batch that ends with the commit failed so that nobody knows what became of it.</summary>
    /// <remarks>
    /// Answers come in the order of the commands, and the server ends a statement that writes before it sends its first
    /// row: an error that it tells before any id is one of a command before the commit, which was left out then.
    /// </remarks>
    private bool MayBeCommitted(DbException error) =>
        _plan.Entries.Count > 0 && PostgresErrors.IsAway(error) && (error is not PostgresException || _ids.Count > 0);

    private async ValueTask ReadIdsAsync(NpgsqlDataReader reader, CancellationToken cancellationToken)
    {
        while (await reader.ReadAsync(cancellationToken))
        {
            _ids.Add(reader.GetInt64(0));
        }
    }

    private NpgsqlParameter[] Rows()
    {
        var entries = _plan.Entries;
        T[] Column<T>(Func<NewEntry, T> of) => [.. entries.Select(item => of(item.Entry))];
        return
        [
            new NpgsqlParameter<long[]>
            {
                TypedValue = [.. entries.Select(item => item.Stream.Key)],
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint,
            },
            new NpgsqlParameter<byte[][]>
            {
                TypedValue = Column(entry => BytesOf(entry.Payload)),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bytea,
            },
            Texts(Column(entry => entry.OrderKey)),
            Texts(Column(entry => entry.DedupKey)),
            Texts(Column(entry => entry.SourceId)),
            new NpgsqlParameter<int[]>
            {
                TypedValue = Column(entry => entry.SchemaVersion),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Integer,
            },
            Texts(Column(entry => RelationalText.Of(entry.Metadata))),
            Texts(Column(entry => RelationalText.Of(entry.Tags))),
            Texts(Column(entry => PostgresText.Clean(entry.SearchText?.ToUpperInvariant()))),
            Texts(Column(Words)),
            new NpgsqlParameter<long?[]>
            {
                TypedValue = Column(entry => entry.CreatedAt?.ToUnixTimeMilliseconds()),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint,
            },
            Text(table.Channel),
            Text(Sender),
        ];
    }

    // Text without a single word has words all the same, none: what has NULL was not looked at.
    private string? Words(NewEntry entry) => table.HasFullText && entry.SearchText is { } text
        ? PostgresText.Words(PostgresText.Clean(text)) ?? "" : null;

    private static NpgsqlBatchCommand Add(NpgsqlBatch batch, string sql, params NpgsqlParameter[] parameters)
    {
        // Made of our own names and of parameters; nothing that a caller gave is part of it.
#pragma warning disable CA2100
        var command = new NpgsqlBatchCommand(sql);
#pragma warning restore CA2100
        foreach (var parameter in parameters)
        {
            command.Parameters.Add(parameter);
        }

        batch.BatchCommands.Add(command);
        return command;
    }

    private static NpgsqlParameter<string?[]> Texts(string?[] values) =>
        new() { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text };

    private static NpgsqlParameter<string?> Text(string? value) =>
        new() { TypedValue = value, NpgsqlDbType = NpgsqlDbType.Text };

    // A payload that is the whole of an array needs no copy, as nobody writes meanwhile.
    private static byte[] BytesOf(ReadOnlyMemory<byte> payload) =>
        MemoryMarshal.TryGetArray(payload, out var part) && part.Array is { } array && part.Count == array.Length
            ? array : payload.ToArray();
}
