using Ledger.Trees;

namespace Ledger.Pages;

/// <summary>What a snapshot has in a range, shown one by one; each enumeration begins anew.</summary>
/// <remarks>
/// What is in memory is given at once, so that a scan costs no state machine for each entry; everything else is awaited
/// where the library runs.
/// </remarks>
/// <typeparam name="T">How an entry is shown.</typeparam>
/// <param name="snapshot">The snapshot.</param>
/// <param name="range">The keys.</param>
/// <param name="reverse">Descending by key.</param>
/// <param name="ownToken">Ends every enumeration, as the enumerator's own token ends that one.</param>
internal abstract class SnapshotScan<T>(
    PageSnapshot snapshot, KeyRange range, bool reverse, CancellationToken ownToken) : IAsyncEnumerable<T>
{
    /// <summary>The snapshot.</summary>
    protected PageSnapshot Snapshot => snapshot;

    /// <inheritdoc/>
    public IAsyncEnumerator<T> GetAsyncEnumerator(CancellationToken cancellationToken = default) =>
        new Enumerator(this, ownToken, cancellationToken);

    /// <summary>Shows the entry at which a scan stands, if all of it is in memory.</summary>
    protected abstract bool TryShow(TreeScan scan, out T shown);

    /// <summary>Shows the entry at which a scan stands.</summary>
    protected abstract ValueTask<T> ShowAsync(TreeScan scan, CancellationToken cancellationToken);

    private ValueTask<OpenScan> OpenAsync(CancellationToken cancellationToken) =>
        snapshot.OpenScanAsync(range, reverse, cancellationToken);

    private sealed class Enumerator : IAsyncEnumerator<T>
    {
        private readonly SnapshotScan<T> _owner;
        private readonly CancellationTokenSource? _linked;
        private readonly CancellationToken _cancellationToken;
        private OpenScan? _open;
        private T _current = default!;

        public Enumerator(SnapshotScan<T> owner, CancellationToken first, CancellationToken second)
        {
            _owner = owner;
            _linked = first.CanBeCanceled && second.CanBeCanceled && first != second
                ? CancellationTokenSource.CreateLinkedTokenSource(first, second)
                : null;
            _cancellationToken = _linked?.Token ?? (first.CanBeCanceled ? first : second);
        }

        public T Current => _current;

        public ValueTask<bool> MoveNextAsync()
        {
            // Whatever is out of the ordinary goes the other way, which tells of it.
            if (_open is not { Scan: var scan } || _owner.Snapshot.IsDisposed ||
                _cancellationToken.IsCancellationRequested || !scan.TryMoveNext())
            {
                return ReadNextAsync();
            }

            return _owner.TryShow(scan, out _current) ? new ValueTask<bool>(true) : ReadCurrentAsync(scan);
        }

        public ValueTask DisposeAsync()
        {
            _open?.Hold.Dispose();
            _linked?.Dispose();
            return ValueTask.CompletedTask;
        }

        private async ValueTask<bool> ReadNextAsync()
        {
            await _owner.Snapshot.EnterAsync();
            _cancellationToken.ThrowIfCancellationRequested();
            var scan = (_open ??= await _owner.OpenAsync(_cancellationToken)).Scan;
            return await scan.MoveNextAsync(_cancellationToken) &&
                (_owner.TryShow(scan, out _current) || await ReadCurrentAsync(scan));
        }

        private async ValueTask<bool> ReadCurrentAsync(TreeScan scan)
        {
            await _owner.Snapshot.EnterAsync();
            _current = await _owner.ShowAsync(scan, _cancellationToken);
            return true;
        }
    }
}

/// <summary>A scan and what keeps its tree.</summary>
/// <param name="Scan">The scan.</param>
/// <param name="Hold">Ends with the enumeration.</param>
internal sealed record OpenScan(TreeScan Scan, TreeHold Hold);

/// <summary>Shows entries with their values.</summary>
/// <inheritdoc cref="SnapshotScan{T}" path="/param"/>
internal sealed class EntryScan(PageSnapshot snapshot, KeyRange range, bool reverse, CancellationToken ownToken)
    : SnapshotScan<Entry>(snapshot, range, reverse, ownToken)
{
    /// <inheritdoc/>
    protected override bool TryShow(TreeScan scan, out Entry shown) =>
        PageValues.TryToEntry(scan.Current, out shown);

    /// <inheritdoc/>
    protected override ValueTask<Entry> ShowAsync(TreeScan scan, CancellationToken cancellationToken) =>
        Snapshot.Values.ToEntryAsync(scan.Key, scan.Value, cancellationToken);
}

/// <summary>Shows keys; values are not looked at.</summary>
/// <inheritdoc cref="SnapshotScan{T}" path="/param"/>
internal sealed class KeyScan(PageSnapshot snapshot, KeyRange range, bool reverse, CancellationToken ownToken)
    : SnapshotScan<ReadOnlyMemory<byte>>(snapshot, range, reverse, ownToken)
{
    /// <inheritdoc/>
    protected override bool TryShow(TreeScan scan, out ReadOnlyMemory<byte> shown)
    {
        shown = scan.Key;
        return true;
    }

    /// <inheritdoc/>
    protected override ValueTask<ReadOnlyMemory<byte>> ShowAsync(
        TreeScan scan, CancellationToken cancellationToken) => new(scan.Key);
}
