using System.Globalization;
using System.Text;
using Ledger.Conformance.Streams;
using Ledger.Objects;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Postgres;
using Ledger.Streams.Relational;
using Xunit;

namespace Ledger.EndToEnd.Streams;

/// <summary>
/// The PostgreSQL server is stopped as by a crash, again and again, under load. Nothing acknowledged is lost or
/// doubled, nobody sees another error than a transient one or an open outcome, and all goes on when it is back.
/// </summary>
public sealed class ServerStopTests
{
    private const int Writers = 6;

    private static int Stops => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 30 : 3;

    [Fact]
    public async Task Stopped_immediately_under_load_nothing_acknowledged_is_lost_or_doubled()
    {
        using var server = new PostgresServer(isDurable: true);
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60 + (20 * Stops)));
        await using var store = StreamDatabase.Open(server.ConnectionString);
        await store.EnsureCreatedAsync(limit.Token);
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        var followed = new List<Position>();
        var following = FollowAsync(store, followed, enough.Token);
        var isOver = false;
        var writing = Enumerable.Range(0, Writers).Select(
            writer => Task.Run(() => WriteAsync(store, writer, () => Volatile.Read(ref isOver)))).ToArray();

        for (var stop = 0; stop < Stops; stop++)
        {
            await LedgerRuntime.CreateSystem().Delay(TimeSpan.FromMilliseconds(400), limit.Token);
            server.StopImmediately();
            server.Start();
        }

        Volatile.Write(ref isOver, true);
        var writers = await Task.WhenAll(writing);
        var all = await store.ReadAllAsync(cancellationToken: limit.Token).ToListAsync(limit.Token);
        while (true)
        {
            lock (followed)
            {
                if (followed.Count >= all.Count || following.IsCompleted)
                {
                    break;
                }
            }

            await LedgerRuntime.CreateSystem().Delay(TimeSpan.FromMilliseconds(20), limit.Token);
        }

        enough.Cancel();
        await following;
        Assert.Equal(Enumerable.Range(1, all.Count), all.Select(entry => (int)entry.Position!.Value.Value));
        Assert.Equal(all.Select(entry => entry.Position!.Value), followed);
        foreach (var (name, acknowledged, open) in writers)
        {
            var texts = all.Where(entry => entry.Stream == name).Select(Text).ToList();
            Assert.Equal(texts.Distinct(), texts);
            Assert.Empty(acknowledged.Except(texts));
            Assert.Empty(texts.Except(acknowledged).Except(open));
        }
    }

    [Fact]
    public async Task A_server_that_is_away_is_a_transient_error_and_the_store_works_when_it_is_back()
    {
        using var server = new PostgresServer(isDurable: true);
        await using var store = new PostgresStreamStore(new()
        {
            ConnectionString = server.ConnectionString,
            WriteTimeout = TimeSpan.FromMilliseconds(200),
        });
        await store.AppendAsync("s", New("1"));
        server.StopImmediately();

        foreach (var attempt in new Func<Task>[]
            {
                async () => await store.AppendAsync("s", New("2")), async () => await store.CountAsync("s"),
                async () => await store.SetTagsAsync("s", EntryId.Of(1), ["x"]),
                async () => await store.ReadAllAsync().CountAsync(), async () => await store.CheckHealthAsync(),
            })
        {
            var away = await Assert.ThrowsAsync<StoreUnavailableException>(attempt);
            Assert.Equal((StoreUnavailableReason.Unreachable, true), (away.Reason, away.IsTransient));
        }

        server.Start();
        await store.AppendAsync("s", New("3"));

        Assert.Equal(["1", "3"], await store.ReadAllAsync().Select(Text).ToArrayAsync());
    }

    /// <summary>Even entries have dedup keys and never fail; of the odd ones some may have an open outcome.</summary>
    private static async Task<(string Name, List<string> Acknowledged, List<string> Open)> WriteAsync(
        RelationalStreamStore store, int writer, Func<bool> isOver)
    {
        var (name, acknowledged, open) = ($"s{writer}", new List<string>(), new List<string>());
        for (var n = 0; !isOver(); n++)
        {
            var text = n.ToString(CultureInfo.InvariantCulture);
            try
            {
                await store.AppendAsync(name, New(text) with { DedupKey = n % 2 == 0 ? text : null });
                acknowledged.Add(text);
            }
            catch (OutcomeUnknownException)
            {
                Assert.Equal(1, n % 2);
                open.Add(text);
            }
            catch (StoreUnavailableException error)
            {
                // Nothing was written: what was repeated was repeated for as long as the store waits.
                Assert.True(error.IsTransient, error.Message);
            }
        }

        return (name, acknowledged, open);
    }

    private static async Task FollowAsync(
        RelationalStreamStore store, List<Position> seen, CancellationToken cancellationToken)
    {
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
                var after = seen.Count == 0 ? Position.Start : seen[^1];
                await foreach (var item in store.SubscribeAllAsync(after, cancellationToken: cancellationToken))
                {
                    if (item is EntryItem<Entry> { Entry.Position: { } position })
                    {
                        lock (seen)
                        {
                            seen.Add(position);
                        }
                    }
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (StoreUnavailableException error)
            {
                Assert.True(error.IsTransient, error.Message);
            }
        }
    }

    private static NewEntry New(string text) => new(Encoding.ASCII.GetBytes(text));

    private static string Text(Entry entry) => Encoding.ASCII.GetString(entry.Payload.Span);
}
