namespace Ledger.Objects.Segments;

/// <summary>A row as an index knows it.</summary>
/// <param name="Key">The row's key.</param>
/// <param name="Location">Where its value is; null when the row was removed, which hides older levels.</param>
internal sealed record IndexedRow(byte[] Key, ItemLocation? Location)
{
    /// <summary>By key, as unsigned bytes.</summary>
    public static IComparer<IndexedRow> ByKey { get; } =
        Comparer<IndexedRow>.Create(static (left, right) => left.Key.AsSpan().SequenceCompareTo(right.Key));
}

/// <summary>
/// The index of a part of the log, in memory. Not safe for concurrent use: <see cref="StoreIndex"/> locks.
/// </summary>
internal sealed class IndexLevel
{
    private readonly Dictionary<ObjectId, ItemLocation> _objects = [];
    private readonly SortedSet<IndexedRow> _rows = new(IndexedRow.ByKey);
    private readonly RemovedRanges _removed = new();

    /// <summary>True when nothing was applied.</summary>
    public bool IsEmpty => _objects.Count == 0 && _rows.Count == 0 && _removed.IsEmpty;

    /// <summary>Number of objects.</summary>
    public int ObjectCount => _objects.Count;

    /// <summary>Objects, ascending by id.</summary>
    public IEnumerable<KeyValuePair<ObjectId, ItemLocation>> SortedObjects => _objects.OrderBy(pair => pair.Key);

    /// <summary>Everything that the level says about rows. Not while something is still applied.</summary>
    public RowSource AllRows => new(_rows, _removed.Boundaries());

    /// <summary>Applies the items of a record whose body begins at a log position.</summary>
    public void Apply(IReadOnlyList<RecordItem> items, long bodyPosition)
    {
        foreach (var item in items)
        {
            var location = new ItemLocation(bodyPosition + item.Offset, item.SizeBytes);
            switch (item.Tag)
            {
                case ItemTag.StoreObject:
                    _objects.TryAdd(item.Id, location);
                    break;
                case ItemTag.SetRow:
                    Set(new IndexedRow(item.Key!, location));
                    break;
                case ItemTag.DeleteRow:
                    Set(new IndexedRow(item.Key!, null));
                    break;
                default:
                    RemoveRange(item.Key!, item.KeyEnd!);
                    break;
            }
        }
    }

    /// <summary>Where an object is, when this level knows it.</summary>
    public ItemLocation? FindObject(ObjectId id) => _objects.TryGetValue(id, out var location) ? location : null;

    /// <summary>The row, when this level knows it or knows that it was removed.</summary>
    public IndexedRow? FindRow(byte[] key)
    {
        var probe = new IndexedRow(key, null);
        return _rows.TryGetValue(probe, out var row) ? row : _removed.Contains(key) ? probe : null;
    }

    /// <summary>A copy of what the level says now about the rows that begin with a prefix.</summary>
    public RowSource CopyRows(byte[] prefix) => new(CopyRowsWith(prefix), _removed.CopyFor(prefix));

    private List<IndexedRow> CopyRowsWith(byte[] prefix)
    {
        var rows = new List<IndexedRow>();
        if (_rows.Max is not { } last || last.Key.AsSpan().SequenceCompareTo(prefix) < 0)
        {
            return rows;
        }

        foreach (var row in _rows.GetViewBetween(new IndexedRow(prefix, null), last))
        {
            if (!row.Key.AsSpan().StartsWith(prefix))
            {
                break;
            }

            rows.Add(row);
        }

        return rows;
    }

    private void Set(IndexedRow row)
    {
        _rows.Remove(row);
        _rows.Add(row);
    }

    private void RemoveRange(byte[] from, byte[] to)
    {
        if (from.AsSpan().SequenceCompareTo(to) >= 0)
        {
            return;
        }

        // What this level holds goes; what older levels hold is hidden by the range.
        var doomed = _rows.GetViewBetween(new IndexedRow(from, null), new IndexedRow(to, null))
            .TakeWhile(row => row.Key.AsSpan().SequenceCompareTo(to) < 0).ToList();
        foreach (var row in doomed)
        {
            _rows.Remove(row);
        }

        _removed.Add(from, to);
    }
}
