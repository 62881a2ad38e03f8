using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// The manifest of an open store and the files that it lists: every change of what the store consists of goes through
/// it. Blocks; for one caller at a time.
/// </summary>
internal sealed class StoreManifest
{
    /// <summary>Runs whose merge is so small that closing may wait for it.</summary>
    private const long SmallMergeSizeBytesMax = 8L << 20;

    private readonly IFileSystem _files;
    private readonly string _directory;
    private readonly PlantedBugs _bugs;
    private readonly SegmentSet _segments;
    private readonly long _recoveredTo;
    private readonly HashSet<uint> _unfinished = []; // Runs that are being written.
    private Manifest _manifest;
    private uint _lastRunNumber;
    private long _recoveryPosition;

    /// <summary>Takes over a manifest as it was found.</summary>
    public StoreManifest(
        IFileSystem files, string directory, SegmentStoreOptions options, Manifest manifest, RecoveredLog recovered)
    {
        (_files, _directory, _bugs, _manifest) = (files, directory, options.Bugs, manifest);
        (_segments, _recoveredTo) = (recovered.Segments, recovered.End.Position);
        _recoveryPosition = manifest.Recovery.Position;
        _lastRunNumber = LogFormat.RunNumbers(files.List(directory)).DefaultIfEmpty(0u).Max();
    }

    /// <summary>The store.</summary>
    public Guid StoreId => _manifest.StoreId;

    /// <summary>Everything before it is in the runs. Safe to ask at any time.</summary>
    public long RecoveryPosition => Volatile.Read(ref _recoveryPosition);

    /// <summary>Number of runs. Safe to ask at any time.</summary>
    public int RunCount => Volatile.Read(ref _manifest).Runs.Count;

    /// <summary>Lists a segment that holds copies of the newest records and takes over from those before it.</summary>
    /// <param name="segment">The segment; on disk, and not one of the set yet.</param>
    /// <param name="recovery">The recovery position's mark, if the record before it was copied.</param>
    /// <param name="mayBeListed">
    /// Set once the manifest on the disk may list it, whatever happens then: from there on its file must stay.
    /// </param>
    /// <exception cref="IOException">The disk refused.</exception>
    public void ListCopies(Segment segment, LogMark? recovery, ref bool mayBeListed)
    {
        if (_bugs.HasFlag(PlantedBugs.RemoveBeforeListing))
        {
            RemoveOrphans(segment);
        }

        Replace(
            _manifest with { Recovery = recovery ?? _manifest.Recovery }, _recoveredTo, ref mayBeListed, segment);
    }

    /// <summary>Removes the segments whose records are read elsewhere now, and what else nothing lists.</summary>
    public void RemoveCopied() => RemoveOrphans();

    /// <summary>
    /// Removes the runs that an earlier process was writing, or had merged, when it died. For a store that was opened
    /// for writing: also on a disk that they filled.
    /// </summary>
    public void RemoveUnlistedRuns()
    {
        var listed = _manifest.Runs.Select(static run => run.Number).ToHashSet();
        try
        {
            string[] unlisted =
            [
                .. LogFormat.RunNumbers(_files.List(_directory)).Where(number => !listed.Contains(number))
                    .Select(LogFormat.RunName),
            ];
            if (unlisted.Length > 0)
            {
                // Nobody knows whether the name of the manifest that was read is on the medium yet: the one before may
                // list them.
                _files.FlushDirectory(_directory);
            }

            foreach (var name in unlisted)
            {
                _files.Delete(Path.Combine(_directory, name));
            }
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            // What cannot be removed now is removed when the manifest is replaced.
        }
    }

    /// <summary>Writes what the index froze as a run, and moves the recovery position to its end.</summary>
    /// <exception cref="IOException">The disk refused; what is frozen stays frozen.</exception>
    public void AddRun(StoreIndex index, LogMark recovery)
    {
        var number = Begin(out var file);
        Complete(
            number, file,
            () => new RunEntry(number, index.WriteFrozen(file, StoreId, number, _bugs).FileSizeBytes),
            entry => _manifest with { Runs = [entry, .. _manifest.Runs], Recovery = recovery },
            index, index.InstallFrozen);
    }

    /// <summary>Begins the merge that is due; null when none is.</summary>
    /// <param name="index">Where the runs are.</param>
    /// <param name="before">Only runs newer than those of this merge, which is not ended; null for any.</param>
    /// <param name="smallOnly">True for one that must be done soon: small, or needed to bound the number of
    /// runs.</param>
    /// <exception cref="IOException">The disk refused.</exception>
    public RunMerge? TryBeginMerge(StoreIndex index, RunMerge? before, bool smallOnly)
    {
        using var runs = index.UseRuns();
        var free = runs.All.TakeWhile(run => before is null || !before.Sources.Contains(run)).ToArray();
        var (first, count) = ChooseSound(free, runs.All.Count);
        var isSmall = free.Skip(first).Take(count).Sum(static run => run.Entry.SizeBytes) <= SmallMergeSizeBytesMax;
        if (count == 0 || (smallOnly && !isSmall && runs.All.Count < MergePlan.RunsMax))
        {
            return null;
        }

        var number = Begin(out var file);
        return new RunMerge(
            file, StoreId, number, free[first..(first + count)], isOldest: first + count == runs.All.Count, _bugs);
    }

    /// <summary>
    /// Chooses the runs to merge. One that is damaged is not among them: its merge would fail each time, while the
    /// others become more and more.
    /// </summary>
    private static (int First, int Count) ChooseSound(Run[] free, int runCount)
    {
        for (var first = 0; first < free.Length; first++)
        {
            long[] sizes =
                [.. free.Skip(first).TakeWhile(static run => !run.IsDamaged).Select(static run => run.Entry.SizeBytes)];
            if (MergePlan.Choose(sizes, runCount - sizes.Length) is { Count: > 0 } chosen)
            {
                return (first + chosen.First, chosen.Count);
            }

            first += sizes.Length;
        }

        return default;
    }

    /// <summary>Puts the run of a merge whose last step is done in the place of its sources.</summary>
    /// <exception cref="IOException">The disk refused; the sources stay.</exception>
    public void EndMerge(StoreIndex index, RunMerge merge)
    {
        var sources = merge.Sources.Select(static run => run.Entry.Number).ToHashSet();
        Complete(
            merge.Number, merge.File, () => merge.Entry,
            entry => _manifest with
            {
                Runs =
                [
                    .. _manifest.Runs.TakeWhile(run => !sources.Contains(run.Number)), entry,
                    .. _manifest.Runs.SkipWhile(run => !sources.Contains(run.Number))
                        .Where(run => !sources.Contains(run.Number)),
                ],
            },
            index, run => index.InstallMerged(run, merge.Sources));
    }

    /// <summary>Gives up a merge that was begun and not ended, and its file.</summary>
    public void AbandonMerge(RunMerge merge)
    {
        merge.Dispose();
        merge.File.Dispose();
        if (_unfinished.Remove(merge.Number))
        {
            RemoveUnfinished(merge.Number);
        }
    }

    /// <summary>Says that the store was closed and where its log ends.</summary>
    /// <exception cref="IOException">The disk refused; the next opening recovers as after a crash.</exception>
    public void MarkClosed(LogMark end)
    {
        var mayBeListed = false;
        Replace(_manifest with { CleanClose = end }, end.Position, ref mayBeListed);
        RemoveOrphans();
    }

    private uint Begin(out IFile file)
    {
        var number = ++_lastRunNumber;
        file = _files.Open(Path.Combine(_directory, LogFormat.RunName(number)), FileOpening.CreateNew);
        _unfinished.Add(number);
        return number;
    }

    /// <summary>
    /// Makes a run part of the store: its file and its name are on disk before the manifest lists it. A run that does
    /// not come to that leaves nothing: a full disk must not be filled with what is of no use.
    /// </summary>
    private void Complete(
        uint number, IFile file, Func<RunEntry> write, Func<RunEntry, Manifest> list, StoreIndex index,
        Action<Run> install)
    {
        Run? run = null;
        var mayBeListed = false;
        try
        {
            var entry = write();
            if (!_bugs.HasFlag(PlantedBugs.SkipDirectoryFlush))
            {
                _files.FlushDirectory(_directory);
            }

            var written = Run.Open(file, StoreId, entry, index.Cache);
            var replaced = list(entry);
            Replace(replaced, replaced.Recovery.Position, ref mayBeListed);
            run = written;
        }
        finally
        {
            _unfinished.Remove(number);
            if (run is null)
            {
                file.Dispose();
                if (!mayBeListed)
                {
                    RemoveUnfinished(number);
                }
            }
        }

        install(run);
        RemoveOrphans();
    }

    /// <summary>Removes the file of a run that nothing lists; what cannot be removed now is removed later.</summary>
    private void RemoveUnfinished(uint number)
    {
        try
        {
            _files.Delete(Path.Combine(_directory, LogFormat.RunName(number)));
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            // It is an orphan like others.
        }
    }

    private void Replace(Manifest manifest, long endPosition, ref bool mayBeListed, Segment? added = null)
    {
        var replaced = manifest with { Segments = _segments.Entries(endPosition, added) };
        replaced.WriteNew(_files, _directory, _bugs);
        mayBeListed = true;
        Manifest.InstallNew(_files, _directory, _bugs);
        Volatile.Write(ref _manifest, replaced);
        Volatile.Write(ref _recoveryPosition, replaced.Recovery.Position);
    }

    /// <summary>Removes files that the manifest does not list and no recovery would look at.</summary>
    /// <remarks>Readers who have one open read on. What cannot be removed now is removed another time.</remarks>
    private void RemoveOrphans(Segment? added = null)
    {
        var names = _files.List(_directory);
        var segments = _segments.Entries(0, added).Select(static segment => segment.Number).ToHashSet();
        var last = segments.DefaultIfEmpty(0u).Max();
        var runs = _manifest.Runs.Select(static run => run.Number).Concat(_unfinished).ToHashSet();
        var orphans = LogFormat.SegmentNumbers(names).Where(number => number < last && !segments.Contains(number))
            .Select(LogFormat.SegmentName)
            .Concat(LogFormat.RunNumbers(names).Where(number => !runs.Contains(number)).Select(LogFormat.RunName));
        foreach (var name in orphans)
        {
            try
            {
                _files.Delete(Path.Combine(_directory, name));
            }
            catch (Exception error) when (error.IsOfTheDisk)
            {
                return;
            }
        }
    }
}
