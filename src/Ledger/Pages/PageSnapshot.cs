using System.Runtime.CompilerServices;
using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>
/// A root and a prefix. Holds nothing else, so that it costs nothing and outlives everything but the ledger.
/// </summary>
/// <param name="services">The ledger's.</param>
/// <param name="commit">The commit, or the one that a transaction is pinned to.</param>
/// <param name="root">The tree; a transaction's own, or that of <paramref name="commit"/>.</param>
/// <param name="prefix">Only keys that begin with it are shown; our own copy.</param>
/// <param name="lease">Protects a transaction's own tree as long as the snapshot lives; or null.</param>
internal sealed class PageSnapshot(
    LedgerServices services, CommitInfo commit, ObjectId root, ReadOnlyMemory<byte> prefix,
    SharedLease? lease = null) : IPageSnapshot
{
    private bool _isDisposed;

    /// <inheritdoc/>
    public CommitInfo Commit { get; } = commit;

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Prefix { get; } = prefix;

    /// <inheritdoc/>
    public async ValueTask<Entry?> FindAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        key = CopyKey(key);
        await services.Runtime.Enter();
        return await LookUpAsync(key, cancellationToken) is { } value
            ? await services.Values.ToEntryAsync(key, value, cancellationToken)
            : null;
    }

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> GetAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        key = CopyKey(key);
        await services.Runtime.Enter();
        if (await LookUpAsync(key, cancellationToken) is { } value)
        {
            return await services.Values.ReadAsync(value, cancellationToken);
        }

        // Not in one conditional expression: there a null would become an empty memory.
        return null;
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<Entry> GetEntriesAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false,
        CancellationToken cancellationToken = default) =>
        ScanAsync(
            RangeOf(start, end), reverse,
            static (services, entry, token) => services.Values.ToEntryAsync(entry.Key, entry.Value, token),
            cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<ReadOnlyMemory<byte>> GetKeysAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false,
        CancellationToken cancellationToken = default) =>
        ScanAsync(
            RangeOf(start, end), reverse, static (_, entry, _) => ValueTask.FromResult(entry.Key), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<long> CountAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null,
        CancellationToken cancellationToken = default)
    {
        var range = RangeOf(start, end);
        await services.Runtime.Enter();
        return await services.Tree.CountAsync(root, range, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<Stream?> OpenReadAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        key = CopyKey(key);
        await services.Runtime.Enter();
        return await LookUpAsync(key, cancellationToken) is { } value ? services.Values.OpenRead(value) : null;
    }

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> FetchAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default) => GetAsync(key, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> FetchRangeAsync(
        ReadOnlyMemory<byte> key, long offset, long length, CancellationToken cancellationToken = default)
    {
        key = CopyKey(key);
        await services.Runtime.Enter();
        if (await LookUpAsync(key, cancellationToken) is { } value)
        {
            return await services.Values.ReadRangeAsync(value, offset, length, cancellationToken);
        }

        return null;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await services.Runtime.Enter();
        if (!Interlocked.Exchange(ref _isDisposed, true) && lease is not null)
        {
            await lease.ReleaseAsync();
        }
    }

    private async IAsyncEnumerable<T> ScanAsync<T>(
        KeyRange range, bool reverse, Func<LedgerServices, TreeEntry, CancellationToken, ValueTask<T>> show,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await services.Runtime.Enter();
        await foreach (var entry in services.Tree.ScanAsync(root, range, reverse, cancellationToken))
        {
            ThrowIfDisposed();
            yield return await show(services, entry, cancellationToken);
            await services.Runtime.Enter();
        }
    }

    private ReadOnlyMemory<byte> CopyKey(ReadOnlyMemory<byte> key)
    {
        ThrowIfDisposed();
        KeyComparer.Check(key);
        return key.ToArray();
    }

    private KeyRange RangeOf(ReadOnlyMemory<byte>? start, ReadOnlyMemory<byte>? end)
    {
        ThrowIfDisposed();
        var wanted = new KeyRange(
            start is { } first ? first.ToArray() : default,
            end is { } last ? last.ToArray() : (ReadOnlyMemory<byte>?)null);
        return KeyRange.OfPrefix(Prefix).Intersect(wanted);
    }

    private ValueTask<EntryValue?> LookUpAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken) =>
        key.Span.StartsWith(Prefix.Span)
            ? services.Tree.GetAsync(root, key, cancellationToken)
            : new ValueTask<EntryValue?>((EntryValue?)null);

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_isDisposed, this);
}
