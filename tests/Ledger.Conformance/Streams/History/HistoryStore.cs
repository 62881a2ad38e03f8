using System.Data.Common;
using System.Text;
using Ledger.Streams;
using Ledger.Streams.Relational;

namespace Ledger.Conformance.Streams.History;

/// <summary>An entry as a reader saw it.</summary>
/// <param name="Stream">Its stream.</param>
/// <param name="Text">Its text, which no other entry has.</param>
/// <param name="Cursor">Where a reader goes on after it.</param>
internal sealed record Seen(string Stream, string Text, object Cursor);

/// <summary>What a history is made of: own appends, foreign transactions, and reading all after a cursor.</summary>
internal abstract class HistoryStore
{
    /// <summary>Appends and commits.</summary>
    public abstract Task AppendAsync(IReadOnlyList<(string Stream, string Text)> entries);

    /// <summary>Begins a transaction of an application's own.</summary>
    public abstract Task<ForeignTransaction> BeginAsync();

    /// <summary>At most as many entries after the cursor; null for the beginning.</summary>
    public abstract Task<IReadOnlyList<Seen>> ReadAsync(object? cursor, int limit);
}

/// <summary>A transaction of an application's own, rolled back when it is disposed of without a commit.</summary>
internal abstract class ForeignTransaction : IAsyncDisposable
{
    /// <summary>Appends within it.</summary>
    public abstract Task AppendAsync(string stream, string text);

    /// <summary>Commits.</summary>
    public abstract Task CommitAsync();

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();
}

/// <summary>A store of ours in a history.</summary>
/// <param name="store">The store.</param>
/// <param name="outside">The store that transactions of others take part in; null when there are none.</param>
/// <param name="begin">Begins such a transaction on a connection of its own.</param>
internal sealed class StreamStoreHistory(
    IStreamStore store, RelationalStreamStore? outside, Func<Task<DbTransaction>> begin) : HistoryStore
{
    public override async Task AppendAsync(IReadOnlyList<(string Stream, string Text)> entries) =>
        await store.AppendAsync([.. entries.GroupBy(entry => entry.Stream).Select(stream => new StreamAppend(
            stream.Key, [.. stream.Select(entry => New(entry.Text))]))]);

    public override async Task<ForeignTransaction> BeginAsync()
    {
        var transaction = await begin();
        return new Enlisted(transaction.Connection!, transaction, outside!.Enlist(transaction));
    }

    public override async Task<IReadOnlyList<Seen>> ReadAsync(object? cursor, int limit) =>
        await store.ReadAllAsync(cursor is Position after ? after : default, limit).Select(entry => new Seen(
            entry.Stream, Encoding.ASCII.GetString(entry.Payload.Span), entry.Position!.Value)).ToListAsync();

    private static NewEntry New(string text) => new(Encoding.ASCII.GetBytes(text)) { DedupKey = text };

    private sealed class Enlisted(DbConnection connection, DbTransaction transaction, IStreamStore enlisted)
        : ForeignTransaction
    {
        public override async Task AppendAsync(string stream, string text) =>
            await enlisted.AppendAsync(stream, New(text));

        public override Task CommitAsync() => transaction.CommitAsync();

        public override async ValueTask DisposeAsync()
        {
            await enlisted.DisposeAsync();
            await transaction.DisposeAsync();
            await connection.DisposeAsync();
        }
    }
}
