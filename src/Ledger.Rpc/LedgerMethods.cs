using Google.Protobuf;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;

namespace Ledger.Rpc;

/// <summary>The methods of <c>ledger.v1.LedgerService</c>.</summary>
internal static class LedgerMethods
{
    /// <summary>The service's name.</summary>
    public const string Service = "ledger.v1.LedgerService";

    public static readonly RpcMethod<AppendRequest, AppendResponse> Append =
        Of("Append", AppendRequest.Parser, AppendResponse.Parser);

    public static readonly RpcMethod<ReadRequest, ReadResponse> Read =
        Of("Read", ReadRequest.Parser, ReadResponse.Parser);

    public static readonly RpcMethod<CountRequest, CountResponse> Count =
        Of("Count", CountRequest.Parser, CountResponse.Parser);

    public static readonly RpcMethod<SetTagsRequest, SetTagsResponse> SetTags =
        Of("SetTags", SetTagsRequest.Parser, SetTagsResponse.Parser);

    public static readonly RpcMethod<SetAnnotationsRequest, SetAnnotationsResponse> SetAnnotations =
        Of("SetAnnotations", SetAnnotationsRequest.Parser, SetAnnotationsResponse.Parser);

    public static readonly RpcMethod<TrimRequest, TrimResponse> Trim =
        Of("Trim", TrimRequest.Parser, TrimResponse.Parser);

    public static readonly RpcMethod<ListStreamIDsRequest, ListStreamIDsResponse> ListStreamIDs =
        Of("ListStreamIDs", ListStreamIDsRequest.Parser, ListStreamIDsResponse.Parser);

    public static readonly RpcMethod<RenameStreamRequest, RenameStreamResponse> RenameStream =
        Of("RenameStream", RenameStreamRequest.Parser, RenameStreamResponse.Parser);

    public static readonly RpcMethod<StatRequest, StatResponse> Stat =
        Of("Stat", StatRequest.Parser, StatResponse.Parser);

    public static readonly RpcMethod<SearchRequest, SearchResponse> Search =
        Of("Search", SearchRequest.Parser, SearchResponse.Parser);

    public static readonly RpcMethod<HealthRequest, HealthResponse> Health =
        Of("Health", HealthRequest.Parser, HealthResponse.Parser);

    public static readonly RpcMethod<AppendAllRequest, AppendAllResponse> AppendAll =
        Of("AppendAll", AppendAllRequest.Parser, AppendAllResponse.Parser);

    public static readonly RpcMethod<ReadAllRequest, ReadResponse> ReadAll =
        Of("ReadAll", ReadAllRequest.Parser, ReadResponse.Parser);

    public static readonly RpcMethod<FindRequest, FindResponse> Find =
        Of("Find", FindRequest.Parser, FindResponse.Parser);

    public static readonly RpcMethod<SubscribeRequest, SubscribeResponse> Subscribe =
        Of("Subscribe", SubscribeRequest.Parser, SubscribeResponse.Parser, RpcKind.ServerStreaming);

    public static readonly RpcMethod<SubscribeAllRequest, SubscribeResponse> SubscribeAll =
        Of("SubscribeAll", SubscribeAllRequest.Parser, SubscribeResponse.Parser, RpcKind.ServerStreaming);

    public static readonly RpcMethod<GetStoreRequest, GetStoreResponse> GetStore =
        Of("GetStore", GetStoreRequest.Parser, GetStoreResponse.Parser);

    public static readonly RpcMethod<GetEndRequest, GetEndResponse> GetEnd =
        Of("GetEnd", GetEndRequest.Parser, GetEndResponse.Parser);

    public static readonly RpcMethod<WatchStoreRequest, WatchStoreResponse> WatchStore =
        Of("WatchStore", WatchStoreRequest.Parser, WatchStoreResponse.Parser, RpcKind.ServerStreaming);

    public static readonly RpcMethod<ConsumeRequest, ConsumeResponse> Consume =
        Of("Consume", ConsumeRequest.Parser, ConsumeResponse.Parser, RpcKind.Duplex);

    public static readonly RpcMethod<ListConsumersRequest, ListConsumersResponse> ListConsumers =
        Of("ListConsumers", ListConsumersRequest.Parser, ListConsumersResponse.Parser);

    public static readonly RpcMethod<ResetConsumerRequest, ResetConsumerResponse> ResetConsumer =
        Of("ResetConsumer", ResetConsumerRequest.Parser, ResetConsumerResponse.Parser);

    public static readonly RpcMethod<ReleaseParkedRequest, ReleaseParkedResponse> ReleaseParked =
        Of("ReleaseParked", ReleaseParkedRequest.Parser, ReleaseParkedResponse.Parser);

    public static readonly RpcMethod<DropConsumerRequest, DropConsumerResponse> DropConsumer =
        Of("DropConsumer", DropConsumerRequest.Parser, DropConsumerResponse.Parser);

    public static readonly RpcMethod<UpdateConsumerRequest, UpdateConsumerResponse> UpdateConsumer =
        Of("UpdateConsumer", UpdateConsumerRequest.Parser, UpdateConsumerResponse.Parser);

    private static RpcMethod<TRequest, TResponse> Of<TRequest, TResponse>(
        string name, MessageParser<TRequest> request, MessageParser<TResponse> response, RpcKind kind = RpcKind.Unary)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        new(Service, name, kind, request, response);
}
