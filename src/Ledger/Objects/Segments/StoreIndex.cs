using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// Where every object and row is: the newest log in memory, a part of it that waits to be written as a run, and the
/// runs. Newer levels win. Safe for concurrent use.
/// </summary>
/// <param name="runtime">The seams.</param>
/// <param name="cacheSizeBytes">Bytes of runs that are kept in memory at most.</param>
internal sealed class StoreIndex(LedgerRuntime runtime, long cacheSizeBytes) : IDisposable
{
    private readonly Lock _gate = new();
    private IndexLevel _active = new();
    private IndexLevel[] _frozen = []; // Newest first; replaced as a whole.
    private RunSet _runs = new([]);
    private LogMark _applied;

    /// <summary>Blocks of the runs.</summary>
    public BlockCache Cache { get; } = new(cacheSizeBytes);

    /// <summary>The runs, newest first; dispose the set after use.</summary>
    public RunSet UseRuns()
    {
        lock (_gate)
        {
            return _runs.Use();
        }
    }

    /// <summary>Adds a run that is older than all levels so far; for opening. The index owns it from now on.</summary>
    public void AddOldest(Run run) => Replace(runs => [.. runs, run], run);

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
        RunSet runs;
        lock (_gate)
        {
            if ((_active.FindObject(id) ?? FindFrozenObject(id)) is { } location)
            {
                return new ValueTask<ItemLocation?>(location);
            }

            if (_runs.Span.IsEmpty)
            {
                return default;
            }

            runs = _runs.Use();
        }

        return runtime.Offload(static state => FindObject(state.runs, state.id), (runs, id));
    }

    /// <summary>Where a row is, or null.</summary>
    public ValueTask<ItemLocation?> FindRowAsync(byte[] key)
    {
        RunSet runs;
        lock (_gate)
        {
            if ((_active.FindRow(key) ?? FindFrozenRow(key)) is { } row)
            {
                return new ValueTask<ItemLocation?>(row.Location);
            }

            if (_runs.Span.IsEmpty)
            {
                return default;
            }

            runs = _runs.Use();
        }

        return runtime.Offload(static state => FindRow(state.runs, state.key), (runs, key));
    }

    /// <summary>The rows under a prefix as they are now, ascending by key; dispose it.</summary>
    public IndexScan Scan(byte[] prefix)
    {
        lock (_gate)
        {
            var levels = _frozen.Prepend(_active).Select(level => level.CopyRows(prefix)).ToArray();
            return new IndexScan(runtime, prefix, levels, _runs.Use());
        }
    }

    /// <summary>Begins a checkpoint: what was applied so far is set apart.</summary>
    /// <param name="end">
    /// The end of the log. After a crash its newest records are stamped anew, and their checksums are no longer those
    /// that recovery read; so when everything is applied, it is this mark that counts.
    /// </param>
    /// <returns>The mark up to which it goes; null when there is nothing that a run does not hold.</returns>
    public LogMark? Freeze(LogMark end)
    {
        lock (_gate)
        {
            if (!_active.IsEmpty)
            {
                _frozen = [_active, .. _frozen];
                _active = new IndexLevel();
            }

            _applied = _applied.Position == end.Position ? end : _applied;
            return _frozen.Length > 0 ? _applied : null;
        }
    }

    /// <summary>Writes what is frozen as a run. Blocks: call it offloaded.</summary>
    public RunFooter WriteFrozen(IFile file, Guid storeId, uint number, PlantedBugs bugs)
    {
        IndexLevel[] levels;
        bool isOldest;
        lock (_gate)
        {
            (levels, isOldest) = (_frozen, _runs.Span.IsEmpty);
        }

        var writer = new RunWriter(file, storeId, number, levels.Sum(static level => (long)level.ObjectCount));
        foreach (var (pair, _) in SortedMerge.Merge([.. levels.Select(level => level.SortedObjects)], RunMerge.ById))
        {
            writer.AddObject(pair.Key, pair.Value);
        }

        // What was removed has to hide what older runs hold; where there are none it leaves no trace.
        RowSource[] sources = [.. levels.Select(level => level.AllRows)];
        foreach (var row in RowMerge.Rows(sources, keepRemoved: !isOldest))
        {
            writer.AddRow(row);
        }

        foreach (var boundary in isOldest ? [] : RowMerge.Boundaries(sources))
        {
            writer.AddBoundary(boundary);
        }

        return writer.Finish(bugs);
    }

    /// <summary>Ends a checkpoint: the new run takes the place of what was frozen.</summary>
    /// <remarks>A checkpoint that fails just does not call it: what is frozen waits for the next one.</remarks>
    public void InstallFrozen(Run run)
    {
        lock (_gate)
        {
            Replace(runs => [run, .. runs], run);
            _frozen = [];
        }
    }

    /// <summary>Ends a merge: the new run takes the place of runs that followed each other.</summary>
    public void InstallMerged(Run merged, IReadOnlyList<Run> sources) => Replace(
        runs => runs.Select(run => run == sources[0] ? merged : run).Where(run => !sources.Contains(run)), merged);

    /// <inheritdoc/>
    public void Dispose() => _runs.Dispose();

    private static ItemLocation? FindObject(RunSet runs, ObjectId id)
    {
        using (runs)
        {
            foreach (var run in runs.Span)
            {
                if (run.FindObject(id) is { } location)
                {
                    return location;
                }
            }

            return null;
        }
    }

    private static ItemLocation? FindRow(RunSet runs, byte[] key)
    {
        using (runs)
        {
            foreach (var run in runs.Span)
            {
                if (run.FindRow(key) is { } row)
                {
                    return row.Location;
                }
            }

            return null;
        }
    }

    private ItemLocation? FindFrozenObject(ObjectId id)
    {
        foreach (var level in _frozen)
        {
            if (level.FindObject(id) is { } location)
            {
                return location;
            }
        }

        return null;
    }

    private IndexedRow? FindFrozenRow(byte[] key)
    {
        foreach (var level in _frozen)
        {
            if (level.FindRow(key) is { } row)
            {
                return row;
            }
        }

        return null;
    }

    /// <summary>Replaces the set of runs; the caller's hold on the one that was made goes over to it.</summary>
    private void Replace(Func<IReadOnlyList<Run>, IEnumerable<Run>> change, Run made)
    {
        RunSet old;
        lock (_gate)
        {
            old = _runs;
            _runs = new RunSet(change(old.All));
        }

        made.Dispose();
        old.Dispose();
    }
}
