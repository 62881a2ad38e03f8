using Ledger.Objects;
using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>A root and a prefix. Outlives everything but the ledger.</summary>
/// <param name="services">The ledger's.</param>
/// <param name="commit">The commit, or the one that a transaction is pinned to.</param>
/// <param name="tree">What it shows.</param>
/// <param name="prefix">Only keys that begin with it are shown; our own copy.</param>
/// <param name="lease">Protects a transaction's own values as long as the snapshot lives; or null.</param>
internal sealed class PageSnapshot(
    LedgerServices services, CommitInfo commit, SnapshotTree tree, ReadOnlyMemory<byte> prefix,
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
        Check(key);
        key = key.ToArray();
        await services.Runtime.Enter();
        return await LookUpAsync(key, cancellationToken) is { } value
            ? await services.Values.ToEntryAsync(key, value, cancellationToken)
            : null;
    }

    /// <inheritdoc/>
    public ValueTask<ReadOnlyMemory<byte>?> GetAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        Check(key);

        // What is in memory is given at once: no task, no copy of the key, no change of thread.
        if (TryLookUp(key.Span, out var value))
        {
            if (value is not { } found)
            {
                return default;
            }

            if (found.IsInline)
            {
                return new ValueTask<ReadOnlyMemory<byte>?>(found.Inline);
            }
        }

        return ReadAsync(key.ToArray(), cancellationToken);
    }

    private async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
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
        new EntryScan(this, RangeOf(start, end), reverse, cancellationToken);

    /// <inheritdoc/>
    public IAsyncEnumerable<ReadOnlyMemory<byte>> GetKeysAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null, bool reverse = false,
        CancellationToken cancellationToken = default) =>
        new KeyScan(this, RangeOf(start, end), reverse, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<long> CountAsync(
        ReadOnlyMemory<byte>? start = null, ReadOnlyMemory<byte>? end = null,
        CancellationToken cancellationToken = default)
    {
        var range = RangeOf(start, end);
        await services.Runtime.Enter();
        using var hold = await OpenAsync(cancellationToken);
        return await services.Tree.CountAsync(tree.Root, range, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<Stream?> OpenReadAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        Check(key);
        key = key.ToArray();
        await services.Runtime.Enter();
        return await LookUpAsync(key, cancellationToken) is { } value ? services.Values.OpenRead(value) : null;
    }

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> FetchAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken = default)
    {
        Check(key);
        key = key.ToArray();
        await services.Runtime.Enter();
        if (await LookUpAsync(key, cancellationToken) is not { } value)
        {
            return null;
        }

        try
        {
            return await services.Values.ReadAsync(value, cancellationToken);
        }
        catch (MissingObjectException)
        {
            await FetchAsync(value, 0, value.SizeBytes, cancellationToken);
            return await services.Values.ReadAsync(value, cancellationToken);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> FetchRangeAsync(
        ReadOnlyMemory<byte> key, long offset, long length, CancellationToken cancellationToken = default)
    {
        Check(key);
        key = key.ToArray();
        await services.Runtime.Enter();
        if (await LookUpAsync(key, cancellationToken) is not { } value)
        {
            return null;
        }

        try
        {
            return await services.Values.ReadRangeAsync(value, offset, length, cancellationToken);
        }
        catch (MissingObjectException)
        {
            var start = offset < 0 ? value.SizeBytes + offset : offset;
            var rest = value.SizeBytes - start;
            await FetchAsync(value, start, length < 0 ? rest : Math.Min(length, rest), cancellationToken);
            return await services.Values.ReadRangeAsync(value, offset, length, cancellationToken);
        }
    }

    private async ValueTask FetchAsync(
        EntryValue value, long offset, long length, CancellationToken cancellationToken)
    {
        var fetcher = services.Fetcher ?? throw new NetworkUnavailableException(
            $"Value {value.Id} of {value.SizeBytes} bytes is not on this device, and no synchronisation is running.");
        await fetcher.FetchAsync(value, offset, length, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await services.Runtime.Enter();
        if (Interlocked.Exchange(ref _isDisposed, true))
        {
            return;
        }

        tree.Hold.Dispose();
        if (lease is not null)
        {
            await lease.ReleaseAsync();
        }
    }

    /// <summary>True once it was disposed of.</summary>
    internal bool IsDisposed => Volatile.Read(ref _isDisposed);

    /// <summary>Shows values.</summary>
    internal PageValues Values => services.Values;

    /// <summary>Goes where the library runs.</summary>
    /// <exception cref="ObjectDisposedException">The snapshot was disposed of.</exception>
    internal async ValueTask EnterAsync()
    {
        await services.Runtime.Enter();
        ThrowIfDisposed();
    }

    /// <summary>Begins a scan of the tree.</summary>
    internal async ValueTask<OpenScan> OpenScanAsync(
        KeyRange range, bool reverse, CancellationToken cancellationToken)
    {
        var hold = await OpenAsync(cancellationToken);
        var isOpen = false;
        try
        {
            var scan = await services.Tree.OpenScanAsync(tree.Root, range, reverse, cancellationToken);
            isOpen = true;
            return new OpenScan(scan, hold);
        }
        finally
        {
            if (!isOpen)
            {
                hold.Dispose();
            }
        }
    }

    private void Check(ReadOnlyMemory<byte> key)
    {
        ThrowIfDisposed();
        KeyComparer.Check(key);
    }

    private KeyRange RangeOf(ReadOnlyMemory<byte>? start, ReadOnlyMemory<byte>? end)
    {
        ThrowIfDisposed();
        var wanted = new KeyRange(
            start is { } first ? first.ToArray() : default,
            end is { } last ? last.ToArray() : (ReadOnlyMemory<byte>?)null);
        return KeyRange.OfPrefix(Prefix).Intersect(wanted);
    }

    private bool TryLookUp(ReadOnlySpan<byte> key, out EntryValue? value)
    {
        value = null;
        return !key.StartsWith(Prefix.Span) || services.Tree.TryGet(tree.Root, key, out value);
    }

    private async ValueTask<EntryValue?> LookUpAsync(ReadOnlyMemory<byte> key, CancellationToken cancellationToken)
    {
        if (TryLookUp(key.Span, out var value))
        {
            return value;
        }

        using var hold = await OpenAsync(cancellationToken);
        return await services.Tree.GetAsync(tree.Root, key, cancellationToken);
    }

    /// <summary>Keeps the tree while it is read, also when nobody has kept it since the snapshot was made.</summary>
    private async ValueTask<TreeHold> OpenAsync(CancellationToken cancellationToken)
    {
        if (await services.Tree.TryHoldAsync(tree.Root, cancellationToken) is { } hold)
        {
            return hold;
        }

        return tree.Page is { } page
            ? await services.Trees.OpenAsync(
                page, await services.Graph.ReadAsync(Commit.Id, cancellationToken), cancellationToken)
            : throw new MissingObjectException(tree.Root);
    }

    private void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(IsDisposed, this);
}

/// <summary>The tree that a snapshot shows.</summary>
/// <param name="Root">Its root.</param>
/// <param name="Hold">Keeps it; ends with the snapshot.</param>
/// <param name="Page">Whose commit's tree it is; null for a transaction's own.</param>
internal sealed record SnapshotTree(ObjectId Root, TreeHold Hold, PageId? Page);
