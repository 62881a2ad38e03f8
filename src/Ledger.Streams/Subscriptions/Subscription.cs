using System.Runtime.CompilerServices;

namespace Ledger.Streams.Subscriptions;

/// <summary>Follows one stream, or all, from a cursor; holds at most one page.</summary>
/// <param name="store">The store.</param>
/// <param name="stream">The stream; null for all.</param>
/// <param name="after">The cursor: an id, or a position when all streams are followed.</param>
/// <param name="filter">Which entries are given.</param>
internal sealed class Subscription(StreamStore store, string? stream, EntryId after, EntryFilter filter)
{
    /// <summary>Entries that are filtered out between two checkpoints, at most.</summary>
    private const int FilteredMax = 1_000;

    private static readonly TimeSpan CheckpointInterval = TimeSpan.FromSeconds(1);

    private int _filtered;
    private long _checkpointAt;

    /// <summary>Runs until it is cancelled.</summary>
    public async IAsyncEnumerable<StreamItem<Entry>> RunAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await store.Runtime.Enter();
        await store.EnsureCreatedAsync(cancellationToken);
        using var listening = store.Listen();
        var query = new PageQuery
        {
            Stream = stream,
            ByPosition = stream is null,
            After = after,
            Limit = StreamStore.PageEntriesMax,
        };
        var isCaughtUp = false;
        CheckpointItem<Entry>? lookedAt = null;
        _checkpointAt = store.Runtime.Time.GetTimestamp();
        while (true)
        {
            var seen = store.Committed.Version;
            var page = await store.ReadPageAsync("subscribe", query, cancellationToken);
            var entries = page.Entries;
            foreach (var entry in entries)
            {
                if (Next(entry) is { } item)
                {
                    yield return item;
                    await store.Runtime.Enter();
                }
            }

            if (entries.Count > 0)
            {
                // The page is of one order: ids of one stream, or positions of all.
                var last = entries[^1];
                lookedAt = new CheckpointItem<Entry>(last.Id, last.Position);
                query = query with
                {
                    After = query.ByPosition ? EntryId.Of(last.Position.GetValueOrDefault().Value) : last.Id,
                };
            }

            if (!page.IsLast)
            {
                // Where entries are large, a database need not send what is left behind by the bound of bytes.
                query = query with { Limit = Math.Min(2 * entries.Count, StreamStore.PageEntriesMax) };
                continue;
            }

            if (_filtered > 0 && lookedAt is not null)
            {
                // Before a wait of unknown length, so that a cursor never lies far behind what was looked at.
                _filtered = 0;
                yield return lookedAt;
                await store.Runtime.Enter();
            }

            if (!isCaughtUp)
            {
                isCaughtUp = true;
                yield return new CaughtUpItem<Entry>();
                await store.Runtime.Enter();
            }

            await store.Committed.WaitAsync(seen, cancellationToken);
        }
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
