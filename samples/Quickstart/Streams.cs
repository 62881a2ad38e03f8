using System.Data.Common;
using System.Text;
using System.Text.Json.Serialization;
using Ledger.Codecs;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Ledger.Streams.Sqlite;
using Ledger.Streams.Typed;
using Microsoft.Data.Sqlite;

namespace Quickstart;

/// <summary>What the README shows of streams.</summary>
public static class Streams
{
    /// <summary>Appends four entries to streams, and lists what a reader and then a consumer are given.</summary>
    /// <param name="database">Path of a SQLite file; made when it is missing.</param>
    public static async Task<IReadOnlyList<string>> RunAsync(string database)
    {
        var lines = new List<string>();
        await using var orders = new SqliteStreamStore(new() { DataSource = database, Store = "orders" });

        var paid = await orders.AppendAsync("user-123", new NewEntry("paid"u8.ToArray()) { DedupKey = "order-7" });
        await orders.AppendAsync("user-123", new NewEntry("sent"u8.ToArray()), ExpectedEnd.At(paid.End));

        // Values of a type: old versions of the schema are brought up to date when they are read.
        var schema = new Schema(2, new Upcaster(1, 2, new FieldMapper().Rename("Customer", "Buyer")));
        var typed = orders.Stream("user-456", AppJson.Default.Order, schema);
        await typed.AppendAsync(new NewEntry<Order>(new("ann", 99.99m)) { Tags = ["pending"] });

        // As an application's own connection and transaction.
        await using var connection = new SqliteConnection($"Data Source={database};Pooling=False");
        await connection.OpenAsync();
        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await EnlistAsync(orders, transaction);
        }

        await foreach (var entry in orders.ReadAllAsync()) { Show(entry); }
        await foreach (var item in orders.SubscribeAsync("user-123")) { if (item is CaughtUpItem<Entry>) { break; } }

        using var over = new CancellationTokenSource();
        var (stop, handled) = (over.Token, 0);
        try
        {
            await orders.ConsumeAsync("mailer", async (work, token) => await HandleAsync(work.Entry), null, stop);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            lines.Add($"the consumer handled {handled} entries");
        }

        return lines;

        void Show(Entry entry) => lines.Add($"{entry.Stream}: {Encoding.UTF8.GetString(entry.Payload.Span)}");

        async Task HandleAsync(Entry entry)
        {
            if (++handled == 4)
            {
                await over.CancelAsync();
            }
        }
    }

    private static async Task EnlistAsync(SqliteStreamStore orders, DbTransaction transaction)
    {
        await using var enlisted = orders.Enlist(transaction);
        await enlisted.AppendAsync("user-789", new NewEntry("enlisted"u8.ToArray()));
        await transaction.CommitAsync();
    }
}

/// <summary>A value of a stream, in the second version of its schema.</summary>
/// <param name="Buyer">Who buys; called Customer in the first version.</param>
/// <param name="Total">The sum.</param>
public sealed record Order(string Buyer, decimal Total);

/// <summary>How values become JSON.</summary>
[JsonSerializable(typeof(Order))]
public sealed partial class AppJson : JsonSerializerContext;
