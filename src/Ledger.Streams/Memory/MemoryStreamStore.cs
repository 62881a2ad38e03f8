using Ledger.Runtime;
using Ledger.Streams.Consumers;

namespace Ledger.Streams.Memory;

/// <summary>A store in memory: the reference in tests, gone when it is disposed.</summary>
/// <remarks>Everything happens under one short lock; an id is a position.</remarks>
/// <param name="name">A letter or underscore, then up to 47 letters, digits and underscores.</param>
/// <param name="runtime">The seams; those of production when null.</param>
public sealed class MemoryStreamStore(string name = "ledger_entries", LedgerRuntime? runtime = null)
    : StreamStore(name, runtime)
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<string, MemoryStream> _streams = new(ScalarComparer.Instance);
    private readonly SortedDictionary<string, ConsumerRow> _consumers = new(ScalarComparer.Instance);
    private readonly StreamStoreCapabilities _lacking;

    // Ascending by id; an entry that was trimmed leaves no place behind.
    private readonly List<MemoryEntry> _entries = [];
    private long _last;

    /// <summary>A store that does not promise what others do, so that each refusal is seen to be one.</summary>
    /// <param name="name">The store's name.</param>
    /// <param name="lacking">What it does not promise.</param>
    internal MemoryStreamStore(string name, StreamStoreCapabilities lacking)
        : this(name) => _lacking = lacking;

    /// <inheritdoc/>
    public override StreamStoreCapabilities Capabilities => ~_lacking & (
        StreamStoreCapabilities.AtomicBatch | StreamStoreCapabilities.AtomicAcrossStreams |
        StreamStoreCapabilities.Dedup | StreamStoreCapabilities.ExpectedEnd | StreamStoreCapabilities.Annotations |
        StreamStoreCapabilities.Push | StreamStoreCapabilities.Consumers);

    internal override string Backend => "memory";

    internal override ValueTask<TResult> UpdateConsumerCoreAsync<TResult>(
        string name, ParkedPart part, Func<ConsumerRow, ConsumerUpdate<TResult>> change,
        CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var row = _consumers.GetValueOrDefault(name) ?? new ConsumerRow(name, null, 0, []);
            var update = change(row with { NowMs = Runtime.WallClockMs() });
            if (update.IsDeleted)
            {
                _consumers.Remove(name);
            }
            else if (update.State is not null)
            {
                _consumers[name] = row.After(update);
            }

            return new(update.Result);
        }
    }

    internal override ValueTask<IReadOnlyList<ConsumerRow>> ListConsumersCoreAsync(
        CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new([.. _consumers.Values.Select(row => row with { NowMs = Runtime.WallClockMs() })]);
        }
    }

    private protected override ValueTask OpenCoreAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    private protected override ValueTask CloseCoreAsync() => ValueTask.CompletedTask;

    private protected override ValueTask CheckHealthCoreAsync(CancellationToken cancellationToken) =>
        ValueTask.CompletedTask;

    private protected override ValueTask<IReadOnlyList<AppendResult>> AppendCoreAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        AppendResult[] results;
        lock (_gate)
        {
            foreach (var append in appends)
            {
                CheckEnd(append);
            }

            var nowMs = Runtime.WallClockMs();
            results = [.. appends.Select(append => Append(append, nowMs))];
        }

        Committed.Pulse();
        return new(results);
    }

    private protected override ValueTask<EntryPage> ReadPageCoreAsync(
        PageQuery query, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var key = query.Stream is { } stream ? _streams.GetValueOrDefault(stream)?.Key ?? -1 : 0;
            var first = query.Descending ? 0 : IndexAfter((long)query.After.Value);
            var range = query.Descending ? Enumerable.Reverse(_entries) : _entries.Skip(first);
            Entry[] entries = [.. range
                .Where(entry => key == 0 || entry.Stream.Key == key)
                .Where(entry => entry.Entry.Id > query.After && !(entry.Entry.Id >= query.Before)
                    && !(entry.Entry.Id > query.Through))
                .Where(entry => query.Search is not { } text || Contains(entry.SearchText, text))
                .Select(entry => entry.Entry with { Stream = entry.Stream.Name })
                .Where(query.Filter.Matches)
                .Take(query.Limit)];
            return new(new EntryPage(entries, entries.Length < query.Limit));
        }
    }

    private protected override ValueTask<EntryId> GetEndCoreAsync(
        string? stream, bool byPosition, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new(stream is null
                ? EntryId.Of(_last)
                : _streams.TryGetValue(stream, out var found) ? EntryId.Of(found.End) : default);
        }
    }

    private protected override ValueTask<Entry?> FindCoreAsync(EntryId id, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var found = _entries.Find(entry => entry.Entry.Id == id);
            return new(found is null ? null : found.Entry with { Stream = found.Stream.Name });
        }
    }

    private protected override ValueTask<Entry?> FindBySourceIdCoreAsync(
        string stream, string sourceId, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var found = _entries.Find(entry => entry.Stream.Name == stream && entry.Entry.SourceId == sourceId);
            return new(found is null ? null : found.Entry with { Stream = stream });
        }
    }

    private protected override ValueTask SetTagsCoreAsync(
        string stream, EntryId id, IReadOnlyList<string> tags, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var found = EntryOf(stream, id);
            found.Entry = found.Entry with { Tags = tags, UpdatedAt = Now() };
        }

        return ValueTask.CompletedTask;
    }

    private protected override ValueTask SetAnnotationsCoreAsync(
        string stream, EntryId id, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            var found = EntryOf(stream, id);
            var merged = AnnotationMerge.Apply(found.Entry.Annotations, changes);
            found.Entry = found.Entry with { Annotations = merged, UpdatedAt = Now() };
        }

        return ValueTask.CompletedTask;
    }

    private protected override ValueTask<long> TrimCoreAsync(
        string stream, EntryId throughInclusive, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_streams.TryGetValue(stream, out var found))
            {
                return new(0L);
            }

            var trimmed = _entries.RemoveAll(
                entry => entry.Stream == found && entry.Entry.Id <= throughInclusive);
            found.Count -= trimmed;
            return new((long)trimmed);
        }
    }

    private protected override ValueTask RenameCoreAsync(
        string stream, string newName, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (newName != stream && _streams.ContainsKey(newName))
            {
                throw new StreamExistsException(Name, newName);
            }

            if (!_streams.Remove(stream, out var found))
            {
                throw new StreamNotFoundException(Name, stream);
            }

            found.Name = newName;
            _streams.Add(newName, found);
        }

        return ValueTask.CompletedTask;
    }

    private protected override ValueTask<long> CountCoreAsync(string stream, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new(_streams.GetValueOrDefault(stream)?.Count ?? 0);
        }
    }

    private protected override ValueTask<StreamInfo?> GetInfoCoreAsync(
        string stream, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (!_streams.TryGetValue(stream, out var found))
            {
                return new((StreamInfo?)null);
            }

            return new(new StreamInfo(
                stream, found.Count, _entries.Find(entry => entry.Stream == found)?.Entry.Id,
                _entries.FindLast(entry => entry.Stream == found)?.Entry.Id, EntryId.Of(found.End)));
        }
    }

    private protected override ValueTask<IReadOnlyList<string>> ListCoreAsync(
        string? after, int limit, bool includeEmpty, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            return new([.. _streams.Values
                .Where(stream => includeEmpty || stream.Count > 0)
                .Select(stream => stream.Name)
                .Where(name => after is null || ScalarComparer.Instance.Compare(name, after) > 0)
                .Take(limit)]);
        }
    }

    private static bool Contains(string? searchText, string query) =>
        searchText?.ToUpperInvariant().Contains(query.ToUpperInvariant(), StringComparison.Ordinal) ?? false;

    private DateTimeOffset Now() => DateTimeOffset.FromUnixTimeMilliseconds(Runtime.WallClockMs());

    /// <summary>Index of the first entry with a larger id.</summary>
    private int IndexAfter(long id)
    {
        var (low, high) = (0, _entries.Count);
        while (low < high)
        {
            var middle = (low + high) / 2;
            (low, high) = (long)_entries[middle].Entry.Id.Value <= id ? (middle + 1, high) : (low, middle);
        }

        return low;
    }

    private MemoryEntry EntryOf(string stream, EntryId id) =>
        _entries.Find(entry => entry.Entry.Id == id && entry.Stream.Name == stream)
        ?? throw new EntryNotFoundException(stream, id);

    private void CheckEnd(StreamAppend append)
    {
        var stream = _streams.GetValueOrDefault(append.Stream);
        var isRepeated = stream is not null && append.Entries.All(
            entry => entry.DedupKey is { } key && FindDuplicate(stream, key) is not null);
        var end = stream is null ? default : EntryId.Of(stream.End);
        if (!isRepeated && append.ExpectedEnd.IsChecked && append.ExpectedEnd.Id != end)
        {
            throw new StreamConflictException(append.Stream, append.ExpectedEnd, end);
        }
    }

    private EntryId? FindDuplicate(MemoryStream stream, string dedupKey) =>
        _entries.Find(entry => entry.Stream == stream && entry.Entry.DedupKey == dedupKey)?.Entry.Id;

    private AppendResult Append(StreamAppend append, long nowMs)
    {
        if (!_streams.TryGetValue(append.Stream, out var stream))
        {
            stream = new MemoryStream { Key = _last + 1, Name = append.Stream };
            _streams.Add(append.Stream, stream);
        }

        var appended = append.Entries.Select(entry => Append(stream, entry, nowMs)).ToArray();
        return new AppendResult(appended, EntryId.Of(stream.End));
    }

    private AppendedEntry Append(MemoryStream stream, NewEntry entry, long nowMs)
    {
        if (entry.DedupKey is { } key && FindDuplicate(stream, key) is { } existing)
        {
            return new AppendedEntry(existing, true);
        }

        stream.End = ++_last;
        stream.Count++;
        var id = EntryId.Of(_last);
        _entries.Add(new MemoryEntry
        {
            Stream = stream,
            SearchText = entry.SearchText,
            Entry = new Entry
            {
                Id = id,
                Position = new Position(_last),
                Stream = stream.Name,
                Payload = entry.Payload.ToArray(),
                OrderKey = entry.OrderKey,
                DedupKey = entry.DedupKey,
                SourceId = entry.SourceId,
                SchemaVersion = entry.SchemaVersion,
                Metadata = new Dictionary<string, string>(entry.Metadata),
                Tags = [.. entry.Tags.Distinct(StringComparer.Ordinal)],
                CreatedAt = DateTimeOffset.FromUnixTimeMilliseconds(
                    entry.CreatedAt?.ToUnixTimeMilliseconds() ?? nowMs),
            },
        });
        return new AppendedEntry(id, false);
    }

    private sealed class MemoryStream
    {
        public required long Key { get; init; }

        public required string Name { get; set; }

        public long End { get; set; }

        public long Count { get; set; }
    }

    private sealed class MemoryEntry
    {
        public required MemoryStream Stream { get; init; }

        public required Entry Entry { get; set; }

        public string? SearchText { get; init; }
    }
}
