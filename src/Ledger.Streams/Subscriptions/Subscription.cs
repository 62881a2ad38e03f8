using System.Runtime.CompilerServices;

namespace Ledger.Streams.Subscriptions;

/// <summary>Follows one stream, or all, from a cursor; holds at most one page, and nothing while it waits.</summary>
/// <param name="store">The store.</param>
/// <param name="stream">The stream; null for all.</param>
/// <param name="after">The cursor: an id, or a position when all streams are followed.</param>
/// <param name="filter">Which entries are given.</param>
/// <param name="place">Where it asks for memory; null for as much as a page may have.</param>
internal sealed class Subscription(
    StreamStore store, string? stream, EntryId after, EntryFilter filter, IPagePlace? place = null)
{
    /// <summary>Entries that are filtered out between two checkpoints, at most.</summary>
    private const int FilteredMax = 1_000;

    private static readonly TimeSpan CheckpointInterval = TimeSpan.FromSeconds(1);

    private readonly Queue<Entry> _page = [];
    private PageQuery _query = new()
    {
        Stream = stream,
        ByPosition = stream is null,
        After = after,
        Limit = StreamStore.PageEntriesMax,
    };

    private CheckpointItem<Entry>? _lookedAt;
    private int _filtered;
    private long _checkpointAt;

    /// <summary>Runs until it is cancelled; once.</summary>
    /// <param name="slot">Where each item is put before a step.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async IAsyncEnumerable<bool> StepsAsync(
        PassedItems<StreamItem<Entry>>.Slot slot, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await store.Runtime.Enter();
        await store.EnsureCreatedAsync(cancellationToken);
        using var listening = store.Listen();
        var isCaughtUp = false;
        _checkpointAt = store.Runtime.Time.GetTimestamp();
        while (true)
        {
            var seen = store.Committed.Version;
            bool isLast;
            try
            {
                isLast = await ReadAsync(cancellationToken);
                while (_page.Count > 0)
                {
                    slot.Item = Next(_page.Dequeue());
                    if (slot.Item is not null)
                    {
                        yield return true;
                        place?.Moved();
                        await store.Runtime.Enter();
                    }
                }
            }
            finally
            {
                _page.Clear();
                place?.Release();
            }

            if (!isLast)
            {
                continue;
            }

            if (_filtered > 0 && _lookedAt is not null)
            {
                // Before a wait of unknown length, so that a cursor never lies far behind what was looked at.
                _filtered = 0;
                slot.Item = _lookedAt;
                yield return true;
                await store.Runtime.Enter();
            }

            if (!isCaughtUp)
            {
                isCaughtUp = true;
                slot.Item = new CaughtUpItem<Entry>();
                yield return true;
                await store.Runtime.Enter();
            }

            await store.Committed.WaitAsync(seen, cancellationToken);
        }
    }

    /// <summary>Reads a page behind what was given.</summary>
    /// <returns>Whether there was nothing behind it.</returns>
    private async ValueTask<bool> ReadAsync(CancellationToken cancellationToken)
    {
        if (place is not null)
        {
            _query = _query with { BytesMax = await place.TakeAsync(cancellationToken) };
        }

        var (entries, isLast) = await store.ReadPageAsync("subscribe", _query, cancellationToken);
        place?.Hold(entries.Sum(entry => (long)entry.Payload.Length));
        foreach (var entry in entries)
        {
            _page.Enqueue(entry);
        }

        if (entries.Count > 0)
        {
            // The page is of one order: ids of one stream, or positions of all.
            var last = entries[^1];
            _lookedAt = new CheckpointItem<Entry>(last.Id, last.Position);
            _query = _query with
            {
                After = _query.ByPosition ? EntryId.Of(last.Position.GetValueOrDefault().Value) : last.Id,
            };
        }

        if (!isLast)
        {
            // Where entries are large, a database need not send what is left behind by the bound of bytes.
            _query = _query with { Limit = Math.Min(2 * entries.Count, StreamStore.PageEntriesMax) };
        }

        return isLast;
    }

    /// <summary>What to give for an entry that was read; null for nothing.</summary>
    private StreamItem<Entry>? Next(Entry entry)
    {
        if (filter.IsEmpty || filter.Matches(entry))
        {
            _filtered = 0;
            _checkpointAt = store.Runtime.Time.GetTimestamp();
            return new EntryItem<Entry>(entry);
        }

        if (++_filtered < FilteredMax && store.Runtime.Time.GetElapsedTime(_checkpointAt) < CheckpointInterval)
        {
            return null;
        }

        _filtered = 0;
        _checkpointAt = store.Runtime.Time.GetTimestamp();
        return new CheckpointItem<Entry>(entry.Id, entry.Position);
    }
}
