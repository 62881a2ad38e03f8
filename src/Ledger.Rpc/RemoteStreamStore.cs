using System.Collections.Concurrent;
using Google.Protobuf;
using Ledger.Objects;
using Ledger.Rpc.Client;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;
using Ledger.Runtime;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Entry = Ledger.Streams.Entry;

namespace Ledger.Rpc;

/// <summary>A store of a daemon, as if it were here.</summary>
/// <remarks>
/// Promises what the store behind it promises, but for taking part in a caller's transaction. Throws what a store here
/// would throw; a server that cannot be reached is a <see cref="StoreUnavailableException"/>, and one that went away
/// while something was being changed an <see cref="OutcomeUnknownException"/>. A store that is missing is made by the
/// first append.
/// </remarks>
public sealed class RemoteStreamStore : StreamStore
{
    private readonly RpcChannel _channel;
    private readonly RpcCallOptions _call;
    private readonly RemoteWatch _watch;
    private readonly StreamStoreCapabilities _capabilities;
    private readonly ConcurrentDictionary<string, KeptConsumer> _consumers = new(StringComparer.Ordinal);

    private RemoteStreamStore(
        RpcChannel channel, string name, StreamStoreCapabilities capabilities, LedgerRuntime? runtime)
        : base(name, runtime)
    {
        (_channel, _capabilities) = (channel, capabilities & ~StreamStoreCapabilities.Enlist);
        _call = RpcCallOptions.OfStore(Name);
        _watch = new RemoteWatch(channel, _call, Committed, Runtime);
    }

    /// <inheritdoc/>
    public override StreamStoreCapabilities Capabilities => _capabilities;

    internal override string Backend => "remote";

    /// <summary>
    /// Told, once for each time, that the server is away while somebody follows: that goes on when it is back.
    /// </summary>
    internal Action? Lost
    {
        get => _watch.Lost;
        set => _watch.Lost = value;
    }

    /// <summary>Asks a server what a store of it promises.</summary>
    /// <param name="channel">The way to the server; stays the caller's.</param>
    /// <param name="name">The store, which need not exist; its right to be read is needed.</param>
    /// <param name="runtime">The seams; those of production when null.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <exception cref="ArgumentException">It is not the name of a store.</exception>
    /// <exception cref="StoreUnavailableException">The server cannot be reached.</exception>
    /// <exception cref="RemoteLedgerException">The server refuses.</exception>
    public static async ValueTask<RemoteStreamStore> OpenAsync(
        RpcChannel channel, string name, LedgerRuntime? runtime = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(channel);
        StreamRules.Store(name);
        try
        {
            var response = await channel.UnaryAsync(
                LedgerMethods.GetStore, new GetStoreRequest(), RpcCallOptions.OfStore(name), cancellationToken)
                .ConfigureAwait(false);
            var capabilities = response.Capabilities.Aggregate(
                StreamStoreCapabilities.None, (all, one) => all | WireEntries.ToFlag(one));
            return new RemoteStreamStore(channel, name, capabilities, runtime);
        }
        catch (RpcException error)
        {
            throw RpcErrors.ToLocal(error, name);
        }
    }

    internal override IDisposable Listen() => _watch.Listen();

    internal override async ValueTask<TResult> UpdateConsumerCoreAsync<TResult>(
        string name, ParkedPart part, Func<ConsumerRow, ConsumerUpdate<TResult>> change,
        CancellationToken cancellationToken)
    {
        // Whoever works for a consumer wrote its state last: then one call is enough. A guess that is wrong is refused.
        var response = GuessConsumer(name);
        var isGuess = response is not null;
        while (true)
        {
            response ??= await AskAsync(
                LedgerMethods.UpdateConsumer, new UpdateConsumerRequest { Name = name }, cancellationToken)
                .ConfigureAwait(false);
            var text = response.HasState ? response.State : null;
            var row = ConsumerRow.Of(name, text, response.NowMs);
            var update = change(row);
            if (update is { IsDeleted: false, State: null })
            {
                if (!isGuess)
                {
                    return update.Result;
                }

                // That nothing is to be written is said of what is there, and not of what was.
                (response, isGuess) = (null, false);
                continue;
            }

            var request = new UpdateConsumerRequest { Name = name, Write = true };
            if (text is not null)
            {
                request.Expected = text;
            }

            if (!update.IsDeleted && row.After(update).Whole is { } state)
            {
                request.State = state;
            }

            response = await ChangeAsync(LedgerMethods.UpdateConsumer, request, cancellationToken)
                .ConfigureAwait(false);
            isGuess = false;
            if (response.Done)
            {
                KeepConsumer(name, request.HasState ? request.State : null, response.NowMs);
                return update.Result;
            }
        }
    }

    /// <summary>The state that was written last from here, at the time that the database has now, or had.</summary>
    /// <returns>Null when nothing was written.</returns>
    private UpdateConsumerResponse? GuessConsumer(string name) => _consumers.TryGetValue(name, out var kept)
        ? new()
        {
            State = kept.State,
            NowMs = kept.NowMs + (long)Runtime.Time.GetElapsedTime(kept.At).TotalMilliseconds,
        }
        : null;

    private void KeepConsumer(string name, string? state, long nowMs)
    {
        if (state is null)
        {
            _consumers.TryRemove(name, out _);
        }
        else
        {
            // What the answer took on its way makes the guess early: a lease ends sooner, and never later.
            _consumers[name] = new KeptConsumer(state, nowMs, Runtime.Time.GetTimestamp());
        }
    }

    internal override async ValueTask<IReadOnlyList<ConsumerRow>> ListConsumersCoreAsync(
        CancellationToken cancellationToken)
    {
        var response = await AskAsync(LedgerMethods.ListConsumers, new ListConsumersRequest(), cancellationToken)
            .ConfigureAwait(false);
        return
        [
            .. response.Consumers.Select(consumer => ConsumerRow.Of(consumer.Name, consumer.State, consumer.NowMs)),
        ];
    }

    private protected override ValueTask OpenCoreAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

    private protected override ValueTask CloseCoreAsync() => _watch.DisposeAsync();

    private protected override async ValueTask CheckHealthCoreAsync(CancellationToken cancellationToken)
    {
        var response = await AskAsync(LedgerMethods.Health, new HealthRequest(), cancellationToken)
            .ConfigureAwait(false);
        if (response.Status != "ok")
        {
            throw new StoreUnavailableException(
                StoreUnavailableReason.Unreachable, $"The server answers, and says that it is {response.Status}.");
        }
    }

    private protected override async ValueTask<IReadOnlyList<AppendResult>> AppendCoreAsync(
        IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        if (appends.Count == 1)
        {
            return [WireEntries.ToResult(await ChangeAsync(
                LedgerMethods.Append, WireEntries.Of(appends[0]), cancellationToken).ConfigureAwait(false))];
        }

        var request = new AppendAllRequest();
        request.Appends.AddRange(appends.Select(WireEntries.Of));
        var response = await ChangeAsync(LedgerMethods.AppendAll, request, cancellationToken).ConfigureAwait(false);
        return [.. response.Results.Select(WireEntries.ToResult)];
    }

    private protected override async ValueTask<EntryPage> ReadPageCoreAsync(
        PageQuery query, CancellationToken cancellationToken)
    {
        // A server cuts a page by bytes too, and says that there is more.
        var (read, more) = await ReadPartAsync(query, cancellationToken).ConfigureAwait(false);
        return new EntryPage(
            [.. read.Select(WireEntries.ToEntry)], read.Count == 0 || (!more && read.Count < query.Limit));
    }

    private protected override async ValueTask<EntryId> GetEndCoreAsync(
        string? stream, bool byPosition, CancellationToken cancellationToken)
    {
        var request = new GetEndRequest { Stream = stream ?? "", ByPosition = byPosition };
        var response = await AskAsync(LedgerMethods.GetEnd, request, cancellationToken).ConfigureAwait(false);
        return EntryId.Parse(response.End);
    }

    private protected override ValueTask<Entry?> FindCoreAsync(EntryId id, CancellationToken cancellationToken) =>
        FindAsync(new FindRequest { Id = id.ToString() }, cancellationToken);

    private protected override ValueTask<Entry?> FindBySourceIdCoreAsync(
        string stream, string sourceId, CancellationToken cancellationToken) =>
        FindAsync(new FindRequest { Stream = stream, SourceId = sourceId }, cancellationToken);

    private protected override async ValueTask SetTagsCoreAsync(
        string stream, EntryId id, IReadOnlyList<string> tags, CancellationToken cancellationToken)
    {
        var request = new SetTagsRequest { Stream = stream, Id = id.ToString(), Tags = { tags } };
        await ChangeAsync(LedgerMethods.SetTags, request, cancellationToken).ConfigureAwait(false);
    }

    private protected override async ValueTask SetAnnotationsCoreAsync(
        string stream, EntryId id, IReadOnlyDictionary<string, string?> changes, CancellationToken cancellationToken)
    {
        var request = new SetAnnotationsRequest { Stream = stream, Id = id.ToString() };
        foreach (var (key, value) in changes)
        {
            if (value is null)
            {
                request.Delete.Add(key);
            }
            else
            {
                request.Set.Add(key, value);
            }
        }

        await ChangeAsync(LedgerMethods.SetAnnotations, request, cancellationToken).ConfigureAwait(false);
    }

    private protected override async ValueTask<long> TrimCoreAsync(
        string stream, EntryId throughInclusive, CancellationToken cancellationToken)
    {
        var request = new TrimRequest { Stream = stream, BeforeId = throughInclusive.ToString() };
        return (await ChangeAsync(LedgerMethods.Trim, request, cancellationToken).ConfigureAwait(false)).Deleted;
    }

    private protected override async ValueTask RenameCoreAsync(
        string stream, string newName, CancellationToken cancellationToken)
    {
        var request = new RenameStreamRequest { Name = stream, NewName = newName };
        await ChangeAsync(LedgerMethods.RenameStream, request, cancellationToken).ConfigureAwait(false);
    }

    private protected override async ValueTask<long> CountCoreAsync(
        string stream, CancellationToken cancellationToken) =>
        (await AskAsync(LedgerMethods.Count, new CountRequest { Stream = stream }, cancellationToken)
            .ConfigureAwait(false)).Count;

    private protected override async ValueTask<StreamInfo?> GetInfoCoreAsync(
        string stream, CancellationToken cancellationToken)
    {
        var stat = await AskAsync(LedgerMethods.Stat, new StatRequest { Stream = stream }, cancellationToken)
            .ConfigureAwait(false);
        return stat.End.Length == 0 ? null : new StreamInfo(
            stream, stat.Count, stat.Count == 0 ? null : EntryId.Parse(stat.FirstId),
            stat.Count == 0 ? null : EntryId.Parse(stat.LastId), EntryId.Parse(stat.End));
    }

    private protected override async ValueTask<IReadOnlyList<string>> ListCoreAsync(
        string? after, int limit, bool includeEmpty, CancellationToken cancellationToken)
    {
        var names = new List<string>();
        ListStreamIDsResponse response;
        do
        {
            response = await AskAsync(
                LedgerMethods.ListStreamIDs,
                new ListStreamIDsRequest
                {
                    After = names.LastOrDefault(after ?? ""),
                    Limit = limit - names.Count,
                    WithoutEmpty = !includeEmpty,
                },
                cancellationToken).ConfigureAwait(false);
            names.AddRange(response.StreamIds);
        }
        while (response.More && names.Count < limit);
        return names;
    }

    private async ValueTask<(IReadOnlyList<V1.Entry> Entries, bool More)> ReadPartAsync(
        PageQuery query, CancellationToken cancellationToken)
    {
        if (query.ByPosition)
        {
            var request = new ReadAllRequest
            {
                After = (long)query.After.Value,
                Through = (long)(query.Through?.Value ?? 0),
                Limit = query.Limit,
                Filter = WireEntries.Of(query.Filter),
            };
            var all = await AskAsync(LedgerMethods.ReadAll, request, cancellationToken).ConfigureAwait(false);
            return (all.Entries, all.More);
        }

        var options = WireEntries.Of(new Streams.ReadOptions
        {
            After = query.After,

            // Without an upper bound the original's "after" of a backward read would be one.
            Before = query is { Descending: true, After.IsNone: false, Before: null }
                ? new EntryId(UInt128.MaxValue) : query.Before,
            Descending = query.Descending,
            Filter = query.Filter,
        });
        (options.Limit, options.Through) = (query.Limit, query.Through?.ToString() ?? "");
        if (query.Search is { } text)
        {
            var request = new SearchRequest
            {
                Stream = query.Stream ?? "",
                Query = text,
                Options = options,
                FullText = query.IsFullText,
            };
            var found = await AskAsync(LedgerMethods.Search, request, cancellationToken).ConfigureAwait(false);
            return (found.Entries, found.More);
        }

        var page = await AskAsync(
            LedgerMethods.Read, new ReadRequest { Stream = query.Stream ?? "", Options = options }, cancellationToken)
            .ConfigureAwait(false);
        return (page.Entries, page.More);
    }

    private async ValueTask<Entry?> FindAsync(FindRequest request, CancellationToken cancellationToken) =>
        (await AskAsync(LedgerMethods.Find, request, cancellationToken).ConfigureAwait(false)).Entry is { } found
            ? WireEntries.ToEntry(found) : null;

    private ValueTask<TResponse> AskAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        CallAsync(method, request, isChange: false, cancellationToken);

    private ValueTask<TResponse> ChangeAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        CallAsync(method, request, isChange: true, cancellationToken);

    private async ValueTask<TResponse> CallAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, bool isChange, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        try
        {
            return await _channel.UnaryAsync(method, request, _call, cancellationToken).ConfigureAwait(false);
        }
        catch (RpcException error)
        {
            throw RpcErrors.ToLocal(error, Name, isChange);
        }
    }

    /// <summary>A state that was written.</summary>
    /// <param name="State">The state.</param>
    /// <param name="NowMs">The time of the database, in milliseconds since the Unix epoch.</param>
    /// <param name="At">The reading of the clock here when it was heard.</param>
    private sealed record KeptConsumer(string State, long NowMs, long At);
}
