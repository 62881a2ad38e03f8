using System.Runtime.CompilerServices;
using Ledger.Runtime;
using Ledger.Streams.Consumers;
using Ledger.Streams.Subscriptions;

namespace Ledger.Streams;

/// <summary>What all stores of this project share: checks, paging, subscriptions, consumers and telemetry.</summary>
/// <remarks>A store adds its inner part, which is called with checked arguments, entered and open.</remarks>
public abstract class StreamStore : IStreamStore
{
    /// <summary>Entries of one page of a read; beyond it an entry costs no less.</summary>
    internal const int PageEntriesMax = 1_000;

    /// <summary>Bytes of a page, beyond which it has no further entry: its memory is this and one entry.</summary>
    internal const int PageBytesMax = 4 << 20;

    private readonly AsyncLock _openLock = new();
    private volatile bool _isOpen;
    private volatile bool _isDisposed;

    /// <summary>Prepares a store that opens on first use.</summary>
    internal StreamStore(string name, LedgerRuntime? runtime)
    {
        Name = StreamRules.Store(name);
        Runtime = runtime ?? LedgerRuntime.CreateSystem();
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public abstract StreamStoreCapabilities Capabilities { get; }

    /// <summary>The seams.</summary>
    internal LedgerRuntime Runtime { get; }

    /// <summary>Pulsed after every commit that this store hears of.</summary>
    internal AsyncSignal Committed { get; } = new();

    /// <summary>The name of the kind of database, for telemetry.</summary>
    internal abstract string Backend { get; }

    /// <inheritdoc/>
    public ValueTask EnsureCreatedAsync(CancellationToken cancellationToken = default) =>
        RunAsync("open", static (_, _) => ValueTask.CompletedTask, cancellationToken);

    /// <inheritdoc/>
    public ValueTask CheckHealthAsync(CancellationToken cancellationToken = default) =>
        RunAsync("health", static (store, token) => store.CheckHealthCoreAsync(token), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<AppendResult>> AppendAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken = default)
    {
        StreamRules.Append(appends);
        foreach (var append in appends)
        {
            Require(append.Entries.Count > 1, StreamStoreCapabilities.AtomicBatch);
            Require(append.ExpectedEnd.IsChecked, StreamStoreCapabilities.ExpectedEnd);
            Require(append.Entries.Any(entry => entry.DedupKey is not null), StreamStoreCapabilities.Dedup);
        }

        Require(appends.Count > 1, StreamStoreCapabilities.AtomicAcrossStreams);
        var results = await RunAsync(
            "append", (store, token) => store.AppendCoreAsync(appends, token), cancellationToken);
        StreamTelemetry.Appended(this, results);
        return results;
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<Entry> ReadAsync(
        string stream, ReadOptions? options = null, CancellationToken cancellationToken = default)
    {
        StreamRules.Stream(stream);
        options ??= new ReadOptions();
        StreamRules.Filter(options.Filter);
        return ReadPagesAsync(
            "read", PageOf(options) with { Stream = stream }, options.Limit, cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<Entry> ReadAllAsync(
        Position after = default, int? limit = null, EntryFilter? filter = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(limit ?? 1);
        StreamRules.Filter(filter ?? EntryFilter.None);
        return ReadPagesAsync(
            "read_all",
            new PageQuery { ByPosition = true, After = EntryId.Of(after.Value), Filter = filter ?? EntryFilter.None },
            limit, cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<Entry> SearchAsync(
        string query, SearchOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new SearchOptions();
        StreamRules.Search(query);
        StreamRules.Filter(options.Read.Filter);
        if (options.Stream is { } stream)
        {
            StreamRules.Stream(stream);
        }

        var isFullText = options.Mode == SearchMode.FullText;
        Require(isFullText, StreamStoreCapabilities.FullText);
        var page = PageOf(options.Read) with { Stream = options.Stream, Search = query, IsFullText = isFullText };
        return ReadPagesAsync("search", page, options.Read.Limit, cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<Entry?> FindAsync(EntryId id, CancellationToken cancellationToken = default) =>
        RunAsync("find", (store, token) => store.FindCoreAsync(id, token), cancellationToken);

    /// <inheritdoc/>
    public ValueTask<Entry?> FindBySourceIdAsync(
        string stream, string sourceId, CancellationToken cancellationToken = default)
    {
        StreamRules.Stream(stream);
        ArgumentNullException.ThrowIfNull(sourceId);
        StreamRules.Key(sourceId, "source id");
        return RunAsync(
            "find", (store, token) => store.FindBySourceIdCoreAsync(stream, sourceId, token), cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<StreamItem<Entry>> SubscribeAsync(
        string stream, EntryId after = default, EntryFilter? filter = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return Subscribe(stream, after, filter, null, cancellationToken);
    }

    /// <inheritdoc/>
    public IAsyncEnumerable<StreamItem<Entry>> SubscribeAllAsync(
        Position after = default, EntryFilter? filter = null, CancellationToken cancellationToken = default) =>
        Subscribe(null, EntryId.Of(after.Value), filter, null, cancellationToken);

    /// <summary>Follows a stream, or all in the order of commit.</summary>
    /// <param name="stream">The stream; null for all.</param>
    /// <param name="after">The cursor: an id, or a position when all streams are followed.</param>
    /// <param name="filter">Which entries are given; null for all.</param>
    /// <param name="place">Where it asks for memory; null for as much as a page may have.</param>
    /// <param name="cancellationToken">Ends it.</param>
    internal IAsyncEnumerable<StreamItem<Entry>> Subscribe(
        string? stream, EntryId after, EntryFilter? filter, IPagePlace? place, CancellationToken cancellationToken)
    {
        if (stream is not null)
        {
            StreamRules.Stream(stream);
        }

        StreamRules.Filter(filter ?? EntryFilter.None);
        Require(true, StreamStoreCapabilities.Push);
        return new PassedItems<StreamItem<Entry>>(slot => new Subscription(
            this, stream, after, filter ?? EntryFilter.None, place).StepsAsync(slot, cancellationToken));
    }

    /// <inheritdoc/>
    public ValueTask SetTagsAsync(
        string stream, EntryId id, IReadOnlyList<string> tags, CancellationToken cancellationToken = default)
    {
        StreamRules.Stream(stream);
        StreamRules.Tags(tags);
        Require(true, StreamStoreCapabilities.Annotations);
        string[] distinct = [.. tags.Distinct(StringComparer.Ordinal)];
        return RunAsync(
            "set_tags", (store, token) => store.SetTagsCoreAsync(stream, id, distinct, token), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask SetAnnotationsAsync(
        string stream, EntryId id, IReadOnlyDictionary<string, string?> changes,
        CancellationToken cancellationToken = default)
    {
        StreamRules.Stream(stream);
        StreamRules.Annotations(changes);
        Require(true, StreamStoreCapabilities.Annotations);
        return RunAsync(
            "set_annotations", (store, token) => store.SetAnnotationsCoreAsync(stream, id, changes, token),
            cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<long> TrimAsync(
        string stream, EntryId throughInclusive, CancellationToken cancellationToken = default)
    {
        StreamRules.Stream(stream);
        return RunAsync(
            "trim", (store, token) => store.TrimCoreAsync(stream, throughInclusive, token), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask RenameAsync(string stream, string newName, CancellationToken cancellationToken = default)
    {
        StreamRules.Stream(stream);
        StreamRules.Stream(newName);
        return RunAsync(
            "rename", (store, token) => store.RenameCoreAsync(stream, newName, token), cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<long> CountAsync(string stream, CancellationToken cancellationToken = default)
    {
        StreamRules.Stream(stream);
        return await RunAsync("count", (store, token) => store.CountCoreAsync(stream, token), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<StreamInfo?> GetInfoAsync(string stream, CancellationToken cancellationToken = default)
    {
        StreamRules.Stream(stream);
        return RunAsync("stat", (store, token) => store.GetInfoCoreAsync(stream, token), cancellationToken);
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<string> ListStreamsAsync(
        ListOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        options ??= new ListOptions();
        var after = options.After;
        for (var left = options.Limit ?? int.MaxValue; left > 0;)
        {
            var from = after;
            var limit = Math.Min(left, PageEntriesMax);
            var names = await RunAsync(
                "list", (store, token) => store.ListCoreAsync(from, limit, options.IncludeEmpty, token),
                cancellationToken);
            foreach (var name in names)
            {
                yield return name;
                await Runtime.Enter();
            }

            left = names.Count < limit ? 0 : left - names.Count;
            after = names.Count == 0 ? after : names[^1];
        }
    }

    /// <inheritdoc/>
    public ValueTask<StreamConsumer> AcquireConsumerAsync(
        string name, ConsumerOptions? options = null, CancellationToken cancellationToken = default)
    {
        StreamRules.Consumer(name);
        Require(true, StreamStoreCapabilities.Consumers);
        return RunAsync(
            "acquire", (store, token) => StreamConsumer.AcquireAsync(store, name, options ?? new(), token),
            cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<ConsumerInfo>> ListConsumersAsync(CancellationToken cancellationToken = default)
    {
        Require(true, StreamStoreCapabilities.Consumers);
        return RunAsync("consumers", static (store, token) => ConsumerAdmin.ListAsync(store, token), cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<bool> ResetConsumerAsync(
        string name, Position after, bool create = false, CancellationToken cancellationToken = default)
    {
        StreamRules.Consumer(name);
        Require(true, StreamStoreCapabilities.Consumers);
        return RunAsync(
            "consumers", (store, token) => ConsumerAdmin.ResetAsync(store, name, after, create, token),
            cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<bool> ReleaseParkedAsync(
        string name, Position position, bool retry, CancellationToken cancellationToken = default)
    {
        StreamRules.Consumer(name);
        Require(true, StreamStoreCapabilities.Consumers);
        return RunAsync(
            "consumers", (store, token) => ConsumerAdmin.ReleaseAsync(store, name, position, retry, token),
            cancellationToken);
    }

    /// <inheritdoc/>
    public ValueTask<bool> DropConsumerAsync(string name, CancellationToken cancellationToken = default)
    {
        StreamRules.Consumer(name);
        Require(true, StreamStoreCapabilities.Consumers);
        return RunAsync("consumers", (store, token) => ConsumerAdmin.DropAsync(store, name, token), cancellationToken);
    }

    /// <summary>Waits for what is being done, and closes; calls that come later fail.</summary>
    public async ValueTask DisposeAsync()
    {
        await Runtime.Enter();
        using (await _openLock.AcquireAsync(CancellationToken.None))
        {
            if (_isDisposed)
            {
                return;
            }

            _isDisposed = true;
            Committed.Pulse();
            await (_isOpen ? CloseCoreAsync() : CloseUnopenedCoreAsync());
        }

        GC.SuppressFinalize(this);
    }

    /// <summary>Reads one page; what subscriptions and consumers read by.</summary>
    internal ValueTask<EntryPage> ReadPageAsync(
        string operation, PageQuery query, CancellationToken cancellationToken) =>
        RunAsync(operation, (store, token) => store.ReadPageCoreAsync(query, token), cancellationToken);

    /// <summary>The last entry ever appended to a stream, or of the store by position; zero for none.</summary>
    internal ValueTask<EntryId> GetEndAsync(string? stream, bool byPosition, CancellationToken cancellationToken) =>
        RunAsync(
            "end", (store, token) => store.GetEndCoreAsync(stream, byPosition, token), cancellationToken);

    /// <summary>Says that a subscription listens, so that the store hears of other processes' commits.</summary>
    /// <returns>Disposed when it no longer does.</returns>
    internal virtual IDisposable? Listen() => null;

    /// <summary>Fails when the store was closed.</summary>
    internal void ThrowIfDisposed() => ObjectDisposedException.ThrowIf(_isDisposed, this);

    /// <summary>Refuses what is not promised.</summary>
    internal void Require(bool isUsed, StreamStoreCapabilities capability)
    {
        if (isUsed && !Capabilities.HasFlag(capability))
        {
            throw new NotSupportedByStoreException(Name, capability);
        }
    }

    /// <summary>Changes a consumer's row under its lock.</summary>
    /// <param name="name">The consumer.</param>
    /// <param name="part">What of its parked entries the row has.</param>
    /// <param name="change">
    /// Gets the row and gives what is to be changed. May run again when the database asks for it, so it has no other
    /// effect.
    /// </param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    internal abstract ValueTask<TResult> UpdateConsumerCoreAsync<TResult>(
        string name, ParkedPart part, Func<ConsumerRow, ConsumerUpdate<TResult>> change,
        CancellationToken cancellationToken);

    /// <summary>The consumers with all that is parked, ascending by name.</summary>
    internal abstract ValueTask<IReadOnlyList<ConsumerRow>> ListConsumersCoreAsync(
        CancellationToken cancellationToken);

    /// <summary>Opens the database; called once, before anything else.</summary>
    private protected abstract ValueTask OpenCoreAsync(CancellationToken cancellationToken);

    private protected abstract ValueTask CloseCoreAsync();

    /// <summary>Closes what an opening that failed, or never was, has left.</summary>
    private protected virtual ValueTask CloseUnopenedCoreAsync() => ValueTask.CompletedTask;

    private protected abstract ValueTask CheckHealthCoreAsync(CancellationToken cancellationToken);

    private protected abstract ValueTask<IReadOnlyList<AppendResult>> AppendCoreAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken);

    private protected abstract ValueTask<EntryPage> ReadPageCoreAsync(
        PageQuery query, CancellationToken cancellationToken);

    /// <summary>The end of a stream, or of the store by position.</summary>
    private protected abstract ValueTask<EntryId> GetEndCoreAsync(
        string? stream, bool byPosition, CancellationToken cancellationToken);

    private protected abstract ValueTask<Entry?> FindCoreAsync(EntryId id, CancellationToken cancellationToken);

    private protected abstract ValueTask<Entry?> FindBySourceIdCoreAsync(
        string stream, string sourceId, CancellationToken cancellationToken);

    private protected abstract ValueTask SetTagsCoreAsync(
        string stream, EntryId id, IReadOnlyList<string> tags, CancellationToken cancellationToken);

    private protected abstract ValueTask SetAnnotationsCoreAsync(
        string stream, EntryId id, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken);

    private protected abstract ValueTask<long> TrimCoreAsync(
        string stream, EntryId throughInclusive, CancellationToken cancellationToken);

    private protected abstract ValueTask RenameCoreAsync(
        string stream, string newName, CancellationToken cancellationToken);

    private protected abstract ValueTask<long> CountCoreAsync(string stream, CancellationToken cancellationToken);

    private protected abstract ValueTask<StreamInfo?> GetInfoCoreAsync(
        string stream, CancellationToken cancellationToken);

    private protected abstract ValueTask<IReadOnlyList<string>> ListCoreAsync(
        string? after, int limit, bool includeEmpty, CancellationToken cancellationToken);

    private static PageQuery PageOf(ReadOptions options) => new()
    {
        After = options.After,
        Before = options.Before,
        Descending = options.Descending,
        Filter = options.Filter,
    };

    private async IAsyncEnumerable<Entry> ReadPagesAsync(
        string operation, PageQuery query, int? limit,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var left = limit ?? int.MaxValue;
        var pageMax = PageEntriesMax;
        while (left > 0)
        {
            var (entries, isEnd) = await ReadPageAsync(
                operation, query with { Limit = Math.Min(left, pageMax) }, cancellationToken);
            var isLast = isEnd || entries.Count == left;
            if (!isLast && !query.Descending && query.Through is null)
            {
                // The end is fixed with the first page: what comes after it is the next reading's.
                var end = await RunAsync(
                    operation, (store, token) => store.GetEndCoreAsync(query.Stream, query.ByPosition, token),
                    cancellationToken);
                query = query with { Through = end };
            }

            foreach (var entry in entries)
            {
                yield return entry;
                await Runtime.Enter();
            }

            if (isLast)
            {
                yield break;
            }

            // Where entries are large, a database need not send what is left behind by the bound of bytes.
            pageMax = Math.Min(2 * entries.Count, PageEntriesMax);
            left -= entries.Count;
            var last = query.ByPosition ? EntryId.Of(PositionOf(entries[^1]).Value) : entries[^1].Id;
            query = query.Descending ? query with { Before = last } : query with { After = last };
        }
    }

    private static Position PositionOf(Entry entry)
    {
        Invariant.Check(entry.Position is not null);
        return entry.Position.Value;
    }

    private async ValueTask<TResult> RunAsync<TResult>(
        string operation, Func<StreamStore, CancellationToken, ValueTask<TResult>> work,
        CancellationToken cancellationToken)
    {
        using var measured = StreamTelemetry.Start(this, operation);
        try
        {
            await Runtime.Enter();
            cancellationToken.ThrowIfCancellationRequested();
            if (!_isOpen)
            {
                await OpenOnceAsync(cancellationToken);
            }

            ObjectDisposedException.ThrowIf(_isDisposed, this);
            return await work(this, cancellationToken);
        }
        catch (Exception error) when (measured.Failed(error))
        {
            throw;
        }
    }

    private async ValueTask RunAsync(
        string operation, Func<StreamStore, CancellationToken, ValueTask> work, CancellationToken cancellationToken) =>
        await RunAsync<object?>(
            operation,
            async (store, token) =>
            {
                await work(store, token);
                return null;
            },
            cancellationToken);

    private async ValueTask OpenOnceAsync(CancellationToken cancellationToken)
    {
        using (await _openLock.AcquireAsync(cancellationToken))
        {
            ObjectDisposedException.ThrowIf(_isDisposed, this);
            if (!_isOpen)
            {
                await OpenCoreAsync(cancellationToken);
                _isOpen = true;
            }
        }
    }
}
