namespace Ledger.Streams;

/// <summary>Shorter ways to call a store.</summary>
public static class StreamStoreExtensions
{
    /// <summary>Appends to one stream.</summary>
    /// <inheritdoc cref="IStreamStore.AppendAsync"/>
    public static async ValueTask<AppendResult> AppendAsync(
        this IStreamStore store, string stream, IReadOnlyList<NewEntry> entries, ExpectedEnd expectedEnd = default,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(store);
        var results = await store.AppendAsync(
            [new StreamAppend(stream, entries) { ExpectedEnd = expectedEnd }], cancellationToken);
        return results[0];
    }

    /// <summary>Appends one entry.</summary>
    /// <inheritdoc cref="IStreamStore.AppendAsync"/>
    public static ValueTask<AppendResult> AppendAsync(
        this IStreamStore store, string stream, NewEntry entry, ExpectedEnd expectedEnd = default,
        CancellationToken cancellationToken = default) =>
        store.AppendAsync(stream, [entry], expectedEnd, cancellationToken);
}
