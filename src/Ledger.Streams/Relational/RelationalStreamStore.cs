using System.Data.Common;
using Ledger.Runtime;
using Ledger.Streams.Consumers;

namespace Ledger.Streams.Relational;

/// <summary>What stores in relational databases share: one layout, and the statements on it.</summary>
public abstract class RelationalStreamStore : StreamStore
{
    private RelationalTable? _table;

    internal RelationalStreamStore(string name, LedgerRuntime? runtime)
        : base(name, runtime)
    {
    }

    /// <summary>The statements of the open store.</summary>
    internal RelationalTable Table
    {
        get
        {
            Invariant.Check(_table is not null);
            return _table;
        }
        set => _table = value;
    }

    /// <summary>
    /// A store whose calls use a connection and a transaction of the caller's: what it appends and changes is there
    /// when the caller commits, and not before.
    /// </summary>
    /// <param name="transaction">Open, on the database of this store; this store must have been opened before.</param>
    /// <returns>Used by one caller at a time until the transaction ends; without push and consumers.</returns>
    /// <exception cref="InvalidOperationException">A transaction is ambient, or of another database.</exception>
    public abstract IStreamStore Enlist(DbTransaction transaction);

    internal override async ValueTask<TResult> UpdateConsumerCoreAsync<TResult>(
        string name, ParkedPart part, Func<ConsumerRow, ConsumerUpdate<TResult>> change,
        CancellationToken cancellationToken) =>
        await WriteCoreAsync(
            async session =>
            {
                var row = await RelationalConsumers.FindAsync(session, Table, name, part, await NowMsAsync(session));
                var update = change(row);
                await RelationalConsumers.WriteAsync(session, Table, name, update);
                return update.Result;
            },
            isHeard: false,
            cancellationToken);

    internal override ValueTask<IReadOnlyList<ConsumerRow>> ListConsumersCoreAsync(
        CancellationToken cancellationToken) =>
        ReadCoreAsync(
            async session => await RelationalConsumers.ListAsync(
                session, Table, await NowMsAsync(session), cancellationToken),
            cancellationToken);

    /// <summary>Runs a read on a connection of its own.</summary>
    internal abstract ValueTask<TResult> ReadCoreAsync<TResult>(
        Func<RelationalSession, ValueTask<TResult>> work, CancellationToken cancellationToken);

    /// <summary>Runs a change in a transaction that nothing else of the store runs beside.</summary>
    /// <param name="work">Throws before it writes, or a database error: then all of it is undone.</param>
    /// <param name="isHeard">Whether subscribers are woken when it is committed.</param>
    /// <param name="cancellationToken">Cancels the wait before it begins.</param>
    internal abstract ValueTask<TResult> WriteCoreAsync<TResult>(
        Func<RelationalSession, ValueTask<TResult>> work, bool isHeard, CancellationToken cancellationToken);

    /// <summary>The store's clock, in milliseconds since the Unix epoch.</summary>
    internal abstract ValueTask<long> NowMsAsync(RelationalSession session);

    /// <summary>The driver's error as ours; null when it says nothing of the database or the connection.</summary>
    internal abstract LedgerException? Wrap(DbException error);

    private protected override async ValueTask CheckHealthCoreAsync(CancellationToken cancellationToken) =>
        await ReadCoreAsync(
            session => session.FindAsync(Table.FindLast, [], row => row.GetInt64(0), cancellationToken),
            cancellationToken);

    private protected override ValueTask<IReadOnlyList<AppendResult>> AppendCoreAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken) =>
        WriteCoreAsync(
            async session => await new RelationalAppend(session, Table, await NowMsAsync(session))
                .RunAsync(appends, CancellationToken.None),
            isHeard: true,
            cancellationToken);

    /// <summary>Appends in a transaction of the caller's.</summary>
    internal virtual async ValueTask<IReadOnlyList<AppendResult>> AppendEnlistedAsync(
        RelationalSession session, DbTransaction transaction, IReadOnlyList<StreamAppend> appends,
        CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await session.ExecuteAsync("SAVEPOINT ledger_append", CancellationToken.None);
        var isDone = false;
        try
        {
            var results = await new RelationalAppend(session, Table, await NowMsAsync(session))
                .RunAsync(appends, CancellationToken.None);
            await session.ExecuteAsync("RELEASE ledger_append", CancellationToken.None);
            isDone = true;
            return results;
        }
        finally
        {
            if (!isDone)
            {
                await UndoAsync(session);
            }
        }
    }

    /// <summary>
    /// Takes back what an append did: the caller may commit what else there is, and nothing of it may be in that.
    /// </summary>
    private static async ValueTask UndoAsync(RelationalSession session)
    {
        try
        {
            await session.ExecuteAsync("ROLLBACK TO ledger_append", CancellationToken.None);
            await session.ExecuteAsync("RELEASE ledger_append", CancellationToken.None);
        }
        catch (Exception error) when (error is DbException or InvalidOperationException)
        {
            // After some errors, as that of a full disk, the database has undone the whole transaction by itself.
        }
    }

    /// <summary>The store's identity as a connection sees it; null in a database without it.</summary>
    /// <remarks>Never an error of the database, which would end a transaction of the caller's.</remarks>
    internal abstract ValueTask<string?> UuidAsync(RelationalSession session, CancellationToken cancellationToken);

    private protected override ValueTask<EntryPage> ReadPageCoreAsync(
        PageQuery query, CancellationToken cancellationToken)
    {
        if (Table.Page(query) is not { } page)
        {
            return new(new EntryPage([], true));
        }

        return ReadCoreAsync(
            session => session.ReadPageAsync(page.Sql, page.Values, query, cancellationToken),
            cancellationToken);
    }

    private protected override ValueTask<EntryId> GetEndCoreAsync(
        string? stream, bool byPosition, CancellationToken cancellationToken) =>
        ReadCoreAsync(
            async session => EntryId.Of(stream is null
                ? await session.FindAsync(Table.FindLast, [], row => row.GetInt64(0), cancellationToken)
                : await session.FindAsync(Table.FindStream, [stream], row => row.GetInt64(1), cancellationToken)),
            cancellationToken);

    private protected override ValueTask<Entry?> FindCoreAsync(EntryId id, CancellationToken cancellationToken) =>
        id.TryGetInt64(out var number)
            ? ReadCoreAsync(
                session => session.FindAsync(Table.FindEntry, [number], RelationalTable.Read, cancellationToken),
                cancellationToken)
            : new((Entry?)null);

    private protected override ValueTask<Entry?> FindBySourceIdCoreAsync(
        string stream, string sourceId, CancellationToken cancellationToken) =>
        ReadCoreAsync(
            session => session.FindAsync(
                Table.FindSource, [stream, sourceId], RelationalTable.Read, cancellationToken),
            cancellationToken);

    private protected override async ValueTask SetTagsCoreAsync(
        string stream, EntryId id, IReadOnlyList<string> tags, CancellationToken cancellationToken)
    {
        var changed = await WriteCoreAsync(
            async session => id.TryGetInt64(out var number)
                ? await session.ExecuteAsync(
                    Table.SetTags, [stream, number, RelationalText.Of(tags), await NowMsAsync(session)],
                    CancellationToken.None)
                : 0,
            isHeard: false,
            cancellationToken);
        if (changed == 0)
        {
            throw new EntryNotFoundException(stream, id);
        }
    }

    private protected override async ValueTask SetAnnotationsCoreAsync(
        string stream, EntryId id, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken) =>
        await WriteCoreAsync(
            async session =>
            {
                var before = id.TryGetInt64(out var number)
                    ? await session.FindAsync(
                        Table.FindAnnotations, [stream, number], row => RelationalText.ReadPairs(row, 0),
                        CancellationToken.None)
                    : null;
                if (before is null)
                {
                    throw new EntryNotFoundException(stream, id);
                }

                var merged = AnnotationMerge.Apply(before, changes);
                return await session.ExecuteAsync(
                    Table.SetAnnotations, [number, RelationalText.Of(merged), await NowMsAsync(session)],
                    CancellationToken.None);
            },
            isHeard: false,
            cancellationToken);

    private protected override ValueTask<long> TrimCoreAsync(
        string stream, EntryId throughInclusive, CancellationToken cancellationToken) =>
        WriteCoreAsync(
            async session =>
            {
                throughInclusive.TryGetInt64(out var through);
                var (key, end) = await session.FindNumbersAsync(
                    Table.LockStream, [stream], CancellationToken.None) ?? default;
                if (key == 0)
                {
                    return 0L;
                }

                var (last, fullText) = await session.FindNumbersAsync(
                    Table.FindLast, [], CancellationToken.None) ?? default;
                if (Table.HasWords(fullText))
                {
                    await session.ExecuteAsync(Table.DeleteWords, [key, through], CancellationToken.None);
                }

                if (Table.CountsLate)
                {
                    // What is deleted no longer tells of the count, of the end and of the positions given out.
                    await session.ExecuteAsync(Table.UpdateStream, [key, end, 0], CancellationToken.None);
                    await session.ExecuteAsync(Table.SetLast, [last], CancellationToken.None);
                }

                var trimmed = await session.ExecuteAsync(Table.Trim, [key, through], CancellationToken.None);
                await session.ExecuteAsync(Table.UpdateStream, [key, end, -trimmed], CancellationToken.None);
                return trimmed;
            },
            isHeard: false,
            cancellationToken);

    private protected override async ValueTask RenameCoreAsync(
        string stream, string newName, CancellationToken cancellationToken) =>
        await WriteCoreAsync(
            async session =>
            {
                if (newName != stream && await KeyOfAsync(session, newName) != 0)
                {
                    throw new StreamExistsException(Name, newName);
                }

                var key = await KeyOfAsync(session, stream);
                if (key == 0)
                {
                    throw new StreamNotFoundException(Name, stream);
                }

                var renamed = await session.ExecuteAsync(
                    Table.RenameStream, [key, newName], CancellationToken.None);
                if (newName != stream && Table.MarkRename is { } marking)
                {
                    // Random, so that no state that was rolled back, or restored from a copy, has the same mark.
                    var mark = (long)(Runtime.NextUInt64() & RelationalDialect.RenameMarkMax);
                    await session.ExecuteAsync(marking, [mark], CancellationToken.None);
                }

                return renamed;
            },
            isHeard: false,
            cancellationToken);

    private protected override ValueTask<long> CountCoreAsync(string stream, CancellationToken cancellationToken) =>
        ReadCoreAsync(
            session => session.FindAsync(Table.FindStream, [stream], row => row.GetInt64(2), cancellationToken),
            cancellationToken);

    private protected override ValueTask<StreamInfo?> GetInfoCoreAsync(
        string stream, CancellationToken cancellationToken) =>
        ReadCoreAsync(
            async session =>
            {
                var (key, end, count) = await session.FindAsync(
                    Table.FindStream, [stream], row => (row.GetInt64(0), row.GetInt64(1), row.GetInt64(2)),
                    cancellationToken);
                if (key == 0)
                {
                    return null;
                }

                var ends = await session.ListAsync(
                    Table.Ends, [key], row => row.IsDBNull(0) ? (EntryId?)null : EntryId.Of(row.GetInt64(0)),
                    cancellationToken);
                return new StreamInfo(stream, count, ends[0], ends[1], EntryId.Of(end));
            },
            cancellationToken);

    private protected override ValueTask<IReadOnlyList<string>> ListCoreAsync(
        string? after, int limit, bool includeEmpty, CancellationToken cancellationToken) =>
        ReadCoreAsync<IReadOnlyList<string>>(
            async session => await session.ListAsync(
                Table.ListStreams(after is not null, includeEmpty), after is null ? [limit] : [limit, after],
                row => row.GetString(0), cancellationToken),
            cancellationToken);

    private ValueTask<long> KeyOfAsync(RelationalSession session, string stream) =>
        session.FindAsync(Table.LockStream, [stream], row => row.GetInt64(0), CancellationToken.None);
}
