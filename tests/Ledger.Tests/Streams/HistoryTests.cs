using System.Globalization;
using Ledger.Conformance.Streams.History;
using Ledger.Streams.Postgres;
using Ledger.Streams.Sqlite;
using Ledger.Tests.Streams.Naive;
using Npgsql;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>
/// R24: a reader with a cursor misses nothing, sees nothing twice, and sees each stream in its order, however long its
/// writers' transactions take. The stores that many have fail the very same test.
/// </summary>
public sealed class HistoryTests(PostgresDatabase database) : IClassFixture<PostgresDatabase>
{
    private const int Seed = 24;

    // Entries at least, and not time: on a slow machine it goes on until there are so many. One writes to a SQLite
    // file at a time, and the foreign hold it for a quarter of a second.
    private const int PostgresMin = 1_000;
    private const int SqliteMin = 30;

    private static TimeSpan Duration =>
        TimeSpan.FromSeconds(Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 60 : 10);

    [Fact]
    public async Task In_PostgreSQL_nothing_is_missing_repeated_foreign_or_out_of_order()
    {
        var schema = await database.NewSchemaAsync();
        await using var store = new PostgresStreamStore(new()
        {
            ConnectionString = database.ConnectionString,
            Schema = schema,
            WriteTimeout = TimeSpan.FromMinutes(1),
        });
        var run = new HistoryRun(
            new StreamStoreHistory(
                store, store, async () => await (await database.ConnectAsync()).BeginTransactionAsync()),
            new() { Duration = Duration, CommittedMin = PostgresMin },
            Seed);

        var faults = await run.RunAsync();

        AssertNone(faults);
        Assert.True(run.Committed >= PostgresMin, $"Only {run.Committed} entries were written.");
        var positions = await store.ReadAllAsync().Select(entry => (int)entry.Position!.Value.Value).ToListAsync();
        Assert.Equal(Enumerable.Range(1, run.Committed), positions);
    }

    [Fact]
    public async Task In_SQLite_nothing_is_missing_repeated_foreign_or_out_of_order()
    {
        var file = new SqliteFile();
        await using (var store = new SqliteStreamStore(new()
        {
            DataSource = file.Path,
            WriteTimeout = TimeSpan.FromMinutes(1),
        }))
        {
            var run = new HistoryRun(
                new StreamStoreHistory(store, store, () => Task.FromResult(file.Begin())),
                new() { Duration = Duration, CommittedMin = SqliteMin },
                Seed);

            var faults = await run.RunAsync();

            AssertNone(faults);
            Assert.True(run.Committed >= SqliteMin, $"Only {run.Committed} entries were written.");
            var positions = await store.ReadAllAsync().Select(entry => (int)entry.Position!.Value.Value).ToListAsync();
            Assert.Equal(Enumerable.Range(1, run.Committed), positions);
        }

        file.Delete();
    }

    [Theory]
    [InlineData(NaiveOrder.Serial, "missing")]
    [InlineData(NaiveOrder.Transaction, "order")]
    public async Task A_naive_store_loses_or_reorders(NaiveOrder order, string fault)
    {
        await using var source = NpgsqlDataSource.Create(database.ConnectionString);
        var store = new NaiveStore(source, order);
        await store.CreateAsync();

        var faults = await new HistoryRun(store, new() { Duration = TimeSpan.FromSeconds(4) }, Seed).RunAsync();

        Assert.True(
            faults.Any(found => found.StartsWith(fault, StringComparison.Ordinal)),
            string.Create(
                CultureInfo.InvariantCulture, $"There was no '{fault}' in {faults.Count} faults; seed {Seed}."));
    }

    private static void AssertNone(IReadOnlyList<string> faults) => Assert.True(
        faults.Count == 0,
        string.Create(
            CultureInfo.InvariantCulture,
            $"{faults.Count} faults, seed {Seed}:\n{string.Join('\n', faults.Take(20))}"));
}
