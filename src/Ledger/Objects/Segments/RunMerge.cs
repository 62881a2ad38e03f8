using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// Makes one run of several that follow each other, a step at a time, so that other work can come between. It reads
/// while readers go on, and needs memory for a few blocks of each source.
/// </summary>
internal sealed class RunMerge : IDisposable
{
    /// <summary>Entries that a step writes: about 20 ms of work.</summary>
    private const int EntriesInStep = 16_384;

    private readonly RunWriter _writer;
    private readonly PlantedBugs _bugs;
    private readonly IEnumerator<int> _entries; // One element for each entry written.

    /// <summary>Begins a merge.</summary>
    /// <param name="file">A new, empty file; stays the caller's.</param>
    /// <param name="storeId">The store.</param>
    /// <param name="number">The new run's number.</param>
    /// <param name="sources">Newest first; kept open by the index, which replaces them only by this merge.</param>
    /// <param name="isOldest">True when no run is older: then what was removed leaves no trace.</param>
    /// <param name="bugs">Faults planted by a test.</param>
    public RunMerge(
        IFile file, Guid storeId, uint number, IReadOnlyList<Run> sources, bool isOldest, PlantedBugs bugs)
    {
        (File, Number, Sources, _bugs) = (file, number, sources, bugs);
        _writer = new RunWriter(file, storeId, number, sources.Sum(static run => run.ObjectCount));
        _entries = Write(isOldest || bugs.HasFlag(PlantedBugs.ForgetRemoved)).GetEnumerator();
    }

    /// <summary>Objects by id.</summary>
    public static IComparer<KeyValuePair<ObjectId, ItemLocation>> ById { get; } =
        Comparer<KeyValuePair<ObjectId, ItemLocation>>.Create(
            static (left, right) => left.Key.CompareTo(right.Key));

    /// <summary>The file that is written.</summary>
    public IFile File { get; }

    /// <summary>The new run's number.</summary>
    public uint Number { get; }

    /// <summary>The runs that are merged, newest first.</summary>
    public IReadOnlyList<Run> Sources { get; }

    /// <summary>The run as the manifest will list it; once the last step is done.</summary>
    public RunEntry Entry { get; private set; }

    /// <summary>Writes some more. Blocks: call it offloaded.</summary>
    /// <returns>True when the run is complete and flushed.</returns>
    public bool Step()
    {
        for (var i = 0; i < EntriesInStep; i++)
        {
            if (!_entries.MoveNext())
            {
                Entry = new RunEntry(Number, _writer.Finish(_bugs).FileSizeBytes);
                return true;
            }
        }

        return false;
    }

    /// <summary>Lets go of the sources; the file is the caller's.</summary>
    public void Dispose() => _entries.Dispose();

    private IEnumerable<int> Write(bool forgetsRemoved)
    {
        foreach (var (pair, source) in SortedMerge.Merge([.. Sources.Select(static run => run.Objects())], ById))
        {
            _writer.AddObject(pair.Key, pair.Value);
            yield return source;
        }

        RowSource[] sources = [.. Sources.Select(static run => run.AllRows)];
        foreach (var row in RowMerge.Rows(sources, keepRemoved: !forgetsRemoved))
        {
            _writer.AddRow(row);
            yield return 0;
        }

        foreach (var boundary in forgetsRemoved ? [] : RowMerge.Boundaries(sources))
        {
            _writer.AddBoundary(boundary);
            yield return 0;
        }
    }
}

/// <summary>Which runs are merged next: such that are alike in size and follow each other.</summary>
internal static class MergePlan
{
    /// <summary>Runs of a store at most, except while merging fails.</summary>
    public const int RunsMax = 16;

    /// <summary>
    /// Runs that are merged at once, at least: each entry is written about once for each factor of it.
    /// </summary>
    public const int RunsInMergeMin = 4;

    /// <summary>From so many runs on some are merged though they are not alike.</summary>
    private const int RunsBeforeForced = RunsMax - RunsInMergeMin;

    /// <summary>Chooses among the runs that are not being merged, newest first.</summary>
    /// <param name="sizes">Their lengths.</param>
    /// <param name="runsBehind">Older runs, which are being merged.</param>
    /// <returns>The first of the chosen runs and their number; a number of zero for none.</returns>
    public static (int First, int Count) Choose(IReadOnlyList<long> sizes, int runsBehind)
    {
        for (var first = 0; first + RunsInMergeMin <= sizes.Count; first++)
        {
            // A run joins those before it when it is hardly larger than all of them: small ones never drag a large
            // one along, so the runs that stay grow about fourfold in size every few.
            var (count, sum) = (1, sizes[first]);
            while (first + count < sizes.Count && sizes[first + count] <= sum + sum / 4)
            {
                sum += sizes[first + count++];
            }

            if (count >= RunsInMergeMin)
            {
                return (first, count);
            }
        }

        if (sizes.Count < RunsInMergeMin || sizes.Count + runsBehind <= RunsBeforeForced)
        {
            return default;
        }

        var least = Enumerable.Range(0, sizes.Count - RunsInMergeMin + 1)
            .MinBy(first => sizes.Skip(first).Take(RunsInMergeMin).Sum());
        return (least, RunsInMergeMin);
    }
}
