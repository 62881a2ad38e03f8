using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>The rows under a prefix as they were when the scan was made, ascending by key.</summary>
/// <param name="runtime">The seams.</param>
/// <param name="prefix">The prefix.</param>
/// <param name="levels">Copies of what the levels in memory say, newest first.</param>
/// <param name="runs">The runs, kept open for this scan.</param>
internal sealed class IndexScan(LedgerRuntime runtime, byte[] prefix, RowSource[] levels, RunSet runs) : IDisposable
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
        runs.Dispose();
    }

    private List<IndexedRow> ReadBatch()
    {
        _rows ??= Open();
        var batch = new List<IndexedRow>();
        while (batch.Count < BatchSize && _rows.MoveNext())
        {
            batch.Add(_rows.Current);
        }

        return batch;
    }

    private IEnumerator<IndexedRow> Open()
    {
        RowSource[] sources = [.. levels, .. runs.All.Select(RowsOf)];
        return RowMerge.Rows(sources, keepRemoved: false).GetEnumerator();
    }

    private RowSource RowsOf(Run run)
    {
        var (rows, boundaries) = run.RowsFrom(prefix);
        return new RowSource(
            rows.SkipWhile(row => row.Key.AsSpan().SequenceCompareTo(prefix) < 0)
                .TakeWhile(row => row.Key.AsSpan().StartsWith(prefix)),
            boundaries);
    }
}
