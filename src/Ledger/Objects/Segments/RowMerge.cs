namespace Ledger.Objects.Segments;

/// <summary>Rows of one level or run, and the ranges in which it hides older ones.</summary>
/// <param name="Rows">Ascending by key; a removed one hides older ones.</param>
/// <param name="Boundaries">Ascending by key, beginnings and ends in turns.</param>
internal readonly record struct RowSource(IEnumerable<IndexedRow> Rows, IEnumerable<RangeBoundary> Boundaries);

/// <summary>
/// Merges rows and removed ranges, newer ones hiding older ones, in memory for one row of each source.
/// </summary>
internal static class RowMerge
{
    /// <summary>The rows that no newer source hides, ascending by key.</summary>
    /// <param name="sources">Newest first.</param>
    /// <param name="keepRemoved">True when something older than all sources may still hold what they removed.</param>
    public static IEnumerable<IndexedRow> Rows(IReadOnlyList<RowSource> sources, bool keepRemoved)
    {
        var hiding = sources.Select(static source => new RangeCursor(source.Boundaries)).ToArray();
        try
        {
            foreach (var (row, source) in SortedMerge.Merge(
                sources.Select(static source => source.Rows).ToArray(), IndexedRow.ByKey))
            {
                var isHidden = row.Location is null && !keepRemoved;
                for (var newer = 0; newer < source && !isHidden; newer++)
                {
                    isHidden = hiding[newer].Covers(row.Key);
                }

                if (!isHidden)
                {
                    yield return row;
                }
            }
        }
        finally
        {
            foreach (var cursor in hiding)
            {
                cursor.Dispose();
            }
        }
    }

    /// <summary>The boundaries of everything that any source removed, ascending by key, in turns.</summary>
    public static IEnumerable<RangeBoundary> Boundaries(IReadOnlyList<RowSource> sources)
    {
        var cursors = sources.Select(static source => new RangeCursor(source.Boundaries)).ToArray();
        try
        {
            var wasInside = false;
            while (Least(cursors) is { } key)
            {
                var isInside = false;
                foreach (var cursor in cursors)
                {
                    isInside |= cursor.Covers(key);
                }

                if (isInside != wasInside)
                {
                    wasInside = isInside;
                    yield return new RangeBoundary(key, isInside);
                }
            }
        }
        finally
        {
            foreach (var cursor in cursors)
            {
                cursor.Dispose();
            }
        }
    }

    private static byte[]? Least(RangeCursor[] cursors)
    {
        byte[]? least = null;
        foreach (var cursor in cursors)
        {
            if (cursor.Next is { } next && (least is null || next.AsSpan().SequenceCompareTo(least) < 0))
            {
                least = next;
            }
        }

        return least;
    }

    /// <summary>Goes along boundaries, beside keys that ascend too.</summary>
    private sealed class RangeCursor : IDisposable
    {
        private readonly IEnumerator<RangeBoundary> _boundaries;
        private bool _isInside;
        private bool _hasStarted;
        private byte[]? _next;

        public RangeCursor(IEnumerable<RangeBoundary> boundaries) => _boundaries = boundaries.GetEnumerator();

        /// <summary>The next boundary's key, or null.</summary>
        public byte[]? Next
        {
            get
            {
                Start();
                return _next;
            }
        }

        public bool Covers(ReadOnlySpan<byte> key)
        {
            Start();
            while (_next is not null && _next.AsSpan().SequenceCompareTo(key) <= 0)
            {
                _isInside = _boundaries.Current.Begins;
                Step();
            }

            return _isInside;
        }

        public void Dispose() => _boundaries.Dispose();

        private void Start()
        {
            if (!_hasStarted)
            {
                _hasStarted = true;
                Step();
            }
        }

        private void Step() => _next = _boundaries.MoveNext() ? _boundaries.Current.Key : null;
    }
}
