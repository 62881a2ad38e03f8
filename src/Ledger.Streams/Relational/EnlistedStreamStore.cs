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

    private RelationalSession Session
    {
        get
        {
            // A driver may go on without a transaction that is over, and what is done then would be nobody's; but it
            // refuses to say the level of one.
            _ = transaction.IsolationLevel;
            return _session ?? throw new InvalidOperationException("The transaction is over, or was closed.");
        }
    }

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

    internal override ValueTask<string?> UuidAsync(RelationalSession session, CancellationToken cancellationToken) =>
        store.UuidAsync(session, cancellationToken);

    private protected override ValueTask<IReadOnlyList<AppendResult>> AppendCoreAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken) =>
        ReadCoreAsync(
            session => store.AppendEnlistedAsync(session, transaction, appends, cancellationToken), cancellationToken);

    private protected override async ValueTask OpenCoreAsync(CancellationToken cancellationToken)
    {
        await store.EnsureCreatedAsync(cancellationToken);
        Table = store.Table;
        var connection = transaction.Connection
            ?? throw new InvalidOperationException("The transaction to enlist in is over.");
        _session = new RelationalSession(connection, transaction);
        var uuid = await store.ReadCoreAsync(
            session => store.UuidAsync(session, cancellationToken), cancellationToken);
        if (await store.UuidAsync(_session, cancellationToken) != uuid)
        {
            throw new InvalidOperationException(
                $"The transaction to enlist in is not of the database that store '{Name}' is in.");
        }
    }

    private protected override ValueTask CloseCoreAsync() => _session?.DisposeAsync() ?? ValueTask.CompletedTask;
}
