using Ledger.Rpc;
using Ledger.Rpc.AdminV1;
using Ledger.Rpc.HealthV1;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.Serving;
using Ledger.Rpc.V1;
using Ledger.Runtime;
using Ledger.Server.Identities;
using Ledger.Server.Services;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace Ledger.Server.Wire;

/// <summary>Who calls; null when nobody knows.</summary>
public delegate ValueTask<Identity?> Authenticate(HttpContext context);

/// <summary>The services over gRPC on Kestrel.</summary>
public sealed partial class GrpcEndpoints
{
    private readonly RpcServer _server;
    private readonly Authenticate _authenticate;

    /// <summary>Prepares the services.</summary>
    /// <param name="service">Streams.</param>
    /// <param name="admin">What operators ask; null for a server without.</param>
    /// <param name="authenticate">Says who calls, on every call.</param>
    /// <param name="isHealthy">Whether calls are answered, for probes.</param>
    /// <param name="log">Gets the errors that callers are not told; null for nobody.</param>
    /// <param name="stopping">Ends the calls that go on until somebody ends them.</param>
    public GrpcEndpoints(
        LedgerService service, AdminService? admin, Authenticate authenticate,
        Func<CancellationToken, ValueTask<bool>> isHealthy, ILogger? log = null, CancellationToken stopping = default)
    {
        _authenticate = authenticate;
        _server = new RpcServer(log is null ? null : (path, error) => LogFailure(log, path, error), stopping);
        Add(service);
        string[] services = [LedgerMethods.Service, AdminMethods.Service];
        if (admin is not null)
        {
            Add(admin);
        }

        HealthMethods.AddTo(_server, services, isHealthy, LedgerRuntime.CreateSystem());
        ReflectionMethods.AddTo(
            _server, LedgerReflection.Descriptor, AdminReflection.Descriptor, HealthReflection.Descriptor);
    }

    /// <summary>Bytes of a message at most; 20 MiB by default. May change at any time.</summary>
    public int MessageBytesMax
    {
        get => _server.MessageBytesMax;
        set => _server.MessageBytesMax = value;
    }

    /// <summary>What answers, without Kestrel.</summary>
    internal RpcServer Server => _server;

    /// <summary>Whether a request is one of gRPC, for a listener that has others too.</summary>
    public static bool IsGrpc(HttpContext context) =>
        context.Request.ContentType?.StartsWith(GrpcHeaders.ContentType, StringComparison.OrdinalIgnoreCase) ?? false;

    /// <summary>Answers a call; what is none of gRPC is refused.</summary>
    public async Task HandleAsync(HttpContext context)
    {
        if (!HttpProtocol.IsHttp2(context.Request.Protocol))
        {
            context.Response.StatusCode = StatusCodes.Status426UpgradeRequired;
            return;
        }

        // The runtime has its own limit, of a message; a stream of them has none. A caller that says nothing for long
        // may be one who follows something.
        if (context.Features.Get<Microsoft.AspNetCore.Http.Features.IHttpMaxRequestBodySizeFeature>()
            is { IsReadOnly: false } size)
        {
            size.MaxRequestBodySize = null;
        }

        if (context.Features.Get<Microsoft.AspNetCore.Server.Kestrel.Core.Features.IHttpMinRequestBodyDataRateFeature>()
            is { } rate)
        {
            rate.MinDataRate = null;
        }

        await _server.HandleAsync(new HttpExchange(context), async () => await _authenticate(context));
    }

    private void Add(LedgerService service)
    {
        _server.Add(LedgerMethods.Append, (request, context) => service.AppendAsync(request, Call(context)));
        _server.Add(LedgerMethods.Read, (request, context) => service.ReadAsync(request, Call(context)));
        _server.Add(LedgerMethods.Count, (request, context) => service.CountAsync(request, Call(context)));
        _server.Add(LedgerMethods.SetTags, (request, context) => service.SetTagsAsync(request, Call(context)));
        _server.Add(
            LedgerMethods.SetAnnotations, (request, context) => service.SetAnnotationsAsync(request, Call(context)));
        _server.Add(LedgerMethods.Trim, (request, context) => service.TrimAsync(request, Call(context)));
        _server.Add(
            LedgerMethods.ListStreamIDs, (request, context) => service.ListStreamIDsAsync(request, Call(context)));
        _server.Add(
            LedgerMethods.RenameStream, (request, context) => service.RenameStreamAsync(request, Call(context)));
        _server.Add(LedgerMethods.Stat, (request, context) => service.StatAsync(request, Call(context)));
        _server.Add(LedgerMethods.Search, (request, context) => service.SearchAsync(request, Call(context)));
        _server.Add(
            LedgerMethods.Health, (request, context) => service.HealthAsync(request, Call(context)), isOpen: true);
        _server.Add(LedgerMethods.AppendAll, (request, context) => service.AppendAllAsync(request, Call(context)));
        _server.Add(LedgerMethods.ReadAll, (request, context) => service.ReadAllAsync(request, Call(context)));
        _server.Add(LedgerMethods.Find, (request, context) => service.FindAsync(request, Call(context)));
        _server.AddStreaming(
            LedgerMethods.Subscribe, (request, context) => service.SubscribeAsync(request, Call(context)));
        _server.AddStreaming(
            LedgerMethods.SubscribeAll, (request, context) => service.SubscribeAllAsync(request, Call(context)));
        _server.Add(LedgerMethods.GetStore, (request, context) => service.GetStoreAsync(request, Call(context)));
        _server.Add(LedgerMethods.GetEnd, (request, context) => service.GetEndAsync(request, Call(context)));
        _server.AddStreaming(
            LedgerMethods.WatchStore, (request, context) => service.WatchStoreAsync(request, Call(context)));
        _server.AddDuplex(
            LedgerMethods.Consume, (requests, context) => service.ConsumeAsync(requests, Call(context)));
        _server.Add(
            LedgerMethods.ListConsumers, (request, context) => service.ListConsumersAsync(request, Call(context)));
        _server.Add(
            LedgerMethods.ResetConsumer, (request, context) => service.ResetConsumerAsync(request, Call(context)));
        _server.Add(
            LedgerMethods.ReleaseParked, (request, context) => service.ReleaseParkedAsync(request, Call(context)));
        _server.Add(
            LedgerMethods.DropConsumer, (request, context) => service.DropConsumerAsync(request, Call(context)));
        _server.Add(
            LedgerMethods.UpdateConsumer, (request, context) => service.UpdateConsumerAsync(request, Call(context)));
    }

    private void Add(AdminService admin)
    {
        _server.Add(AdminMethods.Reload, (request, context) => admin.ReloadAsync(request, Call(context)));
        _server.Add(AdminMethods.ListStores, (request, context) => admin.ListStoresAsync(request, Call(context)));
        _server.Add(AdminMethods.ListHooks, (request, context) => admin.ListHooksAsync(request, Call(context)));
        _server.Add(AdminMethods.RetryHook, (request, context) => admin.RetryHookAsync(request, Call(context)));
        _server.Add(AdminMethods.DropHook, (request, context) => admin.DropHookAsync(request, Call(context)));
    }

    private static ServiceCall Call(RpcContext context)
    {
        var stores = context.Metadata.All(GrpcHeaders.Store).Distinct(StringComparer.OrdinalIgnoreCase).ToArray();
        return stores.Length <= 1
            ? new ServiceCall(context.User as Identity, stores.FirstOrDefault(), context.Token)
            {
                Abort = context.Abort,
            }
            : throw new RpcException(RpcCode.InvalidArgument, "The header 'x-ledger-store' names several stores.");
    }

    [LoggerMessage(1, LogLevel.Error, "The call {Path} failed.")]
    private static partial void LogFailure(ILogger log, string path, Exception error);
}

/// <summary>Puts the services on a daemon's pipeline.</summary>
public static class GrpcEndpointExtensions
{
    /// <summary>Answers every request that no other endpoint takes, as calls of gRPC.</summary>
    public static IEndpointConventionBuilder MapLedgerGrpc(this IEndpointRouteBuilder routes, GrpcEndpoints grpc) =>
        routes.Map("/{**path}", grpc.HandleAsync);
}
