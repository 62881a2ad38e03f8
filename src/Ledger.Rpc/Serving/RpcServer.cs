using Google.Protobuf;
using Ledger.Rpc.Protocol;

namespace Ledger.Rpc.Serving;

/// <summary>Answers calls, whichever HTTP/2 server they come from.</summary>
/// <remarks>Methods are added before the first call; afterwards it is safe from any thread.</remarks>
/// <param name="failed">Told of what the caller is not told: the path and the error.</param>
/// <param name="stopping">Ends the calls that go on until somebody ends them, as unavailable.</param>
internal sealed class RpcServer(Action<string, Exception>? failed = null, CancellationToken stopping = default)
{
    /// <summary>Bytes of a message of a method that answers anybody.</summary>
    public const int OpenMessageBytesMax = 4 << 10;

    /// <summary>Bytes of a message unless the host says otherwise: a payload of 16 MiB fits.</summary>
    public const int MessageBytesMaxDefault = 20 << 20;

    private readonly Dictionary<string, RpcHandler> _handlers = new(StringComparer.Ordinal);

    /// <summary>Bytes of a message at most. May change at any time.</summary>
    public int MessageBytesMax { get; set; } = MessageBytesMaxDefault;

    /// <summary>Where large requests take their memory; null for any. Set before the first call.</summary>
    public ByteBudget? Requests { get; set; }

    /// <summary>Where large answers take their memory; null for any. Set before the first call.</summary>
    public ByteBudget? Answers { get; set; }

    /// <summary>Adds a method with one message and one answer.</summary>
    public void Add<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, Func<TRequest, RpcContext, Task<TResponse>> work, bool isOpen = false)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        _handlers.Add(method.Path, new UnaryHandler<TRequest, TResponse>(method, work) { IsOpen = isOpen });

    /// <summary>Adds a method with one message and many answers.</summary>
    public void AddStreaming<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, Func<TRequest, RpcContext, IAsyncEnumerable<TResponse>> work,
        bool isOpen = false)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        _handlers.Add(
            method.Path, new StreamingHandler<TRequest, TResponse>(method, work, null) { IsOpen = isOpen });

    /// <summary>Adds a method with many messages and many answers.</summary>
    public void AddDuplex<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method,
        Func<IAsyncEnumerable<TRequest>, RpcContext, IAsyncEnumerable<TResponse>> work, bool isOpen = false)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        _handlers.Add(method.Path, new StreamingHandler<TRequest, TResponse>(method, null, work) { IsOpen = isOpen });

    /// <summary>Adds a method with many messages and one answer.</summary>
    public void AddCollecting<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, Func<IAsyncEnumerable<TRequest>, RpcContext, Task<TResponse>> work)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse> =>
        _handlers.Add(method.Path, new CollectingHandler<TRequest, TResponse>(method, work));

    /// <summary>Answers a call.</summary>
    /// <param name="exchange">The request and its response.</param>
    /// <param name="identify">Says who calls; null when nobody knows.</param>
    public async Task HandleAsync(RpcExchange exchange, Func<ValueTask<object?>> identify)
    {
        if (exchange.Verb != "POST")
        {
            exchange.Answer(405, "allow", "POST");
            return;
        }

        if (!GrpcHeaders.IsGrpc(exchange.Header("content-type")))
        {
            exchange.Answer(415, "accept", GrpcHeaders.ContentType);
            return;
        }

        exchange.Answer(200, "content-type", GrpcHeaders.ContentType);
        var path = _handlers.ContainsKey(exchange.Path) ? exchange.Path : null;
        var startedAt = RpcTelemetry.Now();
        var span = RpcTelemetry.StartServer(
            path, RpcTelemetry.ContextOf(exchange.Header("traceparent"), exchange.Header("tracestate")));
        RpcContext? context = null;
        var error = default(RpcException);
        try
        {
            // After the headers are looked at: nothing that costs is done for a call that cannot be.
            var timeout = CheckHeaders(exchange);
            using var over = CancellationTokenSource.CreateLinkedTokenSource(exchange.Aborted);
            using var deadline = new CancellationTokenSource();
            using var link = deadline.Token.Register(over.Cancel);
            if (timeout is { } time)
            {
                // No timer is that fine: what is less than a millisecond is over.
                deadline.CancelAfter(time < TimeSpan.FromDays(30) ? time : TimeSpan.FromDays(30));
                if (time < TimeSpan.FromMilliseconds(1))
                {
                    deadline.Cancel();
                }
            }

            var handler = _handlers.GetValueOrDefault(exchange.Path);
            using var stop = handler is { IsFollowing: true } ? stopping.Register(over.Cancel) : default;
            try
            {
                var user = await identify().ConfigureAwait(false);
                if (user is null && handler is not { IsOpen: true })
                {
                    throw new RpcException(RpcCode.Unauthenticated, "The call has no valid credentials.");
                }

                context = new RpcContext(MetadataOf(exchange), user, over.Token) { Abort = exchange.Abort };
                await RunAsync(handler, exchange, context).ConfigureAwait(false);
            }
            catch (Exception ended) when (deadline.IsCancellationRequested && !exchange.Aborted.IsCancellationRequested)
            {
                error = new RpcException(RpcCode.DeadlineExceeded, "The caller's time is over.", null, ended);
            }
            catch (OperationCanceledException ended) when (handler is { IsFollowing: true }
                && stopping.IsCancellationRequested && !exchange.Aborted.IsCancellationRequested)
            {
                error = new RpcException(RpcCode.Unavailable, "The server is stopping.", null, ended);
            }
        }
        catch (Exception failure) when (Report(exchange, failure) is { } reported)
        {
            // The boundary of a call: whatever it was, the caller hears of it and the others go on.
            error = reported;
        }

        var isGone = error is null && exchange.Aborted.IsCancellationRequested;
        RpcTelemetry.End(path, "server", isGone ? RpcCode.Cancelled : error?.Code, startedAt, span);
        if (!exchange.Aborted.IsCancellationRequested)
        {
            exchange.End(GrpcStatus.Write(error).Concat(context?.Trailers ?? []));
        }

        if (context?.Left is { IsCompleted: false } left)
        {
            // The caller has its answer, or is gone; its place among the calls of the connection is free when the work
            // is over. Otherwise whoever gives calls up as fast as they can be made would pile work up.
            await exchange.CompleteAsync().ConfigureAwait(false);
            await left.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task RunAsync(RpcHandler? handler, RpcExchange exchange, RpcContext context)
    {
        if (handler is null)
        {
            throw new RpcException(RpcCode.Unimplemented, $"There is no method '{exchange.Path}'.");
        }

        // Nobody fills the memory whom nobody knows.
        var bytesMax = handler.IsOpen ? Math.Min(MessageBytesMax, OpenMessageBytesMax) : MessageBytesMax;
        using var reader = new FrameReader(exchange.Body, bytesMax, exchange.Header(GrpcHeaders.Encoding), Requests);
        context.Answers = Answers;
        await handler.RunAsync(reader, exchange, context).ConfigureAwait(false);
    }

    private RpcException Report(RpcExchange exchange, Exception failure)
    {
        var error = failure is IOException
            ? new RpcException(RpcCode.Internal, "The request could not be read.", null, failure)
            : RpcErrors.Of(failure, exchange.Header(GrpcHeaders.Store));
        if (error.Code == RpcCode.Internal && failure is not RpcException && !exchange.Aborted.IsCancellationRequested)
        {
            failed?.Invoke(exchange.Path, failure);
        }

        return error;
    }

    /// <summary>The time that the caller gives; null for any.</summary>
    private static TimeSpan? CheckHeaders(RpcExchange exchange)
    {
        if (exchange.Header("te") is not "trailers")
        {
            throw new RpcException(RpcCode.Internal, "The caller does not say 'te: trailers': it cannot hear the end.");
        }

        if (!GrpcHeaders.IsKnownEncoding(exchange.Header(GrpcHeaders.Encoding)))
        {
            exchange.AddHeader(GrpcHeaders.AcceptEncoding, GrpcHeaders.Encodings);
            throw new RpcException(
                RpcCode.Unimplemented,
                $"Messages that are compressed as '{exchange.Header(GrpcHeaders.Encoding)}' cannot be read.");
        }

        if (exchange.Header(GrpcHeaders.Timeout) is not { } text)
        {
            return null;
        }

        return GrpcTimeout.TryParse(text, out var timeout)
            ? timeout
            : throw new RpcException(RpcCode.Internal, "The header 'grpc-timeout' is not 1 to 8 digits and a unit.");
    }

    private static RpcMetadata MetadataOf(RpcExchange exchange)
    {
        var metadata = new RpcMetadata();
        foreach (var (name, value) in exchange.Headers)
        {
            if (name.Length > 0 && name[0] != ':' && !name.StartsWith("grpc-", StringComparison.OrdinalIgnoreCase))
            {
                metadata.AddReceived(name, value);
            }
        }

        return metadata;
    }
}
