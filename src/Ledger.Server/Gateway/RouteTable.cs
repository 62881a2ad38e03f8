using Google.Protobuf;
using Google.Protobuf.Reflection;
using Ledger.Rpc.V1;
using Ledger.Server.Services;

namespace Ledger.Server.Gateway;

/// <summary>A route of the gateway, and the method behind it.</summary>
/// <param name="Method">The method of HTTP.</param>
/// <param name="Pattern">Literal segments and <c>{field}</c>s, with a verb after the last colon.</param>
/// <param name="Name">The method of the service.</param>
/// <param name="Request">The message that it takes.</param>
/// <param name="Response">The message that it gives.</param>
/// <param name="HasBody">Whether the message is in the body instead of the query.</param>
internal sealed record Route(
    string Method, string Pattern, string Name, MessageDescriptor Request, MessageDescriptor Response, bool HasBody)
{
    /// <summary>Calls a method that gives one message; null when it gives many.</summary>
    public Func<LedgerService, IMessage, ServiceCall, Task<IMessage>>? Call { get; init; }

    /// <summary>Calls a method that gives many messages; null when it gives one.</summary>
    public Func<LedgerService, IMessage, ServiceCall, IAsyncEnumerable<SubscribeResponse>>? Follow { get; init; }

    /// <summary>The pattern's segments.</summary>
    public string[] Segments { get; } = Pattern.Split(':')[0].Split('/');

    /// <summary>The pattern's verb; empty for none.</summary>
    public string Verb { get; } = Pattern.Contains(':', StringComparison.Ordinal) ? Pattern.Split(':')[1] : "";
}

/// <summary>The routes: those of the original, and subscriptions.</summary>
internal static class RouteTable
{
    /// <summary>The routes.</summary>
    public static IReadOnlyList<Route> All { get; } =
    [
        Of<AppendRequest, AppendResponse>(
            "POST", "v1/streams/{stream}/entries", "Append", (s, r, c) => s.AppendAsync(r, c)),
        Of<ReadRequest, ReadResponse>("GET", "v1/streams/{stream}/entries", "Read", (s, r, c) => s.ReadAsync(r, c)),
        Of<CountRequest, CountResponse>(
            "GET", "v1/streams/{stream}/entries:count", "Count", (s, r, c) => s.CountAsync(r, c)),
        Of<SetTagsRequest, SetTagsResponse>(
            "PUT", "v1/streams/{stream}/entries/{id}/tags", "SetTags", (s, r, c) => s.SetTagsAsync(r, c)),
        Of<SetAnnotationsRequest, SetAnnotationsResponse>(
            "PATCH", "v1/streams/{stream}/entries/{id}/annotations", "SetAnnotations",
            (s, r, c) => s.SetAnnotationsAsync(r, c)),
        Of<TrimRequest, TrimResponse>(
            "POST", "v1/streams/{stream}/entries:trim", "Trim", (s, r, c) => s.TrimAsync(r, c)),
        Of<ListStreamIDsRequest, ListStreamIDsResponse>(
            "GET", "v1/streams", "ListStreamIDs", (s, r, c) => s.ListStreamIDsAsync(r, c)),
        Of<RenameStreamRequest, RenameStreamResponse>(
            "POST", "v1/streams/{name}:rename", "RenameStream", (s, r, c) => s.RenameStreamAsync(r, c)),
        Of<StatRequest, StatResponse>("GET", "v1/streams/{stream}:stat", "Stat", (s, r, c) => s.StatAsync(r, c)),
        Of<SearchRequest, SearchResponse>(
            "POST", "v1/streams/{stream}/entries:search", "Search", (s, r, c) => s.SearchAsync(r, c)),
        Of<HealthRequest, HealthResponse>("GET", "v1/health", "Health", (s, r, c) => s.HealthAsync(r, c)),
        Of<SubscribeRequest>(
            "v1/streams/{stream}/entries:subscribe", "Subscribe", (s, r, c) => s.SubscribeAsync(r, c)),
        Of<SubscribeAllRequest>("v1/entries:subscribe", "SubscribeAll", (s, r, c) => s.SubscribeAllAsync(r, c)),
    ];

    private static Route Of<TRequest, TResponse>(
        string method, string pattern, string name,
        Func<LedgerService, TRequest, ServiceCall, Task<TResponse>> call)
        where TRequest : IMessage, new()
        where TResponse : IMessage, new() =>
        new(method, pattern, name, new TRequest().Descriptor, new TResponse().Descriptor, method != "GET")
        {
            Call = async (service, request, context) => await call(service, (TRequest)request, context),
        };

    private static Route Of<TRequest>(
        string pattern, string name,
        Func<LedgerService, TRequest, ServiceCall, IAsyncEnumerable<SubscribeResponse>> follow)
        where TRequest : IMessage, new() =>
        new("GET", pattern, name, new TRequest().Descriptor, SubscribeResponse.Descriptor, HasBody: false)
        {
            Follow = (service, request, context) => follow(service, (TRequest)request, context),
        };
}
