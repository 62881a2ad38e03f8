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

    private const int WatchesMax = 1_000;

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
        var look = new HealthLook(isHealthy, runtime);
        server.Add(
            Check,
            async (request, context) => services.Contains(request.Service) || request.Service.Length == 0
                ? await AskAsync(look, TimeSpan.Zero, context.Token).ConfigureAwait(false)
                : throw new RpcException(RpcCode.NotFound, $"There is no service '{request.Service}'."),
            isOpen: true);
        server.AddStreaming(
            Watch,
            (request, context) => WatchAsync(
                look, services.Contains(request.Service) || request.Service.Length == 0, runtime, context.Token),
            isOpen: true);
    }

    private static async Task<HealthCheckResponse> AskAsync(
        HealthLook look, TimeSpan ageMax, CancellationToken cancellationToken) => new()
        {
            Status = await look.AskAsync(ageMax, cancellationToken).ConfigureAwait(false)
                ? ServingStatus.Serving : ServingStatus.NotServing,
        };

    private static async IAsyncEnumerable<HealthCheckResponse> WatchAsync(
        HealthLook look, bool isKnown, LedgerRuntime runtime,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using var place = look.Enter();
        var last = ServingStatus.Unknown;
        while (true)
        {
            var now = isKnown
                ? await AskAsync(look, LookInterval, cancellationToken).ConfigureAwait(false)
                : new HealthCheckResponse { Status = ServingStatus.ServiceUnknown };
            if (now.Status != last)
            {
                last = now.Status;
                yield return now;
            }

            await runtime.Delay(LookInterval, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// What all who ask share, since anybody may: one look at a time, and places for those who watch.
    /// </summary>
    private sealed class HealthLook(Func<CancellationToken, ValueTask<bool>> isHealthy, LedgerRuntime runtime)
    {
        private readonly Lock _gate = new();
        private Task<bool>? _look;
        private long _at;
        private int _watches;

        /// <summary>Whether calls are answered; joins a look that is under way.</summary>
        /// <param name="ageMax">How long ago an answer may have been begun.</param>
        /// <param name="cancellationToken">Ends the wait, not the look.</param>
        public async Task<bool> AskAsync(TimeSpan ageMax, CancellationToken cancellationToken)
        {
            Task<bool> look;
            lock (_gate)
            {
                if (_look is null || (_look.IsCompleted && runtime.Time.GetElapsedTime(_at) >= ageMax))
                {
                    _at = runtime.Time.GetTimestamp();
                    _look = LookAsync();
                }

                look = _look;
            }

            return await look.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        /// <summary>Takes a place for a watch, which disposing of it gives back.</summary>
        public IDisposable Enter()
        {
            if (Interlocked.Increment(ref _watches) <= WatchesMax)
            {
                return new Place(this);
            }

            Interlocked.Decrement(ref _watches);
            throw new RpcException(RpcCode.ResourceExhausted, $"Health is watched by {WatchesMax} callers already.");
        }

        private async Task<bool> LookAsync()
        {
            // Not under the gate: what is asked may answer at once, and ask in turn.
            await Task.Yield();
            return await isHealthy(CancellationToken.None).ConfigureAwait(false);
        }

        private sealed class Place(HealthLook look) : IDisposable
        {
            public void Dispose() => Interlocked.Decrement(ref look._watches);
        }
    }
}
