using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// Decides when the index of the newest log is written as a run and when runs are merged, so that opening reads little,
/// and marks a clean close.
/// </summary>
/// <remarks>
/// One worker does both; a checkpoint comes before the next step of a merge, and a merge of newer, smaller runs before
/// one of older, larger ones. Nobody who reads or writes waits for it, unless the log would run further ahead of the
/// recovery position than <see cref="SegmentStoreOptions.RecoverySizeBytesMax"/>.
/// </remarks>
internal sealed class Checkpointer
{
    private readonly LedgerRuntime _runtime;
    private readonly string _directory;
    private readonly SegmentStoreOptions _options;
    private readonly StoreIndex _index;
    private readonly StoreManifest _manifest;
    private readonly Lock _gate = new();
    private long _checkpointAt; // Log position from which on the next checkpoint is due.
    private long _frozenTo; // Where the newest checkpoint, done or on its way, ends.
    private bool _isSettled; // True once this run of the program has written.
    private Checkpoint? _requested; // Under the gate.
    private Task _worker = Task.CompletedTask;
    private bool _isWorking; // Under the gate.
    private bool _isClosing;

    /// <summary>Makes the checkpointer of a store that was opened.</summary>
    public Checkpointer(
        LedgerRuntime runtime, string directory, SegmentStoreOptions options, StoreManifest manifest, StoreIndex index)
    {
        (_runtime, _directory, _options, _index, _manifest) = (runtime, directory, options, index, manifest);
        _frozenTo = manifest.RecoveryPosition;
        _checkpointAt = _frozenTo + options.CheckpointSizeBytes;
    }

    /// <summary>Begins a checkpoint when enough log was written since the last, or a segment was sealed.</summary>
    /// <remarks>For the leader of the log, between two groups: it flushes the tail.</remarks>
    public async ValueTask StartIfDueAsync(LogTail tail)
    {
        lock (_gate)
        {
            if (_requested is not null || (tail.End.Position < _checkpointAt && tail.SealedTo <= _frozenTo))
            {
                return;
            }
        }

        (_checkpointAt, _frozenTo) = (tail.End.Position + _options.CheckpointSizeBytes, tail.End.Position);
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

        if (_index.Freeze(tail.End) is { } mark)
        {
            lock (_gate)
            {
                _requested = new Checkpoint(mark);
                if (!_isWorking)
                {
                    _isWorking = true;
                    _worker = WorkAsync();
                }
            }
        }
    }

    /// <summary>
    /// Waits, when a record would bring the log too far ahead of the recovery position, for the checkpoint that is on
    /// its way.
    /// </summary>
    /// <param name="endPosition">Where the log will end.</param>
    public async ValueTask WaitForRecoveryPositionAsync(long endPosition)
    {
        while (endPosition - _manifest.RecoveryPosition > _options.RecoverySizeBytesMax)
        {
            Checkpoint? requested;
            lock (_gate)
            {
                requested = _requested;
            }

            if (requested is null || !await requested.Done.Task)
            {
                return; // The disk refuses; the log tells its writers by itself when it does so too.
            }
        }
    }

    /// <summary>
    /// After the first write of a run of the program: indexes a long tail at once, so that processes that are killed
    /// after one write each do not make it ever longer. Blocks.
    /// </summary>
    public void Settle(LogTail tail)
    {
        if (_isSettled)
        {
            return;
        }

        _isSettled = true;
        TryIt(() => CheckpointNow(tail));
    }

    /// <summary>Stops the worker, indexes a long tail, and marks the clean close.</summary>
    public async ValueTask CloseAsync(LogTail tail)
    {
        Volatile.Write(ref _isClosing, true);
        await _worker;
        if (!tail.HasWritten || tail.Stopped is not null || tail.UnflushedBytes > 0)
        {
            return;
        }

        await _runtime.Offload(
            static state =>
            {
                state.self.Close(state.tail);
                return true;
            },
            (self: this, tail));
    }

    private void Close(LogTail tail)
    {
        TryIt(() => CheckpointNow(tail));
        try
        {
            tail.Trim();
            _manifest.MarkClosed(tail.End);
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            Log.CloseNotMarked(_options.Logger, _directory, error);
        }
    }

    private void CheckpointNow(LogTail tail)
    {
        if (tail.End.Position - _manifest.RecoveryPosition < _options.CloseCheckpointSizeBytes)
        {
            return;
        }

        tail.Flush();
        if (_index.Freeze(tail.End) is not { } mark)
        {
            return;
        }

        _frozenTo = mark.Position;
        _checkpointAt = _frozenTo + _options.CheckpointSizeBytes;
        _manifest.AddRun(_index, mark);
        while (_manifest.TryBeginMerge(_index, before: null, smallOnly: true) is { } merge)
        {
            MergeNow(merge);
        }
    }

    private void MergeNow(RunMerge merge)
    {
        var isEnded = false;
        try
        {
            while (!merge.Step())
            {
                // Small ones only: nobody waits for long.
            }

            _manifest.EndMerge(_index, merge);
            isEnded = true;
        }
        finally
        {
            if (!isEnded)
            {
                _manifest.AbandonMerge(merge);
            }
        }
    }

    private async Task WorkAsync()
    {
        await new YieldAwaitable(_runtime.Scheduler);
        var merges = new Stack<RunMerge>(); // The newest, smallest on top.
        var mayMerge = true;
        try
        {
            while (!Volatile.Read(ref _isClosing))
            {
                if (NextCheckpoint(mayMerge) is { } next)
                {
                    var isDone = await TryOffloadedAsync(() => _manifest.AddRun(_index, next.Mark));
                    EndCheckpoint(isDone);
                    mayMerge = true;
                }
                else if (mayMerge)
                {
                    var hasMore = false;
                    mayMerge = await TryOffloadedAsync(() => hasMore = AdvanceMerges(merges)) && hasMore;
                    if (!mayMerge)
                    {
                        await AbandonAsync(merges); // After a failure; there are none otherwise.
                    }
                }
                else if (TryRest())
                {
                    return;
                }
            }
        }
        finally
        {
            try
            {
                await AbandonAsync(merges);
            }
            finally
            {
                EndCheckpoint(isDone: false);
                TryRest();
            }
        }
    }

    private async ValueTask AbandonAsync(Stack<RunMerge> merges)
    {
        while (merges.TryPop(out var merge))
        {
            await TryOffloadedAsync(() => _manifest.AbandonMerge(merge));
        }
    }

    /// <summary>The checkpoint to write now; null when there is none, or a merge must make room for its run.</summary>
    private Checkpoint? NextCheckpoint(bool mayMerge)
    {
        lock (_gate)
        {
            // When merging fails there are more runs for a while.
            return _manifest.RunCount < MergePlan.RunsMax || !mayMerge ? _requested : null;
        }
    }

    private void EndCheckpoint(bool isDone)
    {
        Checkpoint? ended;
        lock (_gate)
        {
            ended = _requested;
            _requested = null;
        }

        ended?.Done.SetResult(isDone);
    }

    /// <summary>Ends the worker unless a checkpoint was asked for meanwhile.</summary>
    private bool TryRest()
    {
        lock (_gate)
        {
            _isWorking = _requested is not null;
            return !_isWorking;
        }
    }

    /// <summary>A step of the merge of the newest runs, which is begun before those of older ones go on.</summary>
    /// <returns>False when there is nothing to merge.</returns>
    private bool AdvanceMerges(Stack<RunMerge> merges)
    {
        merges.TryPeek(out var current);
        var begun = _manifest.TryBeginMerge(_index, before: current, smallOnly: false);
        if (begun is not null)
        {
            merges.Push(begun);
        }

        if (merges.Count > 0 && merges.Peek().Step())
        {
            _manifest.EndMerge(_index, merges.Peek());
            merges.Pop();
        }

        return begun is not null || merges.Count > 0;
    }

    private async ValueTask<bool> TryOffloadedAsync(Action action) => await _runtime.Offload(
        static state => state.self.TryIt(state.action), (self: this, action));

    /// <summary>Does something that may fail without harm: what it would have done is done by the next one.</summary>
    private bool TryIt(Action action)
    {
        try
        {
            action();
            return true;
        }
        catch (Exception error) when (error.IsOfTheDisk)
        {
            Log.CheckpointFailed(_options.Logger, _directory, error);
        }
        catch (LedgerException error)
        {
            Log.CheckpointFailed(_options.Logger, _directory, error);
        }

        return false;
    }

    private sealed record Checkpoint(LogMark Mark)
    {
        /// <summary>Completes with true when the recovery position moved, with false when it could not.</summary>
        public TaskCompletionSource<bool> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
