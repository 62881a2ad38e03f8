using System.Runtime.ExceptionServices;
using Ledger.Runtime;

namespace Ledger.Pages;

/// <summary>Takes the writes of one page to the log, in order, one group at a time.</summary>
/// <remarks>
/// The first who comes leads: it writes what is waiting as one group while later ones wait, then hands the lead to the
/// first of those. So the order of asking, the order in the log, the order of becoming visible and the order of
/// acknowledgement are one (docs/decisions/0001-page-write-queue.md).
/// </remarks>
/// <param name="runtime">Entered before anything is written.</param>
/// <param name="gate">Guards the queue; the page's gate.</param>
/// <param name="writeGroup">Writes a group: exclusive writes come alone. What it throws fails the whole group.</param>
internal sealed class WriteQueue(LedgerRuntime runtime, Lock gate, Func<IReadOnlyList<QueuedWrite>, Task> writeGroup)
{
    private const int GroupSizeBytesMax = 1024 * 1024;
    private static readonly TimeSpan PatienceMax = TimeSpan.FromMicroseconds(100);

    private readonly Queue<QueuedWrite> _waiting = new();
    private readonly GroupGathering _gathering = new(runtime, PatienceMax);
    private readonly AsyncSignal _ended = new();
    private long _lastTicket;
    private long _endedTicket;
    private bool _isLed;

    /// <summary>Ticket of the newest write. Read under the gate.</summary>
    public long LastTicket => _lastTicket;

    /// <summary>Takes a place in the queue; under the gate, and before the caller first awaits.</summary>
    /// <remarks>The caller must go on to <see cref="CompleteAsync"/>.</remarks>
    public void Enqueue(QueuedWrite write)
    {
        write.Ticket = ++_lastTicket;
        write.Leads = !_isLed;
        _isLed = true;
        _waiting.Enqueue(write);
    }

    /// <summary>Completes when an enqueued write is acknowledged; throws when it failed.</summary>
    public async Task CompleteAsync(QueuedWrite write)
    {
        await runtime.Enter();
        if (write.Leads || await write.Turn.Task)
        {
            await LeadAsync(write);
        }

        write.Failure?.Throw();
    }

    /// <summary>Whether a write and all before it are acknowledged or have failed.</summary>
    public bool HasEnded(long ticket) => Volatile.Read(ref _endedTicket) >= ticket;

    /// <summary>Completes when a write and all before it are acknowledged or have failed.</summary>
    public async ValueTask WaitAsync(long ticket, CancellationToken cancellationToken)
    {
        while (true)
        {
            var version = _ended.Version;
            if (HasEnded(ticket))
            {
                return;
            }

            await _ended.WaitAsync(version, cancellationToken);
        }
    }

    private async Task LeadAsync(QueuedWrite leader)
    {
        await _gathering.WaitAsync(CountWaiting);
        var group = TakeGroup();
        Invariant.Check(group[0] == leader);
        var started = runtime.Time.GetTimestamp();
        try
        {
            await writeGroup(group);
        }
        catch (Exception exception) when (Fail(group, exception))
        {
            // Each member throws it to its own caller; the leader must live to hand the lead on.
        }

        Volatile.Write(ref _endedTicket, group[^1].Ticket);
        QueuedWrite? next;
        lock (gate)
        {
            _isLed = _waiting.TryPeek(out next);
            _gathering.Note(leader is ExclusiveWrite ? 0 : group.Count + _waiting.Count, started);
        }

        foreach (var write in group.Skip(1))
        {
            write.Turn.SetResult(false);
        }

        next?.Turn.SetResult(true);
        _ended.Pulse();
    }

    private int CountWaiting()
    {
        lock (gate)
        {
            return _waiting.Count;
        }
    }

    private List<QueuedWrite> TakeGroup()
    {
        lock (gate)
        {
            var group = new List<QueuedWrite> { _waiting.Dequeue() };
            var sizeBytes = group[0].SizeBytes;
            while (_waiting.TryPeek(out var next) && next.JoinsGroupOf(group[0]) &&
                sizeBytes + next.SizeBytes <= GroupSizeBytesMax)
            {
                group.Add(_waiting.Dequeue());
                sizeBytes += next.SizeBytes;
            }

            return group;
        }
    }

    private static bool Fail(List<QueuedWrite> group, Exception exception)
    {
        foreach (var write in group)
        {
            write.Fail(exception);
        }

        return true;
    }
}

/// <summary>A write that waits for its turn.</summary>
internal abstract class QueuedWrite
{
    /// <summary>Place in the order of asking; given by the queue.</summary>
    public long Ticket { get; set; }

    /// <summary>True when it leads at once; given by the queue.</summary>
    public bool Leads { get; set; }

    /// <summary>True: take the lead. False: the write has ended.</summary>
    public TaskCompletionSource<bool> Turn { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Why it failed, or null.</summary>
    public ExceptionDispatchInfo? Failure { get; private set; }

    /// <summary>Bytes that it brings to the record.</summary>
    public abstract long SizeBytes { get; }

    /// <summary>Whether it may be written together with the one that leads.</summary>
    public abstract bool JoinsGroupOf(QueuedWrite leader);

    /// <summary>Ends the write with an error.</summary>
    public void Fail(Exception exception) => Failure ??= ExceptionDispatchInfo.Capture(exception);
}

/// <summary>A write that has the page's log to itself while it runs.</summary>
/// <param name="work">The write.</param>
internal sealed class ExclusiveWrite(Func<Task> work) : QueuedWrite
{
    /// <inheritdoc/>
    public override long SizeBytes => 0;

    /// <inheritdoc/>
    public override bool JoinsGroupOf(QueuedWrite leader) => false;

    /// <summary>Runs it.</summary>
    public Task RunAsync() => work();
}
