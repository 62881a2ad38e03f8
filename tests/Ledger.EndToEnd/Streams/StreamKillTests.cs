using System.Globalization;
using System.Text;
using Ledger.Conformance.Streams;
using Ledger.EndToEnd.Processes;
using Ledger.Streams;
using Ledger.Streams.Relational;
using Xunit;

namespace Ledger.EndToEnd.Streams;

/// <summary>
/// Two processes append to one database and are killed again and again while a third one follows it. Nothing
/// acknowledged is lost, no batch is half there, and the follower sees every entry once, in order, as it comes.
/// </summary>
public sealed class StreamKillTests
{
    private static int Kills => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 200 : 8;

    [Fact]
    public async Task Killed_while_appending_to_SQLite_nothing_acknowledged_is_lost_and_a_follower_sees_all_once()
    {
        using var directory = new TestDirectory();

        await RunAsync(directory["app.db"], directory.Path);
    }

    [Fact]
    public async Task Killed_while_appending_to_PostgreSQL_nothing_acknowledged_is_lost_and_a_follower_sees_all_once()
    {
        using var directory = new TestDirectory();
        using var server = new PostgresServer(isDurable: true);

        await RunAsync(server.ConnectionString, directory.Path);
    }

    private static async Task RunAsync(string database, string directory)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60 + (5 * Kills)));
        await using var store = StreamDatabase.Open(database);
        await store.EnsureCreatedAsync();
        var followed = new List<Entry>();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        var following = FollowAsync(store, followed, enough.Token);

        var acknowledged = await Task.WhenAll(
            WriteAsync(database, directory, "left", seed: 1), WriteAsync(database, directory, "right", seed: 2));
        var all = await store.ReadAllAsync(cancellationToken: limit.Token).ToListAsync();
        while (Count(followed) < all.Count && !following.IsCompleted)
        {
            limit.Token.ThrowIfCancellationRequested();
            await Task.Yield();
        }

        enough.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => following);

        Assert.Equal(Enumerable.Range(1, all.Count), all.Select(entry => (int)entry.Position!.Value.Value));
        Assert.Equal(all.Select(entry => entry.Id), followed.Select(entry => entry.Id));
        foreach (var (stream, last) in new[] { ("left", acknowledged[0]), ("right", acknowledged[1]) })
        {
            var texts = all.Where(entry => entry.Stream == stream)
                .Select(entry => Encoding.ASCII.GetString(entry.Payload.Span)).ToList();
            var batches = texts.Count / StreamChild.BatchEntries;
            Assert.True(batches > last, $"Stream {stream} has {batches} batches; batch {last} was acknowledged.");
            Assert.Equal(
                Enumerable.Range(0, batches).SelectMany(batch => Enumerable.Range(0, StreamChild.BatchEntries)
                    .Select(index => $"{batch}.{index}")),
                texts);
        }
    }

    private static async Task FollowAsync(
        RelationalStreamStore store, List<Entry> followed, CancellationToken cancellationToken)
    {
        await foreach (var item in store.SubscribeAllAsync(cancellationToken: cancellationToken))
        {
            if (item is EntryItem<Entry> entry)
            {
                lock (followed)
                {
                    followed.Add(entry.Entry);
                }
            }
        }
    }

    private static int Count(List<Entry> followed)
    {
        lock (followed)
        {
            return followed.Count;
        }
    }

    /// <summary>Starts a writer and kills it, again and again; it goes on with what was not acknowledged.</summary>
    /// <returns>The last batch that was acknowledged.</returns>
    private static async Task<int> WriteAsync(string database, string directory, string writer, int seed)
    {
        var random = new Random(seed);
        var last = -1;
        for (var kill = 0; kill < Kills; kill++)
        {
            using var child = Child.Start(
                "Ledger.EndToEnd.dll", directory, "streams", database, writer, $"{last + 1}");
            var left = random.Next(1, 40);
            while (await child.ReadLineAsync() is { } line)
            {
                last = int.Parse(line, CultureInfo.InvariantCulture);
                if (--left == 0)
                {
                    child.Kill();
                }
            }

            var result = await child.EndAsync();
            Assert.True(result.ExitCode is 137, $"Kill {kill}, seed {seed}: {result.ExitCode} {result.Error}");
        }

        return last;
    }
}
