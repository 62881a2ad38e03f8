namespace Ledger.Runtime;

/// <summary>
/// Lets the leader of a group wait for those whom the last group has acknowledged: who waits for each of its own writes
/// comes back at once, and would else go in a group of its own (docs/decisions/0019-who-a-group-waits-for.md).
/// </summary>
/// <remarks>Of the leader alone, who hands it on with the lead.</remarks>
/// <param name="runtime">The seams.</param>
/// <param name="patience">The longest wait; at most a millisecond.</param>
internal sealed class GroupGathering(LedgerRuntime runtime, TimeSpan patience)
{
    private int _expected;
    private long _end;
    private TimeSpan _bound;

    /// <summary>
    /// Completes when all are there whom the last group lets expect, or after a quarter of the time that it took; at
    /// once when there is nobody to expect, or it is longer than that since the last group ended.
    /// </summary>
    /// <param name="countWaiting">How many wait now, the leader among them; asked often.</param>
    public ValueTask WaitAsync(Func<int> countWaiting) =>
        _expected > 1 && runtime.Time.GetElapsedTime(_end) < _bound
            ? LingerAsync(countWaiting)
            : ValueTask.CompletedTask;

    /// <summary>A group has ended; called before its members are told, so that nobody counts twice.</summary>
    /// <param name="expected">How many would wait if each of its members came back.</param>
    /// <param name="started">Reading of the clock when its work began.</param>
    public void Note(int expected, long started)
    {
        _expected = expected;
        _end = runtime.Time.GetTimestamp();
        var quarter = runtime.Time.GetElapsedTime(started, _end) / 4;
        _bound = quarter < patience ? quarter : patience;
    }

    private ValueTask LingerAsync(Func<int> countWaiting) =>
        runtime.Linger(_bound, () => countWaiting() >= _expected);
}
