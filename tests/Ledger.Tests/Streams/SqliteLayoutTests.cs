using Ledger.Streams;
using Ledger.Streams.Consumers;
using Ledger.Streams.Sqlite;
using Xunit;

namespace Ledger.Tests.Streams;

/// <summary>How a SQLite file keeps what is known of streams, what that costs, and files of older versions.</summary>
public sealed class SqliteLayoutTests : IDisposable
{
    /// <summary>A page in the log: the page and what says where it belongs.</summary>
    private const int FrameBytes = 4_096 + 24;

    private readonly SqliteFile _file = new();

    public void Dispose() => _file.Delete();

    [Fact]
    public async Task A_store_of_version_1_goes_on_as_one_of_version_2()
    {
        await using (var store = Open())
        {
            await store.AppendAsync("s", [.. Enumerable.Range(0, 5).Select(_ => New())]);
        }

        // As version 1 left it after the last of five entries was trimmed.
        _file.Execute(
            "DELETE FROM orders WHERE id = 5; UPDATE ledger_streams SET end_id = 5, count = 4; " +
            "UPDATE ledger_stores SET last_position = 5, version = 1 WHERE number = 1");
        await using var upgraded = Open();
        var before = await upgraded.GetInfoAsync("s");
        var result = await upgraded.AppendAsync("s", New(), ExpectedEnd.At(EntryId.Of(5)));

        Assert.Equal((4, EntryId.Of(5)), (before!.Count, before.End));
        Assert.Equal(EntryId.Of(6), result.End);
        Assert.Equal(5, await upgraded.CountAsync("s"));
        Assert.Equal(2, Number("SELECT version FROM ledger_stores WHERE number = 1"));
    }

    [Fact]
    public async Task What_is_parked_in_shared_tables_of_version_1_has_rows_of_its_own_in_version_2()
    {
        await using (var store = Open())
        {
            await store.AppendAsync("s", [New(), New(), New()]);
            await using var consumer = await store.AcquireConsumerAsync("c");
            await consumer.AcknowledgeAsync(await consumer.ReceiveAsync());
        }

        _file.Execute(
            "UPDATE ledger_consumers SET state = json_insert(state, '$.parked', json('[{\"position\":1,\"id\":\"1\"," +
            "\"stream\":\"s\",\"attempts\":7,\"error\":\"Old.\",\"at\":5}]')); " +
            "DROP TABLE ledger_parked; UPDATE ledger_stores SET version = 1 WHERE number = 0");
        await using var upgraded = Open();
        await using (var consumer = await upgraded.AcquireConsumerAsync("c"))
        {
            await consumer.AcknowledgeAsync(await consumer.ReceiveAsync());
        }

        var info = Assert.Single(await upgraded.ListConsumersAsync());
        Assert.Equal(
            new ParkedEntry(new Position(1), EntryId.Of(1), "s", 7, "Old.", DateTimeOffset.FromUnixTimeMilliseconds(5)),
            Assert.Single(info.Parked));
        Assert.Equal((new Position(2), 0), (info.Position, info.Pending));
        Assert.Equal(0, Number("SELECT COUNT(*) FROM ledger_consumers WHERE state LIKE '%parked%'"));
        Assert.Equal(2, Number("SELECT version FROM ledger_stores WHERE number = 0"));
    }

    [Fact]
    public async Task Counts_and_ends_hold_whatever_was_appended_and_trimmed()
    {
        var random = new Random(17);
        var model = new Dictionary<string, (List<long> Entries, long End)>();
        await using var store = Open();
        await using var other = Open();
        var last = 0L;
        for (var step = 0; step < 120; step++)
        {
            var stream = $"s{random.Next(3)}";
            var (entries, end) = model.GetValueOrDefault(stream, ([], 0));
            if (random.Next(4) == 0)
            {
                var through = random.NextInt64(last + 2);
                var trimmed = await store.TrimAsync(stream, EntryId.Of(through));
                Assert.Equal(entries.RemoveAll(id => id <= through), trimmed);
            }
            else
            {
                var count = random.Next(6) == 0 ? 20 : random.Next(1, 3);
                var result = await (random.Next(2) == 0 ? store : other).AppendAsync(
                    stream, [.. Enumerable.Range(0, count).Select(_ => New())], ExpectedEndOf(end));
                entries.AddRange(Enumerable.Range(0, count).Select(_ => ++last));
                end = last;
                Assert.Equal(EntryId.Of(last), result.End);
            }

            model[stream] = (entries, end);
            var info = await other.GetInfoAsync(stream);
            Assert.True(
                (info?.Count ?? 0, info?.End ?? default) == (entries.Count, EntryId.Of(end)),
                $"Seed 17, step {step}: '{stream}' has {info}, and not {entries.Count} entries until {end}.");
        }

        var filled = model.Where(pair => pair.Value.Entries.Count > 0).Select(pair => pair.Key).Order();
        Assert.Equal(filled, await store.ListStreamsAsync().ToListAsync());
    }

    [Fact]
    public async Task An_append_changes_no_page_but_those_of_its_entry_and_of_the_entrys_indexes()
    {
        const int Appends = 64;
        await using var store = Open();
        await store.AppendAsync("s", New());
        var before = new FileInfo(_file.Path + "-wal").Length;

        for (var n = 0; n < Appends; n++)
        {
            await store.AppendAsync("s", New());
        }

        // The entry and its place in its stream; now and then a new page, or the row of the stream.
        var frames = (new FileInfo(_file.Path + "-wal").Length - before) / FrameBytes;
        Assert.InRange(frames, Appends * 2, (Appends * 2) + (Appends / 4));
    }

    private static ExpectedEnd ExpectedEndOf(long end) => end == 0 ? ExpectedEnd.New : ExpectedEnd.At(EntryId.Of(end));

    private static NewEntry New() => new(new byte[16]);

    private SqliteStreamStore Open() => new(new() { DataSource = _file.Path, Store = "orders" });

    private long Number(string sql)
    {
        using var connection = _file.Connect();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }
}
