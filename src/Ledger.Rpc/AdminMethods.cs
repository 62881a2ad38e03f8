using Google.Protobuf;
using Ledger.Rpc.AdminV1;
using Ledger.Rpc.Protocol;

namespace Ledger.Rpc;

/// <summary>The methods of <c>ledger.admin.v1.AdminService</c>.</summary>
internal static class AdminMethods
{
    /// <summary>The service's name.</summary>
    public const string Service = "ledger.admin.v1.AdminService";

    public static readonly RpcMethod<ReloadRequest, ReloadResponse> Reload =
        Of("Reload", ReloadRequest.Parser, ReloadResponse.Parser);

    public static readonly RpcMethod<ListStoresRequest, ListStoresResponse> ListStores =
        Of("ListStores", ListStoresRequest.Parser, ListStoresResponse.Parser);

    public static readonly RpcMethod<ListHooksRequest, ListHooksResponse> ListHooks =
        Of("ListHooks", ListHooksRequest.Parser, ListHooksResponse.Parser);

    public static readonly RpcMethod<RetryHookRequest, RetryHookResponse> RetryHook =
        Of("RetryHook", RetryHookRequest.Parser, RetryHookResponse.Parser);

    public static readonly RpcMethod<DropHookRequest, DropHookResponse> DropHook =
        Of("DropHook", DropHookRequest.Parser, DropHookResponse.Parser);

    private static RpcMethod<TRequest, TResponse> Of<TRequest, TResponse>(
        string name, MessageParser<TRequest> request, MessageParser<TResponse> response)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        new(Service, name, RpcKind.Unary, request, response);
}
