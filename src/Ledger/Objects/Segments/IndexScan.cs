using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>The rows under a prefix as they were when the scan was made, ascending by key.</summary>
/// <param name="runtime">The seams.</param>
/// <param name="prefix">The prefix.</param>
/// <param name="levels">Copies of the rows in memory, newest first.</param>
/// <param name="hidden">For each of those levels, the ranges in which it hides older ones.</param>
/// <param name="runs">The runs, newest first, kept open for this scan.</param>
internal sealed class IndexScan(
    LedgerRuntime runtime, byte[] prefix, List<IndexedRow>[] levels, RemovedRanges[] hidden, Run[] runs) : IDisposable
{
    /// <summary>Rows read from the sources at a time.</summary>
    private const int BatchSize = 256;

    private IEnumerator<IndexedRow>? _rows;

    /// <summary>The next rows; none at the end.</summary>
    public ValueTask<List<IndexedRow>> NextAsync() => runtime.Offload(static scan => scan.ReadBatch(), this);

    /// <inheritdoc/>
    public void Dispose()
    {
        _rows?.Dispose();
        StoreIndex.DisposeAll(runs);
    }

    private List<IndexedRow> ReadBatch()
    {
        _rows ??= Merged().GetEnumerator();
        var batch = new List<IndexedRow>();
        while (batch.Count < BatchSize && _rows.MoveNext())
        {
            batch.Add(_rows.Current);
        }

        return batch;
    }

    private IEnumerable<IndexedRow> Merged() =>
        from pair in SortedMerge.Merge([.. levels, .. runs.Select(RowsOf)], IndexedRow.ByKey)
        where pair.Item.Location is not null && !hidden.Take(pair.Source).Any(newer => newer.Contains(pair.Item.Key))
        select pair.Item;

    private IEnumerable<IndexedRow> RowsOf(Run run)
    {
        var first = run.FindRowBlock(prefix);
        for (var block = Math.Max(first, 0); block < run.RowBlocks; block++)
        {
            foreach (var row in run.DecodeRows(block))
            {
                if (row.Key.AsSpan().StartsWith(prefix))
                {
                    yield return row;
                }
                else if (row.Key.AsSpan().SequenceCompareTo(prefix) > 0)
                {
                    yield break;
                }
            }
        }
    }
}
