using System.Runtime.InteropServices;

namespace Ledger.Objects.Segments;

/// <summary>Where a removed range begins or ends.</summary>
/// <param name="Key">The first key of the range, or the first key behind it.</param>
/// <param name="Begins">True where it begins.</param>
internal readonly record struct RangeBoundary(byte[] Key, bool Begins);

/// <summary>Ranges of keys that were removed, as one set. Not safe for concurrent changes.</summary>
internal sealed class RemovedRanges
{
    /// <summary>Ascending; ranges that touch are one, so that beginnings and ends take turns.</summary>
    private readonly List<byte[]> _boundaries = [];

    /// <summary>True when nothing was removed.</summary>
    public bool IsEmpty => _boundaries.Count == 0;

    /// <summary>Adds the keys with from &lt;= key &lt; to.</summary>
    public void Add(byte[] from, byte[] to)
    {
        var low = CountBefore(from, orEqual: false);
        var high = CountBefore(to, orEqual: true);
        var isInsideAtFrom = (low & 1) == 1;
        var isInsideAtTo = (high & 1) == 1;
        var added = (isInsideAtFrom ? 0 : 1) + (isInsideAtTo ? 0 : 1);

        // What lies between is swallowed. A journal removes ever longer ranges from one key on: they stay one.
        if (high - low > added)
        {
            _boundaries.RemoveRange(low + added, high - low - added);
        }
        else if (high - low < added)
        {
            _boundaries.InsertRange(low, new byte[added - (high - low)][]);
        }

        if (!isInsideAtFrom)
        {
            _boundaries[low++] = from;
        }

        if (!isInsideAtTo)
        {
            _boundaries[low] = to;
        }
    }

    /// <summary>Whether a key is in one of the ranges.</summary>
    public bool Contains(ReadOnlySpan<byte> key) => (CountBefore(key, orEqual: true) & 1) == 1;

    /// <summary>The boundaries, ascending, beginnings and ends in turns.</summary>
    public IEnumerable<RangeBoundary> Boundaries()
    {
        for (var i = 0; i < _boundaries.Count; i++)
        {
            yield return At(i);
        }
    }

    /// <summary>A copy of the boundaries that decide about the keys with a prefix.</summary>
    public List<RangeBoundary> CopyFor(ReadOnlySpan<byte> prefix)
    {
        var copy = new List<RangeBoundary>();
        for (var i = CountBefore(prefix, orEqual: true) & ~1; i < _boundaries.Count; i++)
        {
            copy.Add(At(i));
            if (_boundaries[i].AsSpan().SequenceCompareTo(prefix) > 0 && !_boundaries[i].AsSpan().StartsWith(prefix))
            {
                break;
            }
        }

        return copy;
    }

    private RangeBoundary At(int index) => new(_boundaries[index], (index & 1) == 0);

    /// <summary>How many boundaries are before a key, or at it.</summary>
    private int CountBefore(ReadOnlySpan<byte> key, bool orEqual)
    {
        var boundaries = CollectionsMarshal.AsSpan(_boundaries);
        int low = 0, high = boundaries.Length;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            var order = boundaries[middle].AsSpan().SequenceCompareTo(key);
            (low, high) = order < 0 || (orEqual && order == 0) ? (middle + 1, high) : (low, middle);
        }

        return low;
    }
}
