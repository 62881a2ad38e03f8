using Ledger.Streams;

namespace Ledger.Benchmarks.Stores;

/// <summary>A store of streams, and beside it a plain table with the same columns, indexes and durability.</summary>
internal abstract class StreamBackend : IAsyncDisposable
{
    /// <summary>Bytes of a payload.</summary>
    public const int PayloadBytes = 256;

    /// <summary>Names of streams, of which a few get most of the entries.</summary>
    public const int Streams = 100_000;

    /// <summary>The database's name.</summary>
    public abstract string Name { get; }

    /// <summary>The store.</summary>
    public abstract IStreamStore Store { get; }

    /// <summary>Whether several plain connections may insert at once.</summary>
    public abstract bool HasConcurrentInserts { get; }

    /// <summary>Inserts rows into the plain table in one transaction of the caller's connection.</summary>
    /// <param name="caller">0 to 31.</param>
    /// <param name="streams">The stream of each row.</param>
    public abstract Task InsertAsync(int caller, int[] streams);

    /// <summary>Reads rows of the store's own table by a plain statement, every column of each.</summary>
    /// <param name="after">Only positions after it.</param>
    /// <param name="limit">Rows at most.</param>
    /// <returns>Rows read.</returns>
    public abstract Task<int> SelectAsync(long after, int limit);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    /// <summary>Appends entries to streams through the store, each stream in one append.</summary>
    public async Task AppendAsync(int[] streams) => await Store.AppendAsync(
        [.. streams.GroupBy(stream => stream).Select(stream => new StreamAppend(
            NameOf(stream.Key), [.. stream.Select(NewEntry)]))]);

    /// <summary>Fills both tables.</summary>
    public async Task LoadAsync(int entries)
    {
        var random = new Random(1);
        for (var left = entries; left > 0; left -= 1_000)
        {
            var streams = Pick(random, Math.Min(left, 1_000));
            await AppendAsync(streams);
            await InsertAsync(0, streams);
        }
    }

    /// <summary>Streams by a law of Zipf.</summary>
    public static int[] Pick(Random random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => (int)Math.Pow(Streams, random.NextDouble()))];

    /// <summary>The payload of a row.</summary>
    protected static byte[] Payload { get; } = new byte[PayloadBytes];

    /// <summary>The order key of a row.</summary>
    protected static string OrderKeyOf(int stream) => $"customer-{stream % 1_000}";

    private static NewEntry NewEntry(int stream) => new(Payload) { OrderKey = OrderKeyOf(stream) };

    private static string NameOf(int stream) => $"stream-{stream}";
}
