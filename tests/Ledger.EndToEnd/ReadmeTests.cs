using System.Data.Common;
using System.Runtime.CompilerServices;
using System.Text.Json.Serialization;
using Ledger.Codecs;
using Ledger.EndToEnd.Processes;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Ledger.Streams.Sqlite;
using Ledger.Streams.Typed;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Ledger.EndToEnd;

/// <summary>What the README shows of streams compiles, runs, and is what this file runs.</summary>
public sealed partial class ReadmeTests
{
    [Fact]
    public async Task A_stream_in_ten_lines_does_what_it_says()
    {
        using var directory = new TestDirectory();
        var database = directory["app.db"];

        // As an application's own table and transaction; the store makes its tables first.
        await using (var first = new SqliteStreamStore(new() { DataSource = database, Store = "orders" }))
        {
            await first.EnsureCreatedAsync();
        }

        await using var connection = new SqliteConnection($"Data Source={database};Pooling=False");
        await connection.OpenAsync();

        var (seen, handled) = await RunAsync(database, connection);

        Assert.Equal(["paid", "sent", "{\"Buyer\":\"ann\",\"Total\":99.99}", "enlisted"], seen);
        Assert.Equal(4, handled);
    }

    [Fact]
    public async Task The_lines_of_the_README_are_those_that_are_run()
    {
        var source = (await File.ReadAllLinesAsync(SourcePath())).Select(line => line.Trim()).ToHashSet();
        var readme = await File.ReadAllLinesAsync(Path.Combine(SourcePath(), "../../../README.md"));
        var lines = readme.SkipWhile(line => line != "## A stream in ten lines").SkipWhile(line => line != "```csharp")
            .Skip(1).TakeWhile(line => line != "```").Where(line => line.Length > 0).ToArray();

        Assert.Equal(10, lines.Count(line => line[0] is not (' ' or '/')));
        Assert.All(lines, line => Assert.Contains(line.Split(" //")[0].Trim(), source));
    }

    private static async Task<(List<string> Seen, int Handled)> RunAsync(string database, SqliteConnection connection)
    {
        var seen = new List<string>();
        var handled = 0;
        using var over = new CancellationTokenSource();
        var stop = over.Token;

        await using var orders = new SqliteStreamStore(new() { DataSource = database, Store = "orders" });

        var paid = await orders.AppendAsync("user-123", new NewEntry("paid"u8.ToArray()) { DedupKey = "order-7" });
        await orders.AppendAsync("user-123", new NewEntry("sent"u8.ToArray()), ExpectedEnd.At(paid.End));

        // Values of a type: old versions of the schema are brought up to date when they are read.
        var schema = new Schema(2, new Upcaster(1, 2, new FieldMapper().Rename("Customer", "Buyer")));
        var typed = orders.Stream("user-456", AppJson.Default.Order, schema);
        await typed.AppendAsync(new NewEntry<Order>(new("ann", 99.99m)) { Tags = ["pending"] });

        await using (var transaction = await connection.BeginTransactionAsync())
        {
            await EnlistAsync(orders, transaction);
        }

        await foreach (var entry in orders.ReadAllAsync()) { Show(entry); }
        await foreach (var item in orders.SubscribeAsync("user-123")) { if (item is CaughtUpItem<Entry>) { break; } }

        var consuming = ConsumeAsync(orders, stop);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => consuming);
        return (seen, handled);

        void Show(Entry entry) => seen.Add(System.Text.Encoding.UTF8.GetString(entry.Payload.Span));

        async Task HandleAsync(Entry entry)
        {
            if (++handled == 4)
            {
                await over.CancelAsync();
            }
        }

        async Task ConsumeAsync(SqliteStreamStore orders, CancellationToken stop)
        {
            await orders.ConsumeAsync("mailer", async (work, token) => await HandleAsync(work.Entry), null, stop);
        }
    }

    private static async Task EnlistAsync(SqliteStreamStore orders, DbTransaction transaction)
    {
        await using var enlisted = orders.Enlist(transaction);
        await enlisted.AppendAsync("user-789", new NewEntry("enlisted"u8.ToArray()));
        await transaction.CommitAsync();
    }

    private static string SourcePath([CallerFilePath] string path = "") => path;

    internal sealed record Order(string Buyer, decimal Total);

    [JsonSerializable(typeof(Order))]
    internal sealed partial class AppJson : JsonSerializerContext;
}
