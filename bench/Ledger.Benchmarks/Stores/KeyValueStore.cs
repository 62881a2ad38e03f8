namespace Ledger.Benchmarks.Stores;

/// <summary>What every contender can do. Every write is durable when the call returns; reads do not copy.</summary>
internal abstract class KeyValueStore : IAsyncDisposable
{
    /// <summary>Who it is, as the tables name it.</summary>
    public abstract string Name { get; }

    /// <summary>How it was set up, in one sentence.</summary>
    public abstract string Settings { get; }

    /// <summary>Whether several threads may write at once.</summary>
    public virtual bool AllowsParallelWriters => true;

    /// <summary>One put that is one durable commit.</summary>
    public abstract ValueTask PutAsync(ReadOnlyMemory<byte> key, ReadOnlyMemory<byte> value);

    /// <summary>The entries from <paramref name="first"/> on, in one durable transaction.</summary>
    /// <param name="entries">The key stream.</param>
    /// <param name="first">Index of the first entry.</param>
    /// <param name="count">Number of entries.</param>
    /// <param name="valueSeed">Which values they get.</param>
    public abstract ValueTask PutBatchAsync(EntryStream entries, int first, int count, int valueSeed = 0);

    /// <summary>Reads a value in the newest state.</summary>
    /// <returns>Its length, after its first and last byte were looked at; -1 when the key is absent.</returns>
    public abstract ValueTask<int> GetAsync(ReadOnlyMemory<byte> key);

    /// <summary>Reads entries with start &lt;= key &lt; end, keys and values.</summary>
    /// <returns>How many there were.</returns>
    public abstract ValueTask<long> ScanAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false);

    /// <summary>Does what the store offers to give back room; nothing where it offers nothing.</summary>
    public virtual ValueTask CompactAsync() => default;

    /// <summary>Loads the whole stream in transactions of <paramref name="batchSize"/>.</summary>
    public async Task LoadAsync(EntryStream entries, int batchSize = 1000, int valueSeed = 0)
    {
        for (var first = 0; first < entries.Count; first += batchSize)
        {
            await PutBatchAsync(entries, first, Math.Min(batchSize, entries.Count - first), valueSeed);
        }
    }

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    /// <summary>Looks at a value, so that no contender gets away with not reading it.</summary>
    protected static int Touch(ReadOnlySpan<byte> value)
    {
        if (!value.IsEmpty && value[0] == 1 && value[^1] == 254)
        {
            GC.KeepAlive(null);
        }

        return value.Length;
    }
}
