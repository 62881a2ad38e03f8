using Ledger.Runtime;

namespace Ledger.Objects.Segments;

/// <summary>
/// The queue before the log. Writers that wait at the same time share one record and one flush: the first of them
/// leads, writes for all and hands the lead to the first of the next group.
/// </summary>
/// <param name="runtime">The seams.</param>
/// <param name="tail">The end of the log; only the leader touches it.</param>
/// <param name="index">Learns of every record before its writers do.</param>
/// <param name="bugs">Faults planted by a test.</param>
/// <param name="checkpointer">
/// Asked by the leader before and after each group, so that the log cannot run away from the index.
/// </param>
internal sealed class SegmentLog(
    LedgerRuntime runtime, LogTail tail, StoreIndex index, PlantedBugs bugs, Checkpointer checkpointer)
    : IAsyncDisposable
{
    /// <summary>Buffered writes are flushed when so much is waiting.</summary>
    private const long BufferedSizeBytesMax = 8L << 20;

    /// <summary>Buffered writes are flushed after this time.</summary>
    private static readonly TimeSpan BufferedDelayMax = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan PatienceMax = TimeSpan.FromMicroseconds(100);

    private readonly Lock _gate = new();
    private readonly GroupGathering _gathering = new(runtime, PatienceMax);
    private readonly Queue<LogMember> _waiting = new();
    private readonly CancellationTokenSource _closing = new();
    private bool _leading;
    private bool _closed;
    private bool _owesFlush;
    private Task? _flusher;

    /// <summary>
    /// Takes the next place in the log, at once, and completes when the member is as durable as it asked.
    /// </summary>
    /// <remarks>
    /// No I/O happens on the caller's stack: it may hold a lock when it calls, though not when it awaits.
    /// </remarks>
    /// <exception cref="StoreUnavailableException">Nothing of the member was stored.</exception>
    /// <exception cref="OutcomeUnknownException">The flush failed.</exception>
    public Task AppendAsync(LogMember member)
    {
        bool leads;
        Task<bool> turn;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, typeof(SegmentStore));
            _waiting.Enqueue(member);
            leads = !_leading;
            _leading = true;

            // Taken here: a member that is promoted before it waits has another turn from then on.
            turn = member.Turn;
        }

        return CompleteAsync(member, leads, turn);
    }

    /// <summary>Completes when everything written so far is on the medium.</summary>
    public Task FlushAsync() => AppendAsync(new LogMember(new ByteWriter(0), [], Durability.Flushed));

    /// <summary>
    /// Takes no more members, waits for those that are waiting, and flushes unless the log has stopped.
    /// </summary>
    /// <exception cref="OutcomeUnknownException">
    /// Members that were acknowledged as buffered may not be on the medium: nobody else is left to be told.
    /// </exception>
    public async ValueTask DisposeAsync()
    {
        Task last;
        lock (_gate)
        {
            if (_closed)
            {
                return;
            }

            last = tail.Stopped is null && (_leading || tail.HasWritten) ? FlushAsync() : Task.CompletedTask;
            _closed = true;
        }

        try
        {
            await last;
        }
        catch (LedgerException)
        {
            // Members that asked for a flush were told; those that did not are told of below.
        }

        _closing.Cancel();
        if (_flusher is { } flusher)
        {
            await flusher;
        }

        _closing.Dispose();
        if (_owesFlush)
        {
            throw new OutcomeUnknownException(
                "The store was closed after a flush had failed: buffered writes may be lost, the newest first.",
                tail.Stopped);
        }
    }

    private async Task CompleteAsync(LogMember member, bool leads, Task<bool> turn)
    {
        if (leads)
        {
            await new YieldAwaitable(runtime.Scheduler);
        }
        else
        {
            leads = await turn;
        }

        if (leads)
        {
            await LeadAsync();
            await member.Turn;
        }
    }

    private async ValueTask LeadAsync()
    {
        await _gathering.WaitAsync(CountWaiting);

        // The leader acts for its whole group: whatever stops it concerns every member.
        var group = TakeGroup();
        await checkpointer.WaitForRecoveryPositionAsync(tail.End.Position + SizeOf(group));
        var started = runtime.Time.GetTimestamp();
        try
        {
            await runtime.Offload(
                static state =>
                {
                    state.log.Write(state.group);
                    return true;
                },
                (log: this, group));
            _owesFlush |= tail.UnflushedBytes > 0 &&
                group.Exists(static member => member.Durability == Durability.Buffered);
            Complete(group, started, null);
        }
        catch (Exception error) when (Complete(group, started, error))
        {
            // Each member throws it to its own caller; the leader must live to hand the lead on.
        }

        try
        {
            await checkpointer.StartIfDueAsync(tail);
        }
        finally
        {
            PassTheLead();
        }
    }

    private bool Complete(List<LogMember> group, long started, Exception? error)
    {
        lock (_gate)
        {
            _gathering.Note(group.Count + _waiting.Count, started);
        }

        foreach (var member in group)
        {
            member.Complete(error);
        }

        return true;
    }

    private static long SizeOf(List<LogMember> group) =>
        RecordHeader.SizeBytes + group.Sum(static member => (long)member.Body.Length);

    /// <summary>The members from the first on that fit into one record.</summary>
    private List<LogMember> TakeGroup()
    {
        var group = new List<LogMember>();
        var size = RecordHeader.SizeBytes;
        lock (_gate)
        {
            while (_waiting.TryPeek(out var next) &&
                (group.Count == 0 || size + next.Body.Length <= StoreLimits.RecordSizeBytesMax))
            {
                size += next.Body.Length;
                group.Add(_waiting.Dequeue());
            }
        }

        return group;
    }

    private void Write(List<LogMember> group)
    {
        var position = tail.End.Position + RecordHeader.SizeBytes;
        var hasItems = group.Exists(static member => member.Items.Count > 0);
        if (hasItems)
        {
            tail.Write(group);
        }

        if (bugs.HasFlag(PlantedBugs.AcknowledgeBeforeFlush))
        {
            group.ForEach(static member => member.Complete(null));
        }

        if (group.Exists(static member => member.Durability == Durability.Flushed) ||
            tail.UnflushedBytes >= BufferedSizeBytesMax)
        {
            tail.Flush();
            _owesFlush = false;
        }

        foreach (var member in group)
        {
            if (member.Items.Count > 0)
            {
                index.Apply(member.Items, position, tail.End);
                position += member.Body.Length;
            }
        }

        if (hasItems)
        {
            checkpointer.Settle(tail);
        }
    }

    private int CountWaiting()
    {
        lock (_gate)
        {
            return _waiting.Count;
        }
    }

    private void PassTheLead()
    {
        lock (_gate)
        {
            if (_waiting.TryPeek(out var next))
            {
                next.Promote();
            }
            else
            {
                _leading = false;
            }

            if (_flusher is null && !_closed && tail.UnflushedBytes > 0)
            {
                _flusher = FlushLaterAsync();
            }
        }
    }

    /// <summary>
    /// Bounds how long a buffered write is only in the operating system's memory; ends when there is none.
    /// </summary>
    private async Task FlushLaterAsync()
    {
        await new YieldAwaitable(runtime.Scheduler);
        do
        {
            await FlushOnceAsync();
        }
        while (!TryEndFlusher());
    }

    /// <summary>
    /// Ends the flusher unless a buffered write came behind its last flush: that one found it there and began no other.
    /// </summary>
    private bool TryEndFlusher()
    {
        lock (_gate)
        {
            if (_owesFlush && !_closed && tail.Stopped is null)
            {
                return false;
            }

            _flusher = null;
            return true;
        }
    }

    private async Task FlushOnceAsync()
    {
        try
        {
            await runtime.Delay(BufferedDelayMax, _closing.Token);
            await FlushAsync();
        }
        catch (OperationCanceledException)
        {
            // Closing flushes by itself.
        }
        catch (ObjectDisposedException)
        {
            // Likewise.
        }
        catch (LedgerException)
        {
            // The log has stopped, and says so to the next writer.
        }
    }
}
