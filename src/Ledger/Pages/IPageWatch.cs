namespace Ledger.Pages;

/// <summary>The state at registration and every change after it, each seen exactly once, in order.</summary>
/// <remarks>
/// At most one change is in flight; bursts coalesce to the last value of each key; a commit is never split. A change is
/// consumed when <c>MoveNextAsync</c> has returned it. One enumeration at a time; the next one goes on where the last
/// one ended, also after an error: nothing is missed by a disk that was full for a while. After the connection is
/// disposed, what happened before is still delivered and then the enumeration ends.
/// </remarks>
public interface IPageWatch : IAsyncDisposable
{
    /// <summary>The state that the first change is counted from.</summary>
    IPageSnapshot Initial { get; }

    /// <summary>The changes, one for each step of this connection that changed something under the prefix.</summary>
    IAsyncEnumerable<PageChange> ChangesAsync(CancellationToken cancellationToken = default);
}

/// <summary>What changed from one state of a connection to a later one, under a watch's prefix.</summary>
/// <param name="snapshot">The later state, with the same prefix.</param>
/// <param name="entries">Streams the changes.</param>
public sealed class PageChange(IPageSnapshot snapshot, Func<CancellationToken, IAsyncEnumerable<EntryChange>> entries)
{
    /// <summary>The state that includes the change, with the watch's prefix.</summary>
    public IPageSnapshot Snapshot { get; } = snapshot;

    /// <summary>The newest commit in the change.</summary>
    public CommitInfo Commit => Snapshot.Commit;

    /// <summary>
    /// Put and deleted keys in key order, read in bounded memory however many there are. May be called again.
    /// </summary>
    public IAsyncEnumerable<EntryChange> GetEntriesAsync(CancellationToken cancellationToken = default) =>
        entries(cancellationToken);
}

/// <summary>A key whose entry differs between two states.</summary>
/// <param name="Key">The key.</param>
/// <param name="Before">The entry in the earlier state; null when the key was absent.</param>
/// <param name="After">The entry in the later state; null when the key was deleted.</param>
public readonly record struct EntryChange(ReadOnlyMemory<byte> Key, Entry? Before, Entry? After);
