using System.Data.Common;
using Ledger.Runtime;

namespace Ledger.Streams.Relational;

/// <summary>A store in a transaction of the caller's.</summary>
/// <param name="store">The store.</param>
/// <param name="transaction">The caller's.</param>
internal sealed class EnlistedStreamStore(RelationalStreamStore store, DbTransaction transaction)
    : RelationalStreamStore(store.Name, store.Runtime)
{
    private const StreamStoreCapabilities Lacking = StreamStoreCapabilities.Push | StreamStoreCapabilities.Consumers |
        StreamStoreCapabilities.Enlist | StreamStoreCapabilities.MutationLogSource;

    private RelationalSession? _session;

    /// <inheritdoc/>
    public override StreamStoreCapabilities Capabilities => store.Capabilities & ~Lacking;

    internal override string Backend => store.Backend;

    private RelationalSession Session => _session
        ?? throw new InvalidOperationException("The transaction is over, or was closed.");

    /// <inheritdoc/>
    public override IStreamStore Enlist(DbTransaction transaction) =>
        throw new NotSupportedByStoreException(Name, StreamStoreCapabilities.Enlist);

    internal override async ValueTask<TResult> ReadCoreAsync<TResult>(
        Func<RelationalSession, ValueTask<TResult>> work, CancellationToken cancellationToken)
    {
        try
        {
            return await work(Session);
        }
        catch (DbException error) when (store.Wrap(error) is { } wrapped)
        {
            throw wrapped;
        }
    }

    internal override ValueTask<TResult> WriteCoreAsync<TResult>(
        Func<RelationalSession, ValueTask<TResult>> work, bool isHeard, CancellationToken cancellationToken) =>
        ReadCoreAsync(work, cancellationToken);

    internal override ValueTask<long> NowMsAsync(RelationalSession session) => store.NowMsAsync(session);

    internal override LedgerException? Wrap(DbException error) => store.Wrap(error);

    private protected override async ValueTask OpenCoreAsync(CancellationToken cancellationToken)
    {
        await store.EnsureCreatedAsync(cancellationToken);
        Table = store.Table;
        var connection = transaction.Connection
            ?? throw new InvalidOperationException("The transaction to enlist in is over.");
        _session = new RelationalSession(connection, transaction);
        var uuids = await store.ReadCoreAsync(session => UuidAsync(session, cancellationToken), cancellationToken);
        if (await UuidAsync(_session, cancellationToken) != uuids)
        {
            throw new InvalidOperationException(
                $"The transaction to enlist in is not of the database that store '{Name}' is in.");
        }
    }

    private protected override ValueTask CloseCoreAsync() => Session.DisposeAsync();

    // The database's own, and the store's: a copy of the file is another database once it has gone its own way.
    private async ValueTask<string?> UuidAsync(RelationalSession session, CancellationToken cancellationToken)
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
}
