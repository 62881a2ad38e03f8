using Ledger.Rpc;
using Ledger.Rpc.V1;
using Ledger.Server.Identities;
using Ledger.Streams;
using Entry = Ledger.Streams.Entry;
using WireEntry = Ledger.Rpc.V1.Entry;

namespace Ledger.Server.Services;

/// <summary>Reading: pages by count and by bytes. A store that is not there reads as an empty one.</summary>
public sealed partial class LedgerService
{
    // The original's clients receive 4 MiB; an entry that is larger goes alone.
    private const int PageBytesMax = (4 << 20) - (256 << 10);

    private const int PageNamesMax = 10_000;
    private const int PageEntriesMax = 10_000;

    /// <summary>Reads a page of a stream.</summary>
    public async Task<ReadResponse> ReadAsync(ReadRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Read);
        var store = held?.Store;
        StreamRules.Stream(request.Stream);
        var options = request.Options ?? new Rpc.V1.ReadOptions();
        var page = await ReadPageAsync(
            store, "read", QueryOf(options) with { Stream = request.Stream }, options.Limit, options.Page, call.Token);
        var response = new ReadResponse { More = page.More };
        response.Entries.AddRange(page.Entries);
        return response;
    }

    /// <summary>Reads a page of every stream, in the order of commit.</summary>
    public async Task<ReadResponse> ReadAllAsync(ReadAllRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Read);
        var store = held?.Store;
        var query = new PageQuery
        {
            ByPosition = true,
            After = EntryId.Of(WireEntries.ToPosition(request.After).Value),
            Through = request.Through == 0 ? null : EntryId.Of(WireEntries.ToPosition(request.Through).Value),
            Filter = WireEntries.ToFilter(request.Filter),
        };
        StreamRules.Filter(query.Filter);
        var page = await ReadPageAsync(store, "read_all", query, request.Limit, request.Page, call.Token);
        var response = new ReadResponse { More = page.More };
        response.Entries.AddRange(page.Entries);
        return response;
    }

    /// <summary>Finds entries by their text; an empty stream means all of them.</summary>
    public async Task<SearchResponse> SearchAsync(SearchRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Read);
        var store = held?.Store;
        StreamRules.Search(request.Query);
        if (request.Stream.Length > 0)
        {
            StreamRules.Stream(request.Stream);
        }

        if (request.FullText)
        {
            store?.Require(true, StreamStoreCapabilities.FullText);
        }

        var options = request.Options ?? new Rpc.V1.ReadOptions();
        var query = QueryOf(options) with
        {
            Stream = request.Stream.Length == 0 ? null : request.Stream,
            Search = request.Query,
            IsFullText = request.FullText,
        };
        var page = await ReadPageAsync(store, "search", query, options.Limit, options.Page, call.Token);
        var response = new SearchResponse { More = page.More };
        response.Entries.AddRange(page.Entries);
        return response;
    }

    /// <summary>Finds one entry, by its id or by where it came from.</summary>
    public async Task<FindResponse> FindAsync(FindRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Read);
        var store = held?.Store;
        Entry? found;
        if (request.Id.Length > 0)
        {
            var id = EntryId.Parse(request.Id);
            found = store is null ? null : await store.FindAsync(id, call.Token);
        }
        else
        {
            StreamRules.Stream(request.Stream);
            StreamRules.Key(request.SourceId, "source id");
            found = store is null
                ? null
                : await store.FindBySourceIdAsync(request.Stream, request.SourceId, call.Token);
        }

        return new FindResponse { Entry = found is null ? null : WireEntries.Of(found) };
    }

    /// <summary>How many entries a stream has.</summary>
    public async Task<CountResponse> CountAsync(CountRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Read);
        var store = held?.Store;
        StreamRules.Stream(request.Stream);
        return new CountResponse
        {
            Count = store is null ? 0 : await store.CountAsync(request.Stream, call.Token),
        };
    }

    /// <summary>What is known of a stream; "0" for the ends of an emptied one, nothing for an unknown one.</summary>
    public async Task<StatResponse> StatAsync(StatRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Read);
        var store = held?.Store;
        StreamRules.Stream(request.Stream);
        var info = store is null
            ? null : await store.GetInfoAsync(request.Stream, call.Token);
        return info is null ? new StatResponse { Stream = request.Stream } : new StatResponse
        {
            Stream = request.Stream,
            Count = info.Count,
            FirstId = info.First?.ToString() ?? "0",
            LastId = info.Last?.ToString() ?? "0",
            End = info.End.ToString(),
        };
    }

    /// <summary>Where a stream or the store ends.</summary>
    public async Task<GetEndResponse> GetEndAsync(GetEndRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Read);
        var store = held?.Store;
        if (request.Stream.Length > 0)
        {
            StreamRules.Stream(request.Stream);
        }

        var end = store is null ? default : await store.GetEndAsync(
            request.Stream.Length == 0 ? null : request.Stream, request.ByPosition, call.Token);
        return new GetEndResponse { End = end.ToString() };
    }

    /// <summary>Names of streams, emptied ones included unless they are not wanted.</summary>
    public async Task<ListStreamIDsResponse> ListStreamIDsAsync(ListStreamIDsRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Read);
        var store = held?.Store;
        var response = new ListStreamIDsResponse();
        if (store is null)
        {
            return response;
        }

        var limit = request.Limit <= 0 ? LimitDefault : request.Limit;
        var options = new ListOptions
        {
            After = request.After.Length == 0 ? null : request.After,
            Limit = (int)Math.Min(limit, PageNamesMax),
            IncludeEmpty = !request.WithoutEmpty,
        };
        var sizeBytes = 0L;
        await foreach (var name in store.ListStreamsAsync(options, call.Token))
        {
            sizeBytes += 4 + 3L * name.Length;
            if (sizeBytes > PageBytesMax)
            {
                response.More = true;
                return response;
            }

            response.StreamIds.Add(name);
        }

        response.More = response.StreamIds.Count == options.Limit && limit > PageNamesMax;
        return response;
    }

    private static PageQuery QueryOf(Rpc.V1.ReadOptions options)
    {
        var query = new PageQuery
        {
            After = WireEntries.ToIdOrNull(options.After) ?? default,
            Before = WireEntries.ToIdOrNull(options.Before),
            Through = WireEntries.ToIdOrNull(options.Through),
            Descending = options.Desc,
            Filter = WireEntries.ToFilter(options),
        };

        // The original's cursor follows the direction: backwards, "after" an id are the smaller ones.
        if (query is { Descending: true, After.IsNone: false, Before: null })
        {
            query = query with { After = default, Before = query.After };
        }

        StreamRules.Filter(query.Filter);
        return query;
    }

    private async ValueTask<Page> ReadPageAsync(
        StreamStore? store, string operation, PageQuery query, long limit, long page,
        CancellationToken cancellationToken)
    {
        if (store is null)
        {
            return new Page([], false);
        }

        limit = limit <= 0 ? LimitDefault : limit;
        var wanted = (int)Math.Min(Math.Min(limit, PageEntriesMax), page <= 0 ? long.MaxValue : page);
        var pace = _paces.GetOrAdd(store.Name, static _ => new ReadPace());
        var entries = new List<WireEntry>();
        var sizeBytes = 0L;
        while (entries.Count < wanted)
        {
            var step = query with { Limit = Math.Min(wanted - entries.Count, pace.EntriesNow) };
            var (read, isLast) = await store.ReadPageAsync(operation, step, cancellationToken);
            pace.Learn(read);
            foreach (var entry in read)
            {
                var message = WireEntries.Of(entry);
                sizeBytes += message.CalculateSize() + 8;
                if (sizeBytes > PageBytesMax && entries.Count > 0)
                {
                    return new Page(entries, true);
                }

                entries.Add(message);
            }

            if (isLast)
            {
                return new Page(entries, false);
            }

            var last = query.ByPosition ? EntryId.Of(read[^1].Position.GetValueOrDefault().Value) : read[^1].Id;
            query = query.Descending ? query with { Before = last } : query with { After = last };
        }

        return new Page(entries, wanted < limit);
    }

    private sealed record Page(List<WireEntry> Entries, bool More);
}
