using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// Keeps the manifest: writes the index of the newest log as a run from time to time, so that opening reads little, and
/// marks a clean close.
/// </summary>
/// <remarks>
/// Its parts never run at once: the segment list is replaced before the first write of a run of the program.
/// </remarks>
internal sealed class Checkpointer
{
    private readonly LedgerRuntime _runtime;
    private readonly string _directory;
    private readonly SegmentStoreOptions _options;
    private readonly StoreIndex _index;
    private readonly SegmentSet _segments;
    private readonly long _recoveredTo;
    private Manifest _manifest;
    private uint _lastRunNumber;
    private long _checkpointAt; // Log position from which on the next checkpoint is due.
    private Task? _running;

    /// <summary>Makes the keeper of a manifest as it was found.</summary>
    public Checkpointer(
        LedgerRuntime runtime, string directory, SegmentStoreOptions options, Manifest manifest, StoreIndex index,
        RecoveredLog recovered)
    {
        (_runtime, _directory, _options, _manifest, _index) = (runtime, directory, options, manifest, index);
        (_segments, _recoveredTo) = (recovered.Segments, recovered.End.Position);
        _lastRunNumber = LogFormat.RunNumbers(runtime.Files.List(directory)).DefaultIfEmpty(0u).Max();
        _checkpointAt = manifest.Recovery.Position + options.CheckpointSizeBytes;
    }

    /// <summary>The store.</summary>
    public Guid StoreId => _manifest.StoreId;

    /// <summary>Replaces the manifest by one that lists the present segments. Blocks.</summary>
    /// <exception cref="IOException">The disk refused; the manifest is the old or the new one.</exception>
    public void WriteSegmentList() => Replace(_manifest, _recoveredTo);

    /// <summary>Begins a checkpoint when enough log was written since the last; waits for the one before.</summary>
    /// <remarks>For the leader of the log, between two groups: it flushes the tail.</remarks>
    public async ValueTask StartIfDueAsync(LogTail tail)
    {
        if (tail.End.Position < _checkpointAt)
        {
            return;
        }

        if (_running is { } before)
        {
            await before;
        }

        _checkpointAt = tail.End.Position + _options.CheckpointSizeBytes;
        try
        {
            // The manifest must not promise log that power loss could still take.
            await _runtime.Offload(
                static tail =>
                {
                    tail.Flush();
                    return true;
                },
                tail);
        }
        catch (LedgerException error)
        {
            Log.CheckpointFailed(_options.Logger, _directory, error);
            return;
        }

        _running = RunAsync(_index.Freeze());
    }

    /// <summary>Waits for a running checkpoint, indexes a long tail, and marks the clean close.</summary>
    public async ValueTask CloseAsync(LogTail tail)
    {
        if (_running is { } running)
        {
            await running;
        }

        if (!tail.HasWritten || tail.Stopped is not null || tail.UnflushedBytes > 0)
        {
            return;
        }

        try
        {
            await _runtime.Offload(
                static state =>
                {
                    state.self.Close(state.tail);
                    return true;
                },
                (self: this, tail));
        }
        catch (IOException error)
        {
            Log.CloseNotMarked(_options.Logger, _directory, error);
        }
    }

    private void Close(LogTail tail)
    {
        if (tail.End.Position - _manifest.Recovery.Position >= _options.CloseCheckpointSizeBytes)
        {
            Checkpoint();
        }

        tail.Trim();
        Replace(_manifest with { CleanClose = tail.End }, tail.End.Position);
        RemoveOrphans();
    }

    private async Task RunAsync(LogMark? mark)
    {
        await new YieldAwaitable(_runtime.Scheduler);
        try
        {
            await _runtime.Offload(
                static state =>
                {
                    state.self.WriteRun(state.mark);
                    return true;
                },
                (self: this, mark));
        }
        catch (IOException error)
        {
            Log.CheckpointFailed(_options.Logger, _directory, error);
        }
        catch (LedgerException error)
        {
            Log.CheckpointFailed(_options.Logger, _directory, error);
        }
    }

    private void Checkpoint() => WriteRun(_index.Freeze());

    private void WriteRun(LogMark? frozenTo)
    {
        if (frozenTo is not { } recovery)
        {
            return;
        }

        var number = ++_lastRunNumber;
        var path = Path.Combine(_directory, LogFormat.RunName(number));
        var file = _runtime.Files.Open(path, FileOpening.CreateNew);
        Run? run = null;
        try
        {
            var footer = _index.WriteRun(file, StoreId, number);
            var entry = new RunEntry(number, footer.FileSizeBytes);
            var written = Run.Open(file, StoreId, entry);
            if (!_options.Bugs.HasFlag(PlantedBugs.SkipDirectoryFlush))
            {
                _runtime.Files.FlushDirectory(_directory);
            }

            Replace(_manifest with { Runs = [entry], Recovery = recovery }, recovery.Position);
            run = written;
        }
        finally
        {
            if (run is null)
            {
                file.Dispose();
            }
        }

        _index.Install(run);
        RemoveOrphans();
    }

    private void Replace(Manifest manifest, long endPosition)
    {
        var replaced = manifest with { Segments = [.. _segments.Entries(endPosition)] };
        replaced.Write(_runtime.Files, _directory, _options.Bugs);
        _manifest = replaced;
    }

    /// <summary>Removes files that the manifest does not list and no recovery would look at.</summary>
    private void RemoveOrphans()
    {
        var names = _runtime.Files.List(_directory);
        var segments = _segments.All.Select(static segment => segment.Number).ToHashSet();
        var last = segments.DefaultIfEmpty(0u).Max();
        var orphans = LogFormat.SegmentNumbers(names).Where(number => number < last && !segments.Contains(number))
            .Select(LogFormat.SegmentName)
            .Concat(LogFormat.RunNumbers(names).Where(number => _manifest.Runs.All(run => run.Number != number))
                .Select(LogFormat.RunName));
        foreach (var name in orphans)
        {
            _runtime.Files.Delete(Path.Combine(_directory, name));
        }
    }
}
