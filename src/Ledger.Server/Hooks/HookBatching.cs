using System.Collections.Concurrent;
using Ledger.Streams;
using Ledger.Streams.Consumers;

namespace Ledger.Server.Hooks;

/// <summary>Which entries of a stream go in one request.</summary>
/// <param name="options">The hook.</param>
/// <param name="plan">The bounds.</param>
internal sealed class HookBatching(HookOptions options, HookPlan plan)
{
    // Streams of which something in a batch was not taken: up to this position each entry goes alone.
    private readonly ConcurrentDictionary<string, long> _alone = new(StringComparer.Ordinal);
    private long _sizeBytes;

    /// <summary>Whether the next entry goes with those before it; asked by one caller at a time.</summary>
    public bool Joins(IReadOnlyList<Delivery> batch, Entry next)
    {
        var first = batch[0].Entry;
        _sizeBytes = next.Payload.Length + (batch.Count == 1 ? first.Payload.Length : _sizeBytes);
        return batch.Count < plan.BatchEntriesMax
            && _sizeBytes <= plan.BatchBytesMax
            && next.CreatedAt - first.CreatedAt <= options.Interval
            && !(_alone.TryGetValue(first.Stream, out var through) && PositionOf(first) <= through);
    }

    /// <summary>From now on each of these goes alone.</summary>
    public void Separate(IReadOnlyList<Delivery> batch) =>
        _alone[batch[0].Entry.Stream] = PositionOf(batch[^1].Entry);

    /// <summary>These are over; what comes after them may go together again.</summary>
    public void Done(IReadOnlyList<Delivery> batch)
    {
        var last = batch[^1].Entry;
        if (_alone.TryGetValue(last.Stream, out var through) && PositionOf(last) >= through)
        {
            _alone.TryRemove(last.Stream, out _);
        }
    }

    private static long PositionOf(Entry entry) => entry.Position.GetValueOrDefault().Value;
}
