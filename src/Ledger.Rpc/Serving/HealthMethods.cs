using System.Runtime.CompilerServices;
using Ledger.Rpc.HealthV1;
using Ledger.Rpc.Protocol;
using Ledger.Runtime;
using static Ledger.Rpc.HealthV1.HealthCheckResponse.Types;

namespace Ledger.Rpc.Serving;

/// <summary><c>grpc.health.v1</c>: whether calls are answered; needs no credentials.</summary>
internal static class HealthMethods
{
    /// <summary>The service's name.</summary>
    public const string Service = "grpc.health.v1.Health";

    private static readonly TimeSpan LookInterval = TimeSpan.FromSeconds(5);

    /// <summary>Asks once.</summary>
    public static RpcMethod<HealthCheckRequest, HealthCheckResponse> Check { get; } =
        new(Service, "Check", RpcKind.Unary, HealthCheckRequest.Parser, HealthCheckResponse.Parser);

    /// <summary>Asks, and hears of changes.</summary>
    public static RpcMethod<HealthCheckRequest, HealthCheckResponse> Watch { get; } =
        new(Service, "Watch", RpcKind.ServerStreaming, HealthCheckRequest.Parser, HealthCheckResponse.Parser);

    /// <summary>Adds the methods.</summary>
    /// <param name="server">The server.</param>
    /// <param name="services">Names of the services there are.</param>
    /// <param name="isHealthy">Asks whether calls are answered.</param>
    /// <param name="runtime">How it waits between two looks.</param>
    public static void AddTo(
        RpcServer server, IReadOnlyCollection<string> services, Func<CancellationToken, ValueTask<bool>> isHealthy,
        LedgerRuntime runtime)
    {
        server.Add(
            Check,
            async (request, context) => services.Contains(request.Service) || request.Service.Length == 0
                ? await AskAsync(isHealthy, context.Token).ConfigureAwait(false)
                : throw new RpcException(RpcCode.NotFound, $"There is no service '{request.Service}'."),
            isOpen: true);
        server.AddStreaming(
            Watch,
            (request, context) => WatchAsync(
                services.Contains(request.Service) || request.Service.Length == 0 ? isHealthy : null, runtime,
                context.Token),
            isOpen: true);
    }

    private static async Task<HealthCheckResponse> AskAsync(
        Func<CancellationToken, ValueTask<bool>> isHealthy, CancellationToken cancellationToken) => new()
        {
            Status = await isHealthy(cancellationToken).ConfigureAwait(false)
                ? ServingStatus.Serving : ServingStatus.NotServing,
        };

    private static async IAsyncEnumerable<HealthCheckResponse> WatchAsync(
        Func<CancellationToken, ValueTask<bool>>? isHealthy, LedgerRuntime runtime,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var last = ServingStatus.Unknown;
        while (true)
        {
            var now = isHealthy is null
                ? new HealthCheckResponse { Status = ServingStatus.ServiceUnknown }
                : await AskAsync(isHealthy, cancellationToken).ConfigureAwait(false);
            if (now.Status != last)
            {
                last = now.Status;
                yield return now;
            }

            await runtime.Delay(LookInterval, cancellationToken).ConfigureAwait(false);
        }
    }
}
