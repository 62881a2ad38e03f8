using System.Net;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using Google.Protobuf;
using Ledger.Rpc.Protocol;

namespace Ledger.Rpc.Client;

/// <summary>A way to a server: connections over TCP, TLS or a Unix socket, made when they are needed.</summary>
/// <remarks>
/// Safe from any thread; one is enough for a process. A lost connection is made again with the next call. A call
/// is repeated by itself only when the server said that it did not begin it.
/// </remarks>
public sealed class RpcChannel : IDisposable
{
    private const string UnixScheme = "unix:";

    private readonly RpcChannelOptions _options;
    private readonly HttpMessageInvoker _invoker;
    private readonly Uri _address;

    /// <summary>Prepares a channel; nothing is connected.</summary>
    /// <param name="address">
    /// <c>http://host:port</c>, <c>https://host:port</c>, <c>host:port</c> (which is http) or <c>unix:/path</c>.
    /// </param>
    /// <param name="options">How; null for the defaults.</param>
    /// <exception cref="ArgumentException">It is none of these.</exception>
    public RpcChannel(string address, RpcChannelOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(address);
        _options = options ?? new RpcChannelOptions();
        var handler = new SocketsHttpHandler
        {
            UseProxy = false,
            UseCookies = false,
            AllowAutoRedirect = false,
            AutomaticDecompression = DecompressionMethods.None,

            // The trace goes with a call by our own hand, and not by the platform's as well.
            ActivityHeadersPropagator = null,

            // A connection has as many calls as the server allows; the next ones have a connection of their own.
            EnableMultipleHttp2Connections = true,
            ConnectTimeout = _options.ConnectTimeout,
            KeepAlivePingDelay = _options.KeepAliveDelay,
            KeepAlivePingTimeout = _options.KeepAliveTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5),
        };
        if (address.StartsWith(UnixScheme, StringComparison.OrdinalIgnoreCase))
        {
            var path = address[UnixScheme.Length..];
            path = path.StartsWith("///", StringComparison.Ordinal) ? path[2..] : path;
            handler.ConnectCallback = (_, token) => ConnectAsync(path, token);
            _address = new Uri("http://localhost");
        }
        else
        {
            var text = address.Contains("://", StringComparison.Ordinal) ? address : "http://" + address;
            _address = Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https"
                ? uri : throw new ArgumentException($"'{address}' is not the address of a server.", nameof(address));
            if (_address.Scheme == "https")
            {
                handler.SslOptions = ServerTrust.Telling(_options.Tls, _address.Host);
            }
        }

        _invoker = new HttpMessageInvoker(handler);
    }

    /// <summary>Bytes of a message at most.</summary>
    internal int MessageBytesMax => _options.MessageBytesMax;

    /// <summary>Closes the connections; calls that are under way fail.</summary>
    public void Dispose() => _invoker.Dispose();

    /// <summary>Calls a method with one message and one answer.</summary>
    /// <exception cref="RpcException">The call ended otherwise than well.</exception>
    /// <exception cref="OperationCanceledException">The caller gave it up.</exception>
    internal async Task<TResponse> UnaryAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, RpcCallOptions options,
        CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        var timed = options.Timeout is null ? options with { Timeout = _options.Timeout } : options;
        var call = Start(method, new MessageContent(request), timed, cancellationToken);
        await using var _ = call.ConfigureAwait(false);
        var response = await call.ReadAsync().ConfigureAwait(false);
        if (response is null)
        {
            throw new RpcException(RpcCode.Internal, "The server ended the call well, and gave no answer.")
            {
                IsUnsure = true,
            };
        }

        return await call.ReadAsync().ConfigureAwait(false) is null
            ? response : throw new RpcException(RpcCode.Internal, "The server gave more than one answer.")
            {
                IsUnsure = true,
            };
    }

    /// <summary>Calls a method with one message and many answers.</summary>
    /// <inheritdoc cref="UnaryAsync"/>
    internal async IAsyncEnumerable<TResponse> StreamAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, RpcCallOptions options,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        var call = Start(method, new MessageContent(request), options, cancellationToken);
        await using (call.ConfigureAwait(false))
        {
            while (await call.ReadAsync().ConfigureAwait(false) is { } response)
            {
                yield return response;
            }
        }
    }

    /// <summary>Calls a method with many messages, and one answer or many.</summary>
    /// <returns>The call, which ends when it is disposed.</returns>
    internal RpcDuplexCall<TRequest, TResponse> Duplex<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, RpcCallOptions options, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        var content = new PushContent();
        return new RpcDuplexCall<TRequest, TResponse>(Start(method, content, options, cancellationToken), content);
    }

    private RpcClientCall<TResponse> Start<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, HttpContent content, RpcCallOptions options,
        CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_address, method.Path))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        content.Headers.TryAddWithoutValidation("content-type", GrpcHeaders.ContentType);
        request.Headers.TryAddWithoutValidation("te", "trailers");
        request.Headers.TryAddWithoutValidation("user-agent", "ledger-dotnet");
        request.Headers.TryAddWithoutValidation(GrpcHeaders.AcceptEncoding, GrpcHeaders.Encodings);
        if (options.Timeout is { } timeout)
        {
            request.Headers.TryAddWithoutValidation(GrpcHeaders.Timeout, GrpcTimeout.Format(timeout));
        }

        if (_options.ApiKey is { } key)
        {
            request.Headers.TryAddWithoutValidation(GrpcHeaders.ApiKey, key);
        }

        var span = RpcTelemetry.StartClient(method.Path);
        foreach (var (name, value) in RpcTelemetry.HeadersOf(span))
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        foreach (var (name, value) in options.Metadata ?? [])
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return new RpcClientCall<TResponse>(
            _invoker, request, method.Response, _options.MessageBytesMax, options.Timeout, span, cancellationToken);
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        var isConnected = false;
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken).ConfigureAwait(false);
            isConnected = true;
            return new NetworkStream(socket, ownsSocket: true);
        }
        finally
        {
            if (!isConnected)
            {
                socket.Dispose();
            }
        }
    }
}
