using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// Where every object and row is: the newest log in memory, older parts of it that wait to be written as a run, and the
/// runs. Newer levels win. Safe for concurrent use.
/// </summary>
/// <param name="runtime">The seams.</param>
internal sealed class StoreIndex(LedgerRuntime runtime) : IDisposable
{
    private readonly Lock _gate = new();
    private IndexLevel _active = new();
    private IndexLevel[] _frozen = []; // Newest first; replaced as a whole.
    private Run[] _runs = []; // Newest first; replaced as a whole.
    private LogMark _applied;

    /// <summary>The runs, newest first.</summary>
    public IReadOnlyList<Run> Runs => Volatile.Read(ref _runs);

    /// <summary>Adds a run that is older than all levels so far; for opening. The index owns it from now on.</summary>
    public void AddOldest(Run run) => _runs = [.. _runs, run];

    /// <summary>Applies one record: its items, whose body begins at a log position, and the mark behind it.</summary>
    public void Apply(IReadOnlyList<RecordItem> items, long bodyPosition, LogMark behind)
    {
        lock (_gate)
        {
            _active.Apply(items, bodyPosition);
            _applied = behind;
        }
    }

    /// <summary>Where an object is, or null.</summary>
    public ValueTask<ItemLocation?> FindObjectAsync(ObjectId id)
    {
        Run[] runs;
        lock (_gate)
        {
            foreach (var level in Levels)
            {
                if (level.FindObject(id) is { } location)
                {
                    return new ValueTask<ItemLocation?>(location);
                }
            }

            runs = UseRuns();
        }

        return runs.Length == 0
            ? default
            : runtime.Offload(static state => FindIn(state.runs, run => run.FindObject(state.id)), (runs, id));
    }

    /// <summary>Where a row is, or null.</summary>
    public ValueTask<ItemLocation?> FindRowAsync(byte[] key)
    {
        Run[] runs;
        lock (_gate)
        {
            foreach (var level in Levels)
            {
                if (level.FindRow(key) is { } row)
                {
                    return new ValueTask<ItemLocation?>(row.Location);
                }
            }

            runs = UseRuns();
        }

        return runs.Length == 0
            ? default
            : runtime.Offload(static state => FindIn(state.runs, run => run.FindRow(state.key)), (runs, key));
    }

    /// <summary>The rows under a prefix as they are now, ascending by key; dispose it.</summary>
    public IndexScan Scan(byte[] prefix)
    {
        lock (_gate)
        {
            IndexLevel[] levels = [.. Levels];
            var hidden = levels.Select(level => level.CopyRemovedRanges()).ToArray();
            var rows = levels.Select(level => level.CopyRows(prefix)).ToArray();
            return new IndexScan(runtime, prefix, rows, hidden, UseRuns());
        }
    }

    /// <summary>Begins a checkpoint: what was applied so far is set apart.</summary>
    /// <returns>The mark up to which it goes; null when there is nothing that a run does not hold.</returns>
    public LogMark? Freeze()
    {
        lock (_gate)
        {
            if (!_active.IsEmpty)
            {
                _frozen = [_active, .. _frozen];
                _active = new IndexLevel();
            }

            return _frozen.Length > 0 ? _applied : null;
        }
    }

    /// <summary>Writes what is frozen, and all runs, as one new run. Blocks: call it offloaded.</summary>
    public RunFooter WriteRun(IFile file, Guid storeId, uint number)
    {
        var objectCount = MergedObjects().LongCount();
        return RunWriter.Write(file, storeId, number, objectCount, MergedObjects(), MergedRows());
    }

    /// <summary>Ends a checkpoint: the new run takes the place of what was frozen and of the runs before it.</summary>
    /// <remarks>A checkpoint that fails just does not call it: what is frozen waits for the next one.</remarks>
    public void Install(Run run)
    {
        Run[] old;
        lock (_gate)
        {
            old = _runs;
            _runs = [run];
            _frozen = [];
        }

        DisposeAll(old);
    }

    /// <inheritdoc/>
    public void Dispose() => DisposeAll(_runs);

    private IEnumerable<IndexLevel> Levels => _frozen.Prepend(_active);

    private IEnumerable<KeyValuePair<ObjectId, ItemLocation>> MergedObjects() => SortedMerge.Merge(
        [.. _frozen.Select(level => level.SortedObjects), .. _runs.Select(run => run.Objects())],
        Comparer<KeyValuePair<ObjectId, ItemLocation>>.Create(
            static (left, right) => left.Key.CompareTo(right.Key))).Select(pair => pair.Item);

    /// <summary>Nothing is older than the runs it is made of, so removed rows and ranges need no trace in it.</summary>
    private IEnumerable<IndexedRow> MergedRows() =>
        from pair in SortedMerge.Merge(
            [.. _frozen.Select(level => level.CopyRows([])), .. _runs.Select(run => run.Rows())], IndexedRow.ByKey)
        where pair.Item.Location is not null &&
            !_frozen.Take(pair.Source).Any(newer => newer.HidesOlder(pair.Item.Key))
        select pair.Item;

    private static ItemLocation? FindIn(Run[] runs, Func<Run, ItemLocation?> find)
    {
        try
        {
            return runs.Select(find).FirstOrDefault(found => found is not null);
        }
        finally
        {
            DisposeAll(runs);
        }
    }

    /// <summary>Keeps the present runs open until <see cref="DisposeAll"/>. The gate is held.</summary>
    private Run[] UseRuns()
    {
        foreach (var run in _runs)
        {
            run.Use();
        }

        return _runs;
    }

    internal static void DisposeAll(IEnumerable<Run> runs)
    {
        foreach (var run in runs)
        {
            run.Dispose();
        }
    }
}
