using System.Collections.Concurrent;
using Ledger.Objects;
using Ledger.Rpc;
using Ledger.Rpc.V1;
using Ledger.Runtime;
using Ledger.Server.Identities;
using Ledger.Streams;

namespace Ledger.Server.Services;

/// <summary>What <c>ledger.v1.LedgerService</c> does, for gRPC and for HTTP/JSON.</summary>
/// <remarks>
/// Each method first looks at the caller's right in the store that the header names, before anything is asked of the
/// database: the answer to somebody who may not is the same whether or not there is such a store. What methods throw is
/// an exception of the library, of a caller's mistake, or an <c>RpcException</c>; one table has the codes.
/// </remarks>
/// <param name="catalog">The stores.</param>
/// <param name="stopping">Cancelled when the daemon drains: what follows something ends as unavailable.</param>
public sealed partial class LedgerService(StoreCatalog catalog, CancellationToken stopping = default)
{
    /// <summary>Entries or names of one answer when none are asked for, as the original's.</summary>
    internal const int LimitDefault = 100;

    private readonly CancellationToken _stopping = stopping;
    private readonly FollowRoom _room = new(FollowRoom.BytesMaxDefault, LedgerRuntime.CreateSystem());
    private readonly ConcurrentDictionary<string, ReadPace> _paces = new(StringComparer.OrdinalIgnoreCase);

    /// <summary>Appends to one stream; a store that is missing is made.</summary>
    public async Task<AppendResponse> AppendAsync(AppendRequest request, ServiceCall call)
    {
        var name = Require(call, Rights.Append);
        StreamRules.Stream(request.Stream);
        if (request.Entries.Count == 0)
        {
            // As the original: nothing to do, and nothing looked at.
            return new AppendResponse();
        }

        var results = await AppendAsync(name, [WireEntries.ToAppend(request)], call.Token);
        return WireEntries.Of(results[0]);
    }

    /// <summary>Appends to several streams, all of it or nothing.</summary>
    public async Task<AppendAllResponse> AppendAllAsync(AppendAllRequest request, ServiceCall call)
    {
        var name = Require(call, Rights.Append);
        var results = await AppendAsync(
            name, [.. request.Appends.Select(WireEntries.ToAppend)], call.Token);
        var response = new AppendAllResponse();
        response.Results.AddRange(results.Select(WireEntries.Of));
        return response;
    }

    /// <summary>Replaces the tags of an entry.</summary>
    public async Task<SetTagsResponse> SetTagsAsync(SetTagsRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Admin);
        var store = held?.Store;
        StreamRules.Stream(request.Stream);
        StreamRules.Tags(request.Tags);
        var id = IdOf(request.Id, "id");
        if (store is null)
        {
            throw new EntryNotFoundException(request.Stream, id);
        }

        await store.SetTagsAsync(request.Stream, id, request.Tags, call.Token);
        return new SetTagsResponse();
    }

    /// <summary>Merges annotations into those of an entry; a key that is set and deleted is deleted.</summary>
    public async Task<SetAnnotationsResponse> SetAnnotationsAsync(SetAnnotationsRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Admin);
        var store = held?.Store;
        StreamRules.Stream(request.Stream);
        var changes = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var (key, value) in request.Set)
        {
            changes[key] = value;
        }

        foreach (var key in request.Delete)
        {
            changes[key] = null;
        }

        StreamRules.Annotations(changes);
        var id = IdOf(request.Id, "id");
        if (store is null)
        {
            throw new EntryNotFoundException(request.Stream, id);
        }

        await store.SetAnnotationsAsync(request.Stream, id, changes, call.Token);
        return new SetAnnotationsResponse();
    }

    /// <summary>Deletes a stream's entries up to and with an id.</summary>
    public async Task<TrimResponse> TrimAsync(TrimRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Admin);
        var store = held?.Store;
        StreamRules.Stream(request.Stream);
        var through = IdOf(request.BeforeId, "before_id");
        return new TrimResponse
        {
            Deleted = store is null
                ? 0 : await store.TrimAsync(request.Stream, through, call.Token),
        };
    }

    /// <summary>Gives a stream another name.</summary>
    public async Task<RenameStreamResponse> RenameStreamAsync(RenameStreamRequest request, ServiceCall call)
    {
        using var held = await FindAsync(call, Rights.Admin);
        var store = held?.Store;
        StreamRules.Stream(request.Name);
        StreamRules.Stream(request.NewName);
        if (store is null)
        {
            throw new StreamNotFoundException(call.Store ?? "", request.Name);
        }

        await store.RenameAsync(request.Name, request.NewName, call.Token);
        return new RenameStreamResponse();
    }

    /// <summary>Asks the database; needs no identity.</summary>
    /// <returns>The status "ok", or "degraded" when the database does not answer.</returns>
    public async Task<HealthResponse> HealthAsync(HealthRequest request, ServiceCall call)
    {
        try
        {
            await catalog.CheckHealthAsync(call.Token);
            return new HealthResponse { Status = "ok" };
        }
        catch (StoreUnavailableException)
        {
            return new HealthResponse { Status = "degraded" };
        }
    }

    /// <summary>What the store promises; makes it when that is asked.</summary>
    public async Task<GetStoreResponse> GetStoreAsync(GetStoreRequest request, ServiceCall call)
    {
        var name = Require(call, request.Create ? Rights.Read | Rights.Append : Rights.Read);
        using var held = request.Create ? await catalog.OpenAsync(name, call.Token) : null;
        var capabilities = held?.Store.Capabilities ?? catalog.CapabilitiesOf(name);
        var response = new GetStoreResponse { Name = name };
        response.Capabilities.AddRange(WireEntries.Of(capabilities));
        return response;
    }

    private async ValueTask<IReadOnlyList<AppendResult>> AppendAsync(
        string name, IReadOnlyList<StreamAppend> appends, CancellationToken cancellationToken)
    {
        using var held = await catalog.FindAsync(name, cancellationToken) ?? await MakeAsync();
        return await held.Store.AppendAsync(appends, cancellationToken);

        async ValueTask<HeldStore> MakeAsync()
        {
            // A store is not made for an append that would be refused.
            StreamRules.Append(appends);
            return await catalog.OpenAsync(name, cancellationToken);
        }
    }

    private ValueTask<HeldStore?> FindAsync(ServiceCall call, Rights right) =>
        catalog.FindAsync(Require(call, right), call.Token);

    /// <summary>The store's name, when the caller has a right in it.</summary>
    private static string Require(ServiceCall call, Rights right)
    {
        if (call.Identity is not { } identity)
        {
            throw new RpcException(RpcCode.Unauthenticated, "The call has no valid credentials.");
        }

        if (call.Store is not { Length: > 0 } store)
        {
            throw new RpcException(
                RpcCode.InvalidArgument, "The header 'x-ledger-store' is missing: it says which store is meant.");
        }

        // Before the name is looked at: nothing is to be learned from how a foreign one is refused.
        return identity.May(right, store)
            ? StreamRules.Store(store)
            : throw new RpcException(RpcCode.PermissionDenied, "The credentials do not allow this call.");
    }

    private static EntryId IdOf(string text, string field) => text.Length > 0
        ? EntryId.Parse(text)
        : throw new ArgumentException($"The field '{field}' is empty: it names an entry.");
}
