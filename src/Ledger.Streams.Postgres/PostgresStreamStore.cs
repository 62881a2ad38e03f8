using System.Data;
using System.Data.Common;
using System.Globalization;
using System.Net.Sockets;
using Ledger.Runtime;
using Ledger.Streams.Relational;
using Npgsql;

namespace Ledger.Streams.Postgres;

/// <summary>A store in a PostgreSQL database, which other stores, tables and processes may share.</summary>
/// <remarks>
/// Appends that wait together are committed together. What a caller's own transaction appends has its position when
/// somebody next appends or reads all streams; no transaction, however long, holds up anybody but those who append to
/// its streams. Reads must go to the primary server.
/// </remarks>
public sealed class PostgresStreamStore : RelationalStreamStore
{
    private static readonly TimeSpan HeldRetryDelay = TimeSpan.FromMilliseconds(20);

    private readonly PostgresStreamStoreOptions _options;
    private readonly PostgresConnections _connections;
    private readonly PostgresListener _listener;
    private readonly string _sender;
    private readonly Lock _gate = new();
    private readonly AsyncSignal _ended = new();
    private PostgresTable? _table;
    private PostgresPages? _pages;
    private PostgresWriter? _writer;
    private int _underWay;

    /// <summary>Prepares a store, which opens on first use.</summary>
    /// <param name="options">Which database and which store.</param>
    /// <param name="runtime">The seams; those of production when null.</param>
    /// <exception cref="ArgumentException">The options name no database, or two.</exception>
    public PostgresStreamStore(PostgresStreamStoreOptions options, LedgerRuntime? runtime = null)
        : base((options ?? throw new ArgumentNullException(nameof(options))).Store, runtime)
    {
        _options = options;
        _connections = new PostgresConnections(options);
        _sender = Runtime.NextUInt64().ToString("x16", CultureInfo.InvariantCulture);
        _listener = new PostgresListener(_connections, Committed, _sender, Runtime);
    }

    /// <inheritdoc/>
    public override StreamStoreCapabilities Capabilities =>
        StreamStoreCapabilities.AtomicBatch | StreamStoreCapabilities.AtomicAcrossStreams |
        StreamStoreCapabilities.Dedup | StreamStoreCapabilities.ExpectedEnd | StreamStoreCapabilities.Annotations |
        StreamStoreCapabilities.Push | StreamStoreCapabilities.Consumers | StreamStoreCapabilities.Enlist |
        (_options.FullText ? StreamStoreCapabilities.FullText : StreamStoreCapabilities.None);

    internal override string Backend => "postgresql";

    private PostgresTable Own
    {
        get
        {
            Invariant.Check(_table is not null);
            return _table;
        }
    }

    private PostgresPages Pages
    {
        get
        {
            Invariant.Check(_pages is not null);
            return _pages;
        }
    }

    private PostgresWriter Writer
    {
        get
        {
            Invariant.Check(_writer is not null);
            return _writer;
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The transaction holds the streams that it appends to and nothing else. What it reads of all streams does not
    /// have what it appended, which has no position yet.
    /// </remarks>
    public override IStreamStore Enlist(DbTransaction transaction)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        if (System.Transactions.Transaction.Current is not null)
        {
            throw new InvalidOperationException(
                "An ambient transaction is open; enlist in one of the connection's own.");
        }

        return transaction is NpgsqlTransaction
            ? new EnlistedStreamStore(this, transaction)
            : throw new ArgumentException("The transaction is not one of PostgreSQL.", nameof(transaction));
    }

    internal override IDisposable Listen() => _listener.Listen(Own.Channel);

    internal override async ValueTask<long> NowMsAsync(RelationalSession session) => await session.FindAsync(
        "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint", [], row => row.GetInt64(0),
        CancellationToken.None);

    internal override LedgerException? Wrap(DbException error) => PostgresErrors.Wrap(error, _connections.Where);

    internal override async ValueTask<string?> UuidAsync(
        RelationalSession session, CancellationToken cancellationToken) =>
        await session.FindAsync(
            "SELECT to_regclass(@p0) IS NOT NULL", [Own.Stores], row => row.GetBoolean(0), cancellationToken)
            ? await session.FindAsync(
                $"SELECT uuid FROM {Own.Stores} WHERE number = {Own.Number}", [], row => row.GetString(0),
                cancellationToken)
            : null;

    internal override ValueTask<TResult> ReadCoreAsync<TResult>(
        Func<RelationalSession, ValueTask<TResult>> work, CancellationToken cancellationToken) =>
        GuardAsync(() => Writer.RepeatAsync(
            async token =>
            {
                await using var connection = await _connections.OpenAsync(token);
                await using var session = new RelationalSession(connection);
                return await work(session);
            },
            cancellationToken));

    internal override ValueTask<TResult> WriteCoreAsync<TResult>(
        Func<RelationalSession, ValueTask<TResult>> work, bool isHeard, CancellationToken cancellationToken) =>
        GuardAsync(() => Writer.RepeatAsync(
            async token =>
            {
                await using var connection = await _connections.OpenAsync(token);
                await using var transaction = await connection.BeginTransactionAsync(
                    IsolationLevel.ReadCommitted, token);
                await using var session = new RelationalSession(connection);
                var timeoutMs = Math.Max(1, (long)_options.WriteTimeout.TotalMilliseconds);
                await session.ExecuteAsync(
                    string.Create(CultureInfo.InvariantCulture, $"SET LOCAL lock_timeout = {timeoutMs}"),
                    CancellationToken.None);
                var result = await work(session);
                await PostgresWriter.CommitAsync(transaction);
                return result;
            },
            cancellationToken));

    internal override async ValueTask<IReadOnlyList<AppendResult>> AppendEnlistedAsync(
        RelationalSession session, DbTransaction transaction, IReadOnlyList<StreamAppend> appends,
        CancellationToken cancellationToken)
    {
        var connection = (NpgsqlConnection)(transaction.Connection
            ?? throw new InvalidOperationException("The transaction is over, or was closed."));
        while (true)
        {
            var append = new PostgresAppend(connection, Own);
            await append.LockAllAsync(appends, cancellationToken);

            // From here on it is done whole: the caller may commit after a cancellation.
            var decision = append.Decide(appends);
            if (await append.CreateStreamsAsync(isGroup: false, CancellationToken.None))
            {
                await append.WriteWaitingAsync(CancellationToken.None);
                return decision.Results(append.Ids);
            }
        }
    }

    private protected override async ValueTask OpenCoreAsync(CancellationToken cancellationToken)
    {
        await GuardAsync(async () =>
        {
            await using var connection = await _connections.OpenAsync(cancellationToken);
            _table = await new PostgresLayout(_options, _connections.Where, Runtime)
                .OpenAsync(connection, cancellationToken);
            return true;
        });
        Table = Own.Shared;
        _pages = new PostgresPages(_connections, Own);
        _writer = new PostgresWriter(_connections, Own, _sender, _options.WriteTimeout, Runtime);
    }

    private protected override async ValueTask CloseCoreAsync()
    {
        while (true)
        {
            var seen = _ended.Version;
            lock (_gate)
            {
                if (_underWay == 0)
                {
                    break;
                }
            }

            await _ended.WaitAsync(seen, CancellationToken.None);
        }

        await _listener.DisposeAsync();
        await _connections.DisposeAsync();
    }

    private protected override ValueTask CloseUnopenedCoreAsync() => _connections.DisposeAsync();

    private protected override async ValueTask<IReadOnlyList<AppendResult>> AppendCoreAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        try
        {
            return await GuardAsync(() => Writer.AppendAsync(appends, cancellationToken));
        }
        finally
        {
            // Also after a failure: a commit of unknown outcome may have come to be.
            Committed.Pulse();
        }
    }

    private protected override async ValueTask<EntryPage> ReadPageCoreAsync(
        PageQuery query, CancellationToken cancellationToken)
    {
        ValueTask<(bool IsWaiting, EntryPage Page)> ReadAsync() =>
            GuardAsync(() => Writer.RepeatAsync(token => Pages.ReadAsync(query, token), cancellationToken));
        var (isWaiting, page) = await ReadAsync();
        if (isWaiting && query.IsFullText)
        {
            await IndexWordsAsync(cancellationToken);
        }
        else if (isWaiting && page.IsLast && query is { ByPosition: true, Through: null })
        {
            await StampAsync(cancellationToken);
        }
        else
        {
            return page;
        }

        return (await ReadAsync()).Page;
    }

    private protected override async ValueTask<EntryId> GetEndCoreAsync(
        string? stream, bool byPosition, CancellationToken cancellationToken)
    {
        if (stream is null && !byPosition)
        {
            // Ids run ahead of positions: those of duplicates and of what was rolled back are used up.
            return await ReadCoreAsync(
                async session => EntryId.Of(await session.FindAsync(
                    Own.FindLastId, [], row => row.GetInt64(0), cancellationToken)),
                cancellationToken);
        }

        if (byPosition)
        {
            var (last, isWaiting) = await ReadCoreAsync(
                session => session.FindAsync(
                    Own.FindEnd, [], row => (row.GetInt64(0), row.GetBoolean(1)), cancellationToken),
                cancellationToken);
            if (!isWaiting)
            {
                return EntryId.Of(last);
            }

            await StampAsync(cancellationToken);
        }

        return await base.GetEndCoreAsync(stream, byPosition, cancellationToken);
    }

    /// <summary>Gives words to what was written by those who did not know that they are indexed.</summary>
    private ValueTask<bool> IndexWordsAsync(CancellationToken cancellationToken) => ReadCoreAsync(
        async session =>
        {
            await PostgresWords.FillAsync(session, Own, cancellationToken);
            return true;
        },
        cancellationToken);

    /// <summary>Gives positions to what waits for them.</summary>
    private async ValueTask StampAsync(CancellationToken cancellationToken)
    {
        var isWaiting = await ReadCoreAsync(
            session => session.FindAsync(Own.HasWaiting, [], row => row.GetBoolean(0), cancellationToken),
            cancellationToken);
        if (isWaiting && !await GuardAsync(() => Writer.StampAsync(cancellationToken)))
        {
            // Whoever follows must look again, although nobody may say when the other transaction has ended.
            _ = PulseLaterAsync();
        }
    }

    private async Task PulseLaterAsync()
    {
        await Runtime.Delay(HeldRetryDelay, CancellationToken.None);
        Committed.Pulse();
    }

    private async ValueTask<TResult> GuardAsync<TResult>(Func<ValueTask<TResult>> work)
    {
        lock (_gate)
        {
            _underWay++;
        }

        try
        {
            return await work();
        }
        catch (Exception error) when (error is DbException or SocketException
            && PostgresErrors.Wrap(error, _connections.Where) is { } wrapped)
        {
            throw wrapped;
        }
        finally
        {
            lock (_gate)
            {
                _underWay--;
            }

            _ended.Pulse();
        }
    }
}
