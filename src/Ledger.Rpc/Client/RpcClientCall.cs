using System.Diagnostics;
using System.Net;
using Google.Protobuf;
using Ledger.Rpc.Protocol;

namespace Ledger.Rpc.Client;

/// <summary>One call: its answers, and how it ended.</summary>
/// <typeparam name="TResponse">What the server sends.</typeparam>
internal sealed class RpcClientCall<TResponse> : IAsyncDisposable
    where TResponse : class, IMessage<TResponse>
{
    private readonly MessageParser<TResponse> _parser;
    private readonly int _messageBytesMax;
    private readonly HttpRequestMessage _request;
    private readonly CancellationToken _callerToken;
    private readonly CancellationTokenSource _over;
    private readonly Task<HttpResponseMessage> _sending;
    private HttpResponseMessage? _response;
    private FrameReader? _reader;
    private readonly Activity? _span;
    private readonly string _path;
    private readonly long _startedAt = RpcTelemetry.Now();
    private RpcCode? _failure;
    private bool _isEnded;
    private bool _isNoted;

    /// <summary>Begins the call.</summary>
    public RpcClientCall(
        HttpMessageInvoker invoker, HttpRequestMessage request, MessageParser<TResponse> parser, int messageBytesMax,
        TimeSpan? timeout, Activity? span, CancellationToken cancellationToken)
    {
        (_span, _path) = (span, request.RequestUri!.AbsolutePath);
        (_parser, _messageBytesMax, _request, _callerToken) = (parser, messageBytesMax, request, cancellationToken);
        _over = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        if (timeout is { } time)
        {
            _over.CancelAfter(time < TimeSpan.FromDays(30) ? time : TimeSpan.FromDays(30));
        }

        _sending = SendAsync(invoker);
    }

    /// <summary>Cancelled when the call is over.</summary>
    public CancellationToken Token => _over.Token;

    /// <summary>Completes when the server has begun to answer, or the call failed.</summary>
    public Task Begun => _sending;

    /// <summary>The next answer; null when the call ended well.</summary>
    /// <exception cref="RpcException">It ended otherwise.</exception>
    /// <exception cref="OperationCanceledException">The caller gave it up.</exception>
    public async ValueTask<TResponse?> ReadAsync()
    {
        if (_isEnded)
        {
            return null;
        }

        try
        {
            var reader = _reader ??= Open(_response = await _sending.ConfigureAwait(false));
            RpcException? broken = null;
            try
            {
                if (await reader.ReadAsync(_parser, _over.Token).ConfigureAwait(false) is { } message)
                {
                    return message;
                }
            }
            catch (RpcException error) when (error.Code == RpcCode.Internal)
            {
                // What the server says of the end says more, when it says anything.
                broken = error.AsUnsure();
            }
            catch (RpcException error) when (error.Code == RpcCode.ResourceExhausted)
            {
                // There is an answer, and nobody reads it.
                throw error.AsUnsure();
            }

            _isEnded = true;
            End(_response!, broken);
            return null;
        }
        catch (Exception error) when (IsNoted(error))
        {
            throw;
        }
        catch (Exception error) when (Of(error) is { } known)
        {
            _isEnded = true;
            throw known;
        }
    }

    // Never true: the error goes on to whoever handles it.
    private bool IsNoted(Exception error)
    {
        _failure = ((error as RpcException) ?? (Of(error) as RpcException))?.Code ?? RpcCode.Cancelled;
        return false;
    }

    /// <summary>The error as a call's.</summary>
    /// <returns>Null when it is one already.</returns>
    public Exception? Of(Exception error) => error switch
    {
        RpcException => null,
        OperationCanceledException when _callerToken.IsCancellationRequested =>
            new OperationCanceledException(error.Message, error, _callerToken),
        _ when _callerToken.IsCancellationRequested =>
            new OperationCanceledException("The call was given up.", error, _callerToken),
        _ when _over.IsCancellationRequested =>
            new RpcException(RpcCode.DeadlineExceeded, "The server did not answer in time.", null, error)
            {
                IsUnsure = true,
            },
        HttpRequestException or IOException or ObjectDisposedException => OfTransport(error),
        _ => null,
    };

    /// <summary>Ends the call: the server hears that nobody waits for it any more.</summary>
    public async ValueTask DisposeAsync()
    {
        if (!_isNoted)
        {
            _isNoted = true;
            RpcTelemetry.End(_path, "client", _failure ?? (_isEnded ? null : RpcCode.Cancelled), _startedAt, _span);
        }

        if (!_isEnded)
        {
            await _over.CancelAsync().ConfigureAwait(false);
        }

        try
        {
            (await _sending.ConfigureAwait(false)).Dispose();
        }
        catch (Exception error) when (error is HttpRequestException or IOException or OperationCanceledException
            or ObjectDisposedException)
        {
            // It never began.
        }

        _reader?.Dispose();
        _request.Dispose();
        _over.Dispose();
    }

    private async Task<HttpResponseMessage> SendAsync(HttpMessageInvoker invoker)
    {
        try
        {
            return await invoker.SendAsync(_request, _over.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (_request.Content is PushContent content)
        {
            content.Fail(error);
            throw;
        }
    }

    private FrameReader Open(HttpResponseMessage response)
    {
        var headers = response.Headers;
        if (GrpcStatus.TryRead(name => Find(headers, name), out var error) && error is not null)
        {
            throw Told(error);
        }

        if (response.StatusCode != HttpStatusCode.OK)
        {
            throw new RpcException(
                RpcErrors.OfHttpStatus((int)response.StatusCode),
                $"The server answered with the HTTP status {(int)response.StatusCode}.")
            {
                // Whoever stands between may have passed the call on; only a refusal of the request was before that.
                IsUnsure = (int)response.StatusCode is < 400 or 408 or >= 499,
            };
        }

        if (!GrpcHeaders.IsGrpc(response.Content.Headers.ContentType?.ToString()))
        {
            throw new RpcException(
                RpcCode.Unknown,
                $"The server answered with '{response.Content.Headers.ContentType}', which is not gRPC.")
            {
                IsUnsure = true,
            };
        }

        var encoding = Find(headers, GrpcHeaders.Encoding);
        return GrpcHeaders.IsKnownEncoding(encoding)
            ? new FrameReader(response.Content.ReadAsStream(_over.Token), _messageBytesMax, encoding)
            : throw new RpcException(RpcCode.Internal, $"The server's messages are compressed as '{encoding}'.")
            {
                IsUnsure = true,
            };
    }

    /// <summary>How the call ended, as it was said. Our server says why it is unavailable; others only that.</summary>
    private static RpcException Told(RpcException error) =>
        error is { Code: RpcCode.Unavailable, Detail: null } ? error.AsUnsure() : error;

    private static void End(HttpResponseMessage response, RpcException? broken)
    {
        // Trailers come with the end of the body; a server without any answer says its status in the headers.
        if (GrpcStatus.TryRead(name => Find(response.TrailingHeaders, name), out var error)
            || GrpcStatus.TryRead(name => Find(response.Headers, name), out error))
        {
            if ((error ?? broken) is { } failure)
            {
                throw Told(failure);
            }

            return;
        }

        throw broken ?? new RpcException(
            RpcErrors.OfHttpStatus((int)response.StatusCode), "The server did not say how the call ended.")
        {
            IsUnsure = true,
        };
    }

    private static RpcException OfTransport(Exception error)
    {
        var kind = (error as HttpRequestException)?.HttpRequestError;
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            // The innermost says what happened: a server that closes the connection within its handshake, as one does
            // that refuses the caller's certificate, has not spoken wrongly.
            kind = (cause as HttpIOException)?.HttpRequestError ?? kind;
            if (cause is CertificateRefusedException refused)
            {
                return new RpcException(RpcCode.Unavailable, refused.Message, null, error);
            }

            if (cause is HttpProtocolException protocol)
            {
                return new RpcException(
                    RpcErrors.OfHttp2Error(protocol.ErrorCode),
                    $"The server ended the call with the HTTP/2 code {protocol.ErrorCode}.", null, error)
                {
                    // Refused means that it was not begun.
                    IsUnsure = protocol.ErrorCode != 7,
                };
            }
        }

        return kind is HttpRequestError.InvalidResponse or HttpRequestError.VersionNegotiationError
            ? new RpcException(RpcCode.Internal, "The server does not speak HTTP/2 as it should.", null, error)
            : new RpcException(
                RpcCode.Unavailable, "The server cannot be reached, or the connection to it broke.", null, error)
            {
                IsUnsure = kind is not (HttpRequestError.ConnectionError or HttpRequestError.SecureConnectionError
                    or HttpRequestError.NameResolutionError),
            };
    }

    private static string? Find(System.Net.Http.Headers.HttpHeaders headers, string name) =>
        headers.TryGetValues(name, out var values) ? string.Join(',', values) : null;
}
