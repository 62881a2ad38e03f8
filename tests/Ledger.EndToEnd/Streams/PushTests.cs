using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Threading.Channels;
using Ledger.Conformance.Streams;
using Ledger.EndToEnd.Processes;
using Ledger.Streams;
using Xunit;
using Xunit.Abstractions;

namespace Ledger.EndToEnd.Streams;

/// <summary>From the end of an append to the subscriber: the median is within what the product promises.</summary>
public sealed class PushTests(ITestOutputHelper output)
{
    private const int Appends = 100;

    [Fact]
    public async Task In_one_process_on_SQLite_a_subscriber_hears_within_5_ms()
    {
        using var directory = new TestDirectory();

        Report("SQLite, one process", await InOneProcessAsync(directory["app.db"]), 5);
    }

    [Fact]
    public async Task Between_processes_on_SQLite_a_subscriber_hears_within_5_ms()
    {
        using var directory = new TestDirectory();

        Report("SQLite, two processes", await BetweenProcessesAsync(directory["app.db"], directory.Path), 5);
    }

    [Fact]
    public async Task In_one_process_on_PostgreSQL_a_subscriber_hears_within_15_ms()
    {
        using var server = new PostgresServer(isDurable: true);

        Report("PostgreSQL, one process", await InOneProcessAsync(server.ConnectionString), 15);
    }

    [Fact]
    public async Task Between_processes_on_PostgreSQL_a_subscriber_hears_within_15_ms()
    {
        using var directory = new TestDirectory();
        using var server = new PostgresServer(isDurable: true);

        Report("PostgreSQL, two processes", await BetweenProcessesAsync(server.ConnectionString, directory.Path), 15);
    }

    private static async Task<double[]> InOneProcessAsync(string database)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await using var store = StreamDatabase.Open(database);
        await store.EnsureCreatedAsync(limit.Token);
        var heard = Channel.CreateUnbounded<long>();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        var following = Task.Run(async () =>
        {
            await foreach (var _ in store.SubscribeAllAsync(cancellationToken: enough.Token))
            {
                heard.Writer.TryWrite(Stopwatch.GetTimestamp());
            }
        });

        // The first thing heard is that there was nothing to hear of.
        await heard.Reader.ReadAsync(limit.Token);
        var times = new double[Appends];
        for (var n = 0; n < Appends; n++)
        {
            await store.AppendAsync("s", New(n));
            var appendedAt = Stopwatch.GetTimestamp();
            var heardAt = await heard.Reader.ReadAsync(limit.Token);
            times[n] = Stopwatch.GetElapsedTime(appendedAt, Math.Max(heardAt, appendedAt)).TotalMilliseconds;
        }

        enough.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => following);
        return times;
    }

    private static async Task<double[]> BetweenProcessesAsync(string database, string directory)
    {
        await using var store = StreamDatabase.Open(database);
        await store.EnsureCreatedAsync();
        using var child = Child.Start("Ledger.EndToEnd.dll", directory, "streams", database, "follow");
        Assert.Equal("caught up", await child.ReadLineAsync());
        var times = new double[Appends];
        for (var n = 0; n < Appends; n++)
        {
            await store.AppendAsync("s", New(n));
            var appendedAt = Stopwatch.GetTimestamp();
            Assert.Equal(n.ToString(CultureInfo.InvariantCulture), await child.ReadLineAsync());
            times[n] = Stopwatch.GetElapsedTime(appendedAt).TotalMilliseconds;
        }

        return times;
    }

    private void Report(string what, double[] timesMs, double goalMs)
    {
        var worst = Array.IndexOf(timesMs, timesMs.Max());
        Array.Sort(timesMs);
        var (median, high) = (timesMs[timesMs.Length / 2], timesMs[timesMs.Length * 99 / 100]);
        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture, $"{what}: p50 {median:F2} ms, p99 {high:F2} ms after the append's end; " +
            $"the slowest was number {worst}"));
        Assert.True(
            median <= goalMs, string.Create(CultureInfo.InvariantCulture, $"{what}: the median is {median:F2} ms."));
    }

    private static NewEntry New(int n) => new(Encoding.ASCII.GetBytes(n.ToString(CultureInfo.InvariantCulture)));
}
