using System.Runtime.CompilerServices;

namespace Ledger.Objects;

/// <summary>Shows a store that must not be written, and keeps in memory what is written nevertheless.</summary>
/// <remarks>
/// So that a store opened for reading can be worked with like any other: what readers derive, such as the commit that a
/// journal folds to, is gone when it is closed. Removing a row that the inner store has does not hide it.
/// </remarks>
/// <param name="inner">Read only; owned.</param>
internal sealed class ScratchObjectStore(IObjectStore inner) : IObjectStore
{
    private readonly MemoryObjectStore _scratch = new();

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadAsync(
        ObjectKind kind, ObjectId id, CancellationToken cancellationToken) =>
        await _scratch.ReadAsync(kind, id, cancellationToken) ?? await inner.ReadAsync(kind, id, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<ReadOnlyMemory<byte>?> ReadRowAsync(
        ReadOnlyMemory<byte> key, CancellationToken cancellationToken) =>
        await _scratch.ReadRowAsync(key, cancellationToken) ?? await inner.ReadRowAsync(key, cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<StoredRow> ScanRowsAsync(
        ReadOnlyMemory<byte> prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await using var scratch = _scratch.ScanRowsAsync(prefix, cancellationToken)
            .GetAsyncEnumerator(cancellationToken);
        var hasScratch = await scratch.MoveNextAsync();
        await foreach (var row in inner.ScanRowsAsync(prefix, cancellationToken))
        {
            var order = -1;
            while (hasScratch && (order = scratch.Current.Key.Span.SequenceCompareTo(row.Key.Span)) <= 0)
            {
                yield return scratch.Current;
                hasScratch = await scratch.MoveNextAsync();
                if (order == 0)
                {
                    break;
                }
            }

            if (order != 0)
            {
                yield return row;
            }
        }

        while (hasScratch)
        {
            yield return scratch.Current;
            hasScratch = await scratch.MoveNextAsync();
        }
    }

    /// <inheritdoc/>
    public IObjectWriter BeginWrite() => _scratch.BeginWrite();

    /// <inheritdoc/>
    public ValueTask FlushAsync(CancellationToken cancellationToken) => inner.FlushAsync(cancellationToken);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _scratch.DisposeAsync();
        await inner.DisposeAsync();
    }
}
