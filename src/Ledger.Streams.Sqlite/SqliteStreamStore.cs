using System.Data.Common;
using System.Globalization;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams.Relational;
using Microsoft.Data.Sqlite;

namespace Ledger.Streams.Sqlite;

/// <summary>A store in a SQLite file, which other stores, tables and processes may share.</summary>
/// <remarks>
/// Write-ahead log, a flush for each commit; appends that wait together are committed together. The driver is
/// synchronous: a call holds its thread while the database works.
/// </remarks>
public sealed class SqliteStreamStore : RelationalStreamStore
{
    private const int ReadersMax = 4;

    // SQLite calls only a disk without space full. Beyond a quota, or the length that files may have, these come: what
    // cannot be put into the system's cache has no room; a disk that fails shows at the flush.
    private const int WriteFailed = SQLitePCL.raw.SQLITE_IOERR | (3 << 8);
    private const int SharedSizeFailed = SQLitePCL.raw.SQLITE_IOERR | (19 << 8);

    private readonly SqliteStreamStoreOptions _options;

    // A place for each connection that reads; empty until it is opened.
    private readonly AsyncQueue<RelationalSession?> _readers = new(ReadersMax);
    private readonly SqliteWatch _watch;
    private SqliteWriter? _writer;

    /// <summary>Prepares a store, which opens on first use.</summary>
    /// <param name="options">Which file and which store.</param>
    /// <param name="runtime">The seams; those of production when null.</param>
    public SqliteStreamStore(SqliteStreamStoreOptions options, LedgerRuntime? runtime = null)
        : base((options ?? throw new ArgumentNullException(nameof(options))).Store, runtime)
    {
        if (options.DataSource.Length == 0 || options.DataSource.Contains(":memory:", StringComparison.Ordinal))
        {
            throw new ArgumentException(
                "A store needs a file: in memory each connection would have a database of its own.", nameof(options));
        }

        _options = options;
        _watch = new SqliteWatch(Runtime, Committed, () => OpenSessionAsync(CancellationToken.None));
    }

    /// <inheritdoc/>
    public override StreamStoreCapabilities Capabilities =>
        StreamStoreCapabilities.AtomicBatch | StreamStoreCapabilities.AtomicAcrossStreams |
        StreamStoreCapabilities.Dedup | StreamStoreCapabilities.ExpectedEnd | StreamStoreCapabilities.Annotations |
        StreamStoreCapabilities.Push | StreamStoreCapabilities.Consumers | StreamStoreCapabilities.Enlist |
        (_options.FullText ? StreamStoreCapabilities.FullText : StreamStoreCapabilities.None);

    /// <summary>Checks for other processes' commits made so far.</summary>
    internal long WatchChecks => _watch.Checks;

    internal override string Backend => "sqlite";

    /// <inheritdoc/>
    /// <remarks>The transaction holds the file's one write lock: other writers wait until it ends.</remarks>
    public override IStreamStore Enlist(DbTransaction transaction)
    {
        ArgumentNullException.ThrowIfNull(transaction);
        if (System.Transactions.Transaction.Current is not null)
        {
            throw new InvalidOperationException(
                "An ambient transaction is open; enlist in one of the connection's own.");
        }

        return transaction is SqliteTransaction
            ? new EnlistedStreamStore(this, transaction)
            : throw new ArgumentException("The transaction is not one of SQLite.", nameof(transaction));
    }

    internal override IDisposable Listen() => _watch.Listen();

    internal override ValueTask<long> NowMsAsync(RelationalSession session) => new(Runtime.WallClockMs());

    internal override async ValueTask<string?> UuidAsync(
        RelationalSession session, CancellationToken cancellationToken)
    {
        try
        {
            return await session.FindAsync(
                $"SELECT uuid FROM {Table.Stores} WHERE number = {Table.Number}", [], row => row.GetString(0),
                cancellationToken);
        }
        catch (DbException)
        {
            // A database without our tables is another one.
            return null;
        }
    }

    internal override async ValueTask<TResult> ReadCoreAsync<TResult>(
        Func<RelationalSession, ValueTask<TResult>> work, CancellationToken cancellationToken)
    {
        var place = await _readers.DequeueAsync(cancellationToken);
        ObjectDisposedException.ThrowIf(place.IsEnd, this);
        var session = place.Item;
        try
        {
            session ??= await OpenSessionAsync(cancellationToken);
            return await work(session);
        }
        catch (DbException error) when (Wrap(error) is { } wrapped)
        {
            throw wrapped;
        }
        finally
        {
            await _readers.EnqueueAsync(session, CancellationToken.None);
        }
    }

    internal override async ValueTask<TResult> WriteCoreAsync<TResult>(
        Func<RelationalSession, ValueTask<TResult>> work, bool isHeard, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Invariant.Check(_writer is not null);
        var result = await _writer.RunAsync(work);
        if (isHeard)
        {
            Committed.Pulse();
        }

        return result;
    }

    internal override LedgerException? Wrap(DbException error)
    {
        if (error is not SqliteException sqlite)
        {
            return null;
        }

        var where = $"The database '{_options.DataSource}'";
        return (sqlite.SqliteErrorCode) switch
        {
            SQLitePCL.raw.SQLITE_BUSY or SQLitePCL.raw.SQLITE_LOCKED => new StoreUnavailableException(
                StoreUnavailableReason.Locked, $"{where} was locked for {_options.WriteTimeout}.", error),
            SQLitePCL.raw.SQLITE_FULL => Full(error),
            SQLitePCL.raw.SQLITE_IOERR when sqlite.SqliteExtendedErrorCode is WriteFailed or SharedSizeFailed =>
                Full(error),
            SQLitePCL.raw.SQLITE_READONLY => new StoreUnavailableException(
                StoreUnavailableReason.ReadOnly, $"{where} can only be read.", error),
            SQLitePCL.raw.SQLITE_NOTADB or SQLitePCL.raw.SQLITE_CORRUPT => new StoreUnavailableException(
                StoreUnavailableReason.NotARepository, $"{where} is damaged, or is not one of SQLite.", error),
            SQLitePCL.raw.SQLITE_CANTOPEN or SQLitePCL.raw.SQLITE_IOERR or SQLitePCL.raw.SQLITE_PERM =>
                SqlitePlace.Refusal(Runtime.Files, _options.DataSource, error),
            _ => null,
        };

        StoreUnavailableException Full(DbException error) =>
            new(StoreUnavailableReason.DiskFull, $"{where} has no space.", error);
    }

    private protected override async ValueTask OpenCoreAsync(CancellationToken cancellationToken)
    {
        SqliteLibrary.Initialize();
        for (var place = _readers.Count; place < ReadersMax; place++)
        {
            await _readers.EnqueueAsync(null, cancellationToken);
        }

        if (!_options.CreateIfMissing && !Path.Exists(_options.DataSource))
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Missing, $"There is no database '{_options.DataSource}'.");
        }

        try
        {
            var session = await OpenSessionAsync(cancellationToken);
            var isOpen = false;
            try
            {
                var layout = new SqliteLayout(_options, Runtime);
                if (!_options.CreateIfMissing)
                {
                    await layout.RequireAsync(session, cancellationToken);
                }

                await session.FindAsync("PRAGMA journal_mode = WAL", [], row => row.GetString(0), cancellationToken);
                Table = await layout.OpenAsync(session, cancellationToken);
                isOpen = true;
            }
            finally
            {
                if (!isOpen)
                {
                    await session.DisposeAsync();
                }
            }

            _writer = new SqliteWriter(session, Wrap);
        }
        catch (DbException error) when (Wrap(error) is { } wrapped)
        {
            throw wrapped;
        }
    }

    private protected override async ValueTask CloseCoreAsync()
    {
        await _watch.DisposeAsync();
        if (_writer is not null)
        {
            await _writer.DisposeAsync();
        }

        // All places taken: no read is under way.
        for (var place = 0; place < ReadersMax; place++)
        {
            if ((await _readers.DequeueAsync(CancellationToken.None)).Item is { } reader)
            {
                await reader.DisposeAsync();
            }
        }

        _readers.Complete();
    }

    private async ValueTask<RelationalSession> OpenSessionAsync(CancellationToken cancellationToken)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder
        {
            DataSource = _options.DataSource,
            Pooling = false,

            // In seconds, of the provider's own repeating, which is in vain where busy_timeout has given up.
            DefaultTimeout = 1,
        }.ToString());
        await connection.OpenAsync(cancellationToken);
        var session = new RelationalSession(connection, direct: new SqliteStatements(connection));
        var timeoutMs = ((long)_options.WriteTimeout.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        await session.ExecuteAsync($"PRAGMA busy_timeout = {timeoutMs}", cancellationToken);
        await session.ExecuteAsync("PRAGMA synchronous = FULL", cancellationToken);
        return session;
    }
}
