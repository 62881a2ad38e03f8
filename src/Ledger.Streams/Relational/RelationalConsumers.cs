using System.Data.Common;
using Ledger.Streams.Consumers;

namespace Ledger.Streams.Relational;

/// <summary>The rows of consumers, and of what they have parked.</summary>
internal static class RelationalConsumers
{
    /// <summary>A consumer's row, which is locked, as all that is parked is with it.</summary>
    public static async ValueTask<ConsumerRow> FindAsync(
        RelationalSession session, RelationalTable table, string name, ParkedPart part, long nowMs)
    {
        var state = await session.FindAsync(
            table.FindConsumer, [name], row => row.GetString(0), CancellationToken.None);
        if (state is null)
        {
            // There is no row to lock yet: the store's stands for it, or two would make the consumer.
            await session.FindAsync(table.LockLast, [], row => row.GetInt64(0), CancellationToken.None);
            state = await session.FindAsync(
                table.FindConsumer, [name], row => row.GetString(0), CancellationToken.None);
        }

        IReadOnlyList<ConsumerState.ParkedState> parked = part switch
        {
            ParkedPart.All => await session.ListAsync(table.FindParked, [name], ReadParked, CancellationToken.None),
            ParkedPart.Positions => await session.ListAsync(
                table.FindParkedPositions, [name],
                row => new ConsumerState.ParkedState { Position = row.GetInt64(0) }, CancellationToken.None),
            _ => [],
        };
        return new ConsumerRow(name, state, nowMs, parked);
    }

    /// <summary>Writes a change of a row that was found in the same transaction.</summary>
    public static async ValueTask WriteAsync<TResult>(
        RelationalSession session, RelationalTable table, string name, ConsumerUpdate<TResult> update)
    {
        if (update.IsDeleted)
        {
            await session.ExecuteAsync(table.DropConsumer, [name], CancellationToken.None);
            await session.ExecuteAsync(table.DropAllParked, [name], CancellationToken.None);
        }
        else if (update.State is { } text)
        {
            await session.ExecuteAsync(table.SetConsumer, [name, text], CancellationToken.None);
            foreach (var position in update.Released)
            {
                await session.ExecuteAsync(table.DropParked, [name, position], CancellationToken.None);
            }

            foreach (var entry in update.Parked)
            {
                await session.ExecuteAsync(
                    table.SetParked, [name, .. Values(entry)], CancellationToken.None);
            }
        }
    }

    /// <summary>All consumers, as one statement sees them.</summary>
    public static async ValueTask<IReadOnlyList<ConsumerRow>> ListAsync(
        RelationalSession session, RelationalTable table, long nowMs, CancellationToken cancellationToken)
    {
        var rows = await session.ListAsync(
            table.ListConsumers, [],
            row => (Name: row.GetString(0), State: row.IsDBNull(1) ? null : row.GetString(1), Parked: ReadParked(row)),
            cancellationToken);
        var parked = rows.Where(row => row.State is null).ToLookup(row => row.Name, StringComparer.Ordinal);
        return
        [
            .. rows.Where(row => row.State is not null)
                .OrderBy(row => row.Name, ScalarComparer.Instance)
                .Select(row => new ConsumerRow(
                    row.Name, row.State, nowMs,
                    [.. parked[row.Name].Select(other => other.Parked).OrderBy(entry => entry.Position)])),
        ];
    }

    /// <summary>
    /// Takes what is parked out of the states of all stores, where it was before it had rows of its own.
    /// </summary>
    /// <param name="session">In the transaction that makes the table of parked entries.</param>
    /// <param name="schema">The shared tables, before their names.</param>
    public static async ValueTask MoveParkedAsync(RelationalSession session, string schema)
    {
        var consumers = await session.ListAsync(
            $"SELECT store, name, state FROM {schema}ledger_consumers", [],
            row => (Store: row.GetInt32(0), Name: row.GetString(1), State: row.GetString(2)), CancellationToken.None);
        foreach (var (store, name, text) in consumers)
        {
            var row = ConsumerRow.Of(name, text, 0);
            if (row.Parked.Count == 0)
            {
                continue;
            }

            await session.ExecuteAsync(
                $"UPDATE {schema}ledger_consumers SET state = @p2 WHERE store = @p0 AND name = @p1",
                [store, name, row.State], CancellationToken.None);
            foreach (var entry in row.Parked)
            {
                await session.ExecuteAsync(
                    $"INSERT INTO {schema}ledger_parked VALUES (@p0, @p1, @p2, @p3, @p4, @p5, @p6, @p7)",
                    [store, name, .. Values(entry)], CancellationToken.None);
            }
        }
    }

    // What comes from the wire may have anything in its texts.
    private static object[] Values(ConsumerState.ParkedState entry) =>
    [
        entry.Position, ConsumerState.Clean(entry.Id), ConsumerState.Clean(entry.Stream), entry.Attempts,
        ConsumerState.Clean(entry.Error), entry.AtMs,
    ];

    private static ConsumerState.ParkedState ReadParked(DbDataReader row) => new()
    {
        Position = row.GetInt64(2),
        Id = row.GetString(3),
        Stream = row.GetString(4),
        Attempts = row.GetInt32(5),
        Error = row.GetString(6),
        AtMs = row.GetInt64(7),
    };
}
