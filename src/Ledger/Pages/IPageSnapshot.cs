using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>One state of a page, or of the keys under a prefix. Never changes; safe for concurrent use.</summary>
/// <remarks>It lives as long as the repository is open, whatever happens to the page and its connections.</remarks>
public interface IPageSnapshot : IAsyncDisposable
{
    /// <summary>The commit whose state this is; inside a transaction, the one it is pinned to.</summary>
    CommitInfo Commit { get; }

    /// <summary>Only keys that begin with this are shown; empty for all.</summary>
    ReadOnlyMemory<byte> Prefix { get; }

    /// <summary>The entry of a key, or null when it is absent (or outside the prefix).</summary>
    ValueTask<Entry?> FindAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default);

    /// <summary>The value of a key, or null when it is absent.</summary>
    /// <exception cref="ValueTooLargeException">Larger than 1 MiB: use <see cref="OpenReadAsync"/>.</exception>
    ValueTask<ReadOnlyMemory<byte>?> GetAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default);

    /// <summary>Entries with start &lt;= key &lt; end, ascending by key, or descending.</summary>
    /// <param name="start">First key that may be shown; null for no bound.</param>
    /// <param name="end">First key that is not shown any more; null for no bound.</param>
    /// <param name="reverse">Descending by key.</param>
    /// <param name="cancellationToken">Ends the enumeration.</param>
    IAsyncEnumerable<Entry> GetEntriesAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false,
        CancellationToken cancellationToken = default);

    /// <summary>Like <see cref="GetEntriesAsync"/>, without the values.</summary>
    IAsyncEnumerable<ReadOnlyMemory<byte>> GetKeysAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false,
        CancellationToken cancellationToken = default);

    /// <summary>Number of entries in the range, from the counts that the tree stores.</summary>
    ValueTask<long> CountAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null,
        CancellationToken cancellationToken = default);

    /// <summary>Opens a value of any size as a seekable stream, or null when the key is absent.</summary>
    ValueTask<Stream?> OpenReadAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default);

    /// <summary>The whole value, fetched first when it is not here; null when the key is absent.</summary>
    /// <exception cref="ValueTooLargeException">Larger than 1 MiB.</exception>
    /// <exception cref="NetworkUnavailableException">It is not here, and nobody gave it within 30 s.</exception>
    ValueTask<ReadOnlyMemory<byte>?> FetchAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default);

    /// <summary>Part of a value, fetched first when it is not here; null when the key is absent.</summary>
    /// <param name="key">The key.</param>
    /// <param name="offset">Where it begins; negative counts from the end. Outside the value the result is
    /// empty.</param>
    /// <param name="length">At most so many bytes, cut at the end of the value; negative for all of the rest.</param>
    /// <param name="cancellationToken">Cancels the read.</param>
    /// <exception cref="ValueTooLargeException">The part is larger than 1 MiB.</exception>
    ValueTask<ReadOnlyMemory<byte>?> FetchRangeAsync(
        ReadOnlyMemory<byte> key, long offset, long length, CancellationToken cancellationToken = default);
}

/// <summary>One entry as a reader sees it.</summary>
/// <param name="Key">The key.</param>
/// <param name="Value">The value when it is here and at most 1 MiB; otherwise null, see
/// <paramref name="State"/>.</param>
/// <param name="SizeBytes">Length of the value.</param>
/// <param name="Priority">When the value must be here.</param>
/// <param name="State">Where the value is.</param>
public readonly record struct Entry(
    ReadOnlyMemory<byte> Key, ReadOnlyMemory<byte>? Value, long SizeBytes, EntryPriority Priority, ValueState State);

/// <summary>Where the value of an entry is.</summary>
public enum ValueState
{
    /// <summary>In <see cref="Entry.Value"/>.</summary>
    Here,

    /// <summary>In the store, too large to be given at once: open it as a stream.</summary>
    Large,

    /// <summary>Not on this device: fetch it.</summary>
    NeedsFetch,
}
