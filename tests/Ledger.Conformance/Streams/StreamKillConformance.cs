using System.Globalization;
using System.Text;
using Ledger.Streams;
using Xunit;

namespace Ledger.Conformance.Streams;

/// <summary>
/// What is left when processes that append are killed in the middle of it; inherit it for every store whose entries
/// outlive a process. Two processes append and are killed again and again while this one follows. Nothing acknowledged
/// is lost, no append is half there, and the follower sees every entry once, in order, as it comes.
/// </summary>
public abstract class StreamKillConformance
{
    /// <summary>Entries of one append.</summary>
    public const int BatchEntries = 3;

    /// <summary>How often each of the two processes is killed.</summary>
    protected virtual int Kills => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 200 : 8;

    [Fact]
    public async Task Killed_while_appending_nothing_acknowledged_is_lost_and_a_follower_sees_all_once()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(90 + (5 * Kills)));
        await using var store = await OpenAsync();
        await store.EnsureCreatedAsync(limit.Token);
        var followed = new List<Entry>();
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(limit.Token);
        var following = FollowAsync(store, followed, enough.Token);

        var acknowledged = await Task.WhenAll(WriteAsync("left", seed: 1), WriteAsync("right", seed: 2));
        var all = await store.ReadAllAsync(cancellationToken: limit.Token).ToListAsync(limit.Token);
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
            var batches = texts.Count / BatchEntries;
            Assert.True(batches > last, $"Stream {stream} has {batches} batches; batch {last} was acknowledged.");
            Assert.Equal(Enumerable.Range(0, batches).SelectMany(TextsOf), texts);
        }
    }

    /// <summary>What the process runs until it is killed: says each append once it is acknowledged.</summary>
    /// <param name="store">Opened by the process.</param>
    /// <param name="stream">Where to.</param>
    /// <param name="first">Its first append; one that was there already is a duplicate.</param>
    /// <param name="say">Told the number of each append.</param>
    public static async Task AppendAsync(IStreamStore store, string stream, int first, Action<int> say)
    {
        ArgumentNullException.ThrowIfNull(store);
        ArgumentNullException.ThrowIfNull(say);
        for (var batch = first; ; batch++)
        {
            await store.AppendAsync(stream, [.. TextsOf(batch).Select(
                text => new NewEntry(Encoding.ASCII.GetBytes(text)) { DedupKey = text })]);
            say(batch);
        }
    }

    /// <summary>Opens the store in this process.</summary>
    protected abstract ValueTask<IStreamStore> OpenAsync();

    /// <summary>Starts a process that opens the store and runs <see cref="AppendAsync"/>.</summary>
    /// <param name="stream">Where to.</param>
    /// <param name="first">Its first append.</param>
    protected abstract ValueTask<IKilledAppender> StartAsync(string stream, int first);

    private static string[] TextsOf(int batch) => [.. Enumerable.Range(0, BatchEntries).Select(
        index => string.Create(CultureInfo.InvariantCulture, $"{batch}.{index}"))];

    private static async Task FollowAsync(
        IStreamStore store, List<Entry> followed, CancellationToken cancellationToken)
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

    /// <summary>Starts a process and kills it, again and again; the next goes on where it was.</summary>
    /// <returns>The last append that was acknowledged.</returns>
    private async Task<int> WriteAsync(string stream, int seed)
    {
        var random = new Random(seed);
        var last = -1;
        for (var kill = 0; kill < Kills; kill++)
        {
            using var process = await StartAsync(stream, last + 1);
            var left = random.Next(1, 40);
            while (await process.NextAsync() is { } batch)
            {
                last = batch;
                if (--left == 0)
                {
                    process.Kill();
                }
            }

            Assert.True(
                left <= 0, $"Kill {kill}, seed {seed}: it ended {left} appends before it was killed. {process.Error}");
        }

        return last;
    }
}

/// <summary>A process that appends; killed when it is disposed.</summary>
public interface IKilledAppender : IDisposable
{
    /// <summary>What it has said of its errors when it has ended.</summary>
    string Error { get; }

    /// <summary>The next append that it says was acknowledged; null when it has ended.</summary>
    Task<int?> NextAsync();

    /// <summary>Ends it without a chance to do anything more.</summary>
    void Kill();
}
