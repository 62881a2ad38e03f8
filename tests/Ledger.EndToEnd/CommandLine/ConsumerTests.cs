using Ledger.EndToEnd.Processes;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Ledger.Streams.Sqlite;
using Xunit;

namespace Ledger.EndToEnd.CommandLine;

public sealed class ConsumerTests : IDisposable
{
    private static readonly string[] Database = ["--db", "sqlite:app.db"];

    private readonly Shell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task A_consumer_is_listed_shown_reset_and_dropped()
    {
        await HandleAsync(failing: []);

        var list = await ConsumerAsync("list");
        var show = await ConsumerAsync("show", "mailer");
        var reset = await ConsumerAsync("reset", "mailer", "--after", "1");
        var after = (await ConsumerAsync("show", "mailer", "--json")).Text;
        await ConsumerAsync("drop", "mailer", "--consumer");
        var none = await ConsumerAsync("list");

        Assert.Equal("mailer\t3\t0\t0\t-\n", list.Text);
        Assert.Contains("Position: 3 ", show.Text, StringComparison.Ordinal);
        Assert.Equal("consumer 'mailer' begins after 1\n", reset.Text);
        Assert.Equal(
            """{"consumer":"mailer","epoch":2,"position":1,"read":1,"pending":0,"parked":0,"lease_until":null}""",
            after.TrimEnd());
        Assert.Equal("", none.Text);
    }

    [Fact]
    public async Task Parked_entries_are_listed_retried_and_dropped()
    {
        await HandleAsync(failing: [1, 2, 3]);

        var parked = await ConsumerAsync("parked", "mailer");
        var retried = await ConsumerAsync("retry", "mailer", "2");
        var left = await ConsumerAsync("parked", "mailer", "--json");
        await ConsumerAsync("drop", "mailer", "1");
        await ConsumerAsync("drop", "mailer", "--all");
        var show = await ConsumerAsync("show", "mailer", "--json");
        var handled = await HandleAsync(failing: []);

        Assert.Equal(
            [
                "1\ts1\t1\t1\tInvalidDataException: no 1", "2\ts2\t2\t1\tInvalidDataException: no 2",
                "3\ts3\t3\t1\tInvalidDataException: no 3",
            ],
            parked.Lines);
        Assert.Equal("2 is handed out again\n", retried.Text);
        Assert.Equal(2, left.Lines.Length);
        Assert.Contains(
            """{"position":1,"stream":"s1","id":"1","attempts":1,"error":"InvalidDataException: no 1","parked_at":""",
            left.Lines[0], StringComparison.Ordinal);
        Assert.Contains("\"pending\":1,\"parked\":0", show.Text, StringComparison.Ordinal);
        Assert.Equal([2L, 4L, 5L, 6L], handled);
    }

    [Theory]
    [InlineData(3, "show nobody", "Store 'ledger_entries' has no consumer 'nobody'.")]
    [InlineData(3, "reset nobody --after 0", "Store 'ledger_entries' has no consumer 'nobody'.")]
    [InlineData(3, "drop nobody --consumer", "Store 'ledger_entries' has no consumer 'nobody'.")]
    [InlineData(3, "retry mailer 1", "Consumer 'mailer' has no parked entry at position 1.")]
    [InlineData(2, "retry mailer", "Give either the positions of parked entries, or --all.")]
    [InlineData(2, "retry mailer 1 --all", "Give either the positions of parked entries, or --all.")]
    [InlineData(2, "drop mailer", "Give either the positions of parked entries, or --all.")]
    [InlineData(2, "drop mailer 1 --consumer", "Give either positions, --all or --consumer.")]
    [InlineData(2, "retry mailer x", "A parked entry has a position, not 'x'.")]
    [InlineData(2, "reset mailer --after x", "--after is a position, not 'x'.")]
    [InlineData(2, "reset mailer", "Option '--after' is required.")]
    public async Task What_cannot_be_done_has_its_exit_code_and_says_why(int exitCode, string arguments, string message)
    {
        await HandleAsync(failing: []);

        var said = await _shell.FailAsync(exitCode, ["consumer", .. arguments.Split(' '), .. Database]);

        Assert.Equal(message, said);
    }

    /// <summary>Appends three entries, each to a stream of its own, and consumes until nothing is left.</summary>
    /// <returns>The positions that were handled.</returns>
    private async Task<long[]> HandleAsync(long[] failing)
    {
        await using var store = new SqliteStreamStore(new() { DataSource = _shell.Directory["app.db"] });
        await store.AppendAsync([.. Enumerable.Range(1, 3)
            .Select(number => new StreamAppend($"s{number}", [new NewEntry("x"u8.ToArray())]))]);
        var handled = new List<long>();
        using var done = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var options = new ConsumerOptions { AttemptsMax = 1, Concurrency = 1 };
        await using (var consumer = await store.AcquireConsumerAsync("mailer", options, done.Token))
        {
            while ((await store.ListConsumersAsync(done.Token))[0] is { } state
                && (state.Pending > 0 || state.Read.Value < await LastAsync(store)))
            {
                var delivery = await consumer.ReceiveAsync(done.Token);
                var position = delivery.Entry.Position!.Value.Value;
                if (failing.Contains(position))
                {
                    await consumer.FailAsync(delivery, $"InvalidDataException: no {position}", done.Token);
                    continue;
                }

                handled.Add(position);
                await consumer.AcknowledgeAsync(delivery, done.Token);
            }
        }

        return [.. handled];
    }

    private static async Task<long> LastAsync(SqliteStreamStore store) =>
        (await store.ReadAllAsync().LastAsync()).Position!.Value.Value;

    private Task<ChildResult> ConsumerAsync(params string[] arguments) =>
        _shell.DoAsync(["consumer", .. arguments, .. Database]);
}
