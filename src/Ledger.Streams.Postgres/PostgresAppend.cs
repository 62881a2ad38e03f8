using System.Runtime.InteropServices;
using Ledger.Runtime;
using Ledger.Streams.Relational;
using Npgsql;
using NpgsqlTypes;

namespace Ledger.Streams.Postgres;

/// <summary>Appends inside one transaction: holds the streams, decides, and writes.</summary>
/// <remarks>
/// Own appends take the store's counter as their last step before the commit, which is the caller's; those inside a
/// foreign transaction never touch it: docs/formats/streams-postgres.md, "How entries are written".
/// </remarks>
/// <param name="connection">In a transaction.</param>
/// <param name="table">The store.</param>
internal sealed class PostgresAppend(NpgsqlConnection connection, PostgresTable table)
{
    /// <summary>How long a group waits for a stream that another transaction is just making.</summary>
    private const string CreationTimeout = "SET LOCAL lock_timeout = '50ms'";

    private readonly AppendPlan _plan = new();
    private readonly List<long> _ids = [];

    /// <summary>How long own transactions wait for locks; null leaves it to the caller's settings.</summary>
    public string? LockTimeout { get; init; }

    /// <summary>Who tells of the commit; empty in a foreign transaction.</summary>
    public string Sender { get; init; } = "";

    /// <summary>The ids of what was written, by place.</summary>
    public IReadOnlyList<long> Ids => _ids;

    /// <summary>
    /// Locks the streams that nobody holds and looks for duplicates; gives the names of those that somebody holds.
    /// </summary>
    public ValueTask<HashSet<string>> LockFreeAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken) =>
        LockAsync(table.FindFreeStreams, appends, cancellationToken);

    /// <summary>Locks the streams, waits for those who hold them, and looks for duplicates.</summary>
    public async ValueTask LockAllAsync(IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        var held = await LockAsync(table.FindStreams, appends, cancellationToken);
        Invariant.Check(held.Count == 0);
    }

    /// <inheritdoc cref="AppendPlan.Decide"/>
    public AppendPlan.Decision Decide(IReadOnlyList<StreamAppend> appends) => _plan.Decide(appends);

    /// <summary>Makes the streams that get their first entries.</summary>
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
            Add(batch, CreationTimeout);
        }

        Add(batch, table.InsertStreams, Texts([.. missing.Keys]));
        if (isGroup && LockTimeout is { } timeout)
        {
            Add(batch, timeout);
        }

        var made = 0;
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        for (; await reader.ReadAsync(cancellationToken); made++)
        {
            missing[reader.GetString(0)].Key = reader.GetInt64(1);
        }

        return made == missing.Count;
    }

    /// <summary>Writes what was decided, with positions; the counter is held from here to the commit.</summary>
    public async ValueTask WriteAsync(CancellationToken cancellationToken)
    {
        if (_plan.Entries.Count == 0)
        {
            return;
        }

        var rows = Rows();
        if (await InsertAsync(table.InsertWhenNoneWaits, rows, isFirst: true, cancellationToken))
        {
            return;
        }

        // Entries of foreign transactions wait for their positions: they come first.
        if (!await InsertAsync(table.InsertWhenStreamsAreFree, rows, isFirst: false, cancellationToken))
        {
            // One of them is being changed at this moment, so that what follows it in its stream has to wait as well.
            await using var waiting = new NpgsqlBatch(connection);
            Add(waiting, table.InsertWaiting, rows);
            await waiting.ExecuteNonQueryAsync(cancellationToken);
        }
    }

    /// <summary>Writes what was decided, without positions, and tells those who listen when it is committed.</summary>
    public async ValueTask WriteWaitingAsync(CancellationToken cancellationToken)
    {
        if (_plan.Entries.Count == 0)
        {
            return;
        }

        await using var batch = new NpgsqlBatch(connection);
        Add(batch, table.InsertWaiting, Rows());
        AddStreams(batch);
        await batch.ExecuteNonQueryAsync(cancellationToken);
    }

    private async ValueTask<HashSet<string>> LockAsync(
        string find, IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        string[] names = [.. appends.Select(append => append.Stream).Distinct(StringComparer.Ordinal)];
        var keys = appends.SelectMany(append => append.Entries
            .Where(entry => entry.DedupKey is not null)
            .Select(entry => (append.Stream, Key: entry.DedupKey ?? ""))).Distinct().ToArray();
        await using var batch = new NpgsqlBatch(connection);
        if (LockTimeout is { } timeout)
        {
            Add(batch, timeout);
        }

        if (table.BeginWrite is { } begin)
        {
            Add(batch, begin);
        }

        // Ids are taken under the locks, so that they rise in each stream; those of duplicates are left out for good.
        Add(batch, find, Texts(names));
        var count = appends.Sum(append => append.Entries.Count);
        Add(batch, table.NextIds, new NpgsqlParameter<int> { TypedValue = count });
        if (keys.Length > 0)
        {
            Add(
                batch, table.FindDuplicates, Texts([.. keys.Select(key => key.Stream)]),
                Texts([.. keys.Select(key => key.Key)]));
        }

        var held = new HashSet<string>(StringComparer.Ordinal);
        await using var reader = await batch.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            if (reader.IsDBNull(2))
            {
                held.Add(reader.GetString(0));
            }
            else
            {
                _plan.AddStream(reader.GetString(0), reader.GetInt64(1), reader.GetInt64(2));
            }
        }

        await reader.NextResultAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
        {
            _ids.Add(reader.GetInt64(0));
        }

        if (await reader.NextResultAsync(cancellationToken))
        {
            while (await reader.ReadAsync(cancellationToken))
            {
                _plan.AddDuplicate(reader.GetString(0), reader.GetString(1), reader.GetInt64(2));
            }
        }

        return held;
    }

    private async ValueTask<bool> InsertAsync(
        string insert, NpgsqlParameter[] rows, bool isFirst, CancellationToken cancellationToken)
    {
        await using var batch = new NpgsqlBatch(connection);
        Add(batch, isFirst ? table.LockCounter : table.Stamp);
        var inserting = Add(batch, insert, rows);
        Add(
            batch, table.Count, new NpgsqlParameter<long> { TypedValue = _plan.Entries.Count },
            new NpgsqlParameter<long> { TypedValue = _ids[0] });
        if (isFirst)
        {
            AddStreams(batch);
        }

        await batch.ExecuteNonQueryAsync(cancellationToken);
        foreach (var command in batch.BatchCommands)
        {
            // The next batch has the same ones.
            command.Parameters.Clear();
        }

        Invariant.Check(inserting.RecordsAffected == 0 || inserting.RecordsAffected == _plan.Entries.Count);
        return inserting.RecordsAffected > 0;
    }

    private void AddStreams(NpgsqlBatch batch)
    {
        var streams = _plan.Written.ToArray();
        Add(
            batch, table.UpdateStreams, Longs([.. streams.Select(stream => stream.Key)]),
            Longs([.. streams.Select(stream => _ids[(int)~stream.End])]),
            Longs([.. streams.Select(stream => (long)stream.Added)]));

        // Within the transaction: a process that dies between its commit and a word about it leaves others unaware.
        Add(
            batch, "SELECT pg_notify($1, $2)", new NpgsqlParameter<string> { TypedValue = table.Channel },
            new NpgsqlParameter<string> { TypedValue = Sender });
    }

    private NpgsqlParameter[] Rows()
    {
        var entries = _plan.Entries;
        T[] Column<T>(Func<NewEntry, T> of) => [.. entries.Select(item => of(item.Entry))];
        return
        [
            Longs([.. _ids.Take(entries.Count)]),
            Longs([.. entries.Select(item => item.Stream.Key)]),
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
            Texts(Column(entry => table.HasFullText ? PostgresText.Words(PostgresText.Clean(entry.SearchText)) : null)),
            new NpgsqlParameter<long?[]>
            {
                TypedValue = Column(entry => entry.CreatedAt?.ToUnixTimeMilliseconds()),
                NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint,
            },
        ];
    }

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

    private static NpgsqlParameter<long[]> Longs(long[] values) =>
        new() { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Bigint };

    // A payload that is the whole of an array needs no copy, as nobody writes meanwhile.
    private static byte[] BytesOf(ReadOnlyMemory<byte> payload) =>
        MemoryMarshal.TryGetArray(payload, out var part) && part.Array is { } array && part.Count == array.Length
            ? array : payload.ToArray();
}
