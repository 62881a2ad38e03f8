namespace Ledger.Objects.Segments;

/// <summary>
/// What one writer adds to the log: whole items that lie in one record, and how durable they must be.
/// </summary>
/// <param name="body">The encoded items; not changed any more.</param>
/// <param name="items">What they do.</param>
/// <param name="durability">When the member is acknowledged.</param>
internal sealed class LogMember(ByteWriter body, IReadOnlyList<RecordItem> items, Durability durability)
{
    private TaskCompletionSource<bool> _turn = NewTurn();

    /// <summary>The encoded items.</summary>
    public ReadOnlyMemory<byte> Body { get; } = body.WrittenMemory;

    /// <summary>What they do.</summary>
    public IReadOnlyList<RecordItem> Items { get; } = items;

    /// <summary>When the member is acknowledged.</summary>
    public Durability Durability { get; } = durability;

    /// <summary>
    /// Completes with true when this member must lead the next group, with false when it was acknowledged.
    /// </summary>
    public Task<bool> Turn => Volatile.Read(ref _turn).Task;

    /// <summary>Makes this member lead the next group; its acknowledgement is a new turn.</summary>
    public void Promote() => Interlocked.Exchange(ref _turn, NewTurn()).SetResult(true);

    /// <summary>Acknowledges the member, or tells it what went wrong; only the first call counts.</summary>
    public void Complete(Exception? error)
    {
        if (error is null)
        {
            _turn.TrySetResult(false);
        }
        else
        {
            _turn.TrySetException(error);
        }
    }

    private static TaskCompletionSource<bool> NewTurn() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
