using System.Text;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Ledger.Rpc;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;
using Ledger.Server.Hosting;
using Ledger.Server.Identities;
using Ledger.Server.Logging;
using Ledger.Server.Services;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;

namespace Ledger.Server.Gateway;

/// <summary>The service as HTTP/JSON: the routes of the original, and subscriptions as server-sent events.</summary>
/// <param name="parts">What is served.</param>
internal sealed class HttpGateway(DaemonParts parts)
{
    /// <summary>The header that names the store, as the original's.</summary>
    public const string StoreHeader = "x-ledger-store";

    private const string LastEventHeader = "last-event-id";

    private const int SharesOfBody = 6;

    private static readonly TimeSpan HeartbeatInterval = TimeSpan.FromSeconds(15);
    private static readonly byte[] Comment = ":\n\n"u8.ToArray();

    /// <summary>Answers a call.</summary>
    /// <param name="context">The call.</param>
    /// <param name="identity">Who calls; null when nobody knows.</param>
    public async Task HandleAsync(HttpContext context, Identity? identity)
    {
        var target = context.Features.GetRequiredFeature<IHttpRequestFeature>().RawTarget;
        try
        {
            if (target.Split('?')[0] == OpenApi.Path && context.Request.Method == "GET")
            {
                await Answers.BytesAsync(context, "application/json", OpenApi.Document);
                return;
            }

            if (RouteMatch.Find(context.Request.Method, target, out var isKnown) is not { } match)
            {
                throw isKnown
                    ? new RpcException(RpcCode.Unimplemented, $"{context.Request.Method} is not a method of this path.")
                    : new RpcException(RpcCode.NotFound, "There is nothing at this path.");
            }

            var request = await RequestAsync(context, match, target);
            var call = new ServiceCall(
                identity, context.Request.Headers[StoreHeader] is [{ } store] ? store : null, context.RequestAborted)
            {
                Abort = context.Abort,
            };
            await (match.Route.Follow is null
                ? AnswerAsync(context, match.Route, request, call) : FollowAsync(context, match.Route, request, call));
        }
        catch (BadHttpRequestException error)
        {
            await FailAsync(context, new RpcException(RpcCode.InvalidArgument, error.Message), error.StatusCode);
        }
        catch (Exception error) when (!context.RequestAborted.IsCancellationRequested)
        {
            var known = RpcErrors.Of(error, context.Request.Headers[StoreHeader] is [{ } store] ? store : null);
            if (known.Code == RpcCode.Internal)
            {
                DaemonEvents.CallFailed(parts.Logger, error, context.Request.Path.ToString());
            }

            await FailAsync(context, known);
        }
        catch (OperationCanceledException) when (context.RequestAborted.IsCancellationRequested)
        {
            // Nobody is there to hear it.
        }
    }

    private static async Task FailAsync(HttpContext context, RpcException error, int? status = null)
    {
        if (!context.Response.HasStarted)
        {
            await Answers.ErrorAsync(context, error, status);
            return;
        }

        // Of a subscription, which is the only answer that begins before it can fail.
        await EventAsync(context, "error", null, Answers.ErrorJson(error));
    }

    private async Task AnswerAsync(HttpContext context, Route route, IMessage request, ServiceCall call)
    {
        var response = await route.Call!(parts.Service, request, call);

        // The message, and its JSON as it grows, until the caller has taken most of it.
        using var share = response.CalculateSize() is > ByteBudget.SmallBytes and var size
            ? parts.Answers.Take(4L * size) : null;
        await Answers.BytesAsync(context, "application/json", ProtoJson.ToBytes(response));
    }

    private async Task FollowAsync(HttpContext context, Route route, IMessage request, ServiceCall call)
    {
        var isAll = route.Name == "SubscribeAll";
        if (context.Request.Headers[LastEventHeader] is [{ Length: > 0 } last])
        {
            QueryFields.Set(request, "after", last);
        }

        using var place = parts.TrySubscribe() ?? throw new RpcException(
            RpcCode.ResourceExhausted, "There are as many subscriptions as 'limits.subscriptions' allows.");
        using var over = CancellationTokenSource.CreateLinkedTokenSource(call.Token);
        await using var items = route.Follow!(parts.Service, request, call with { Token = over.Token })
            .GetAsyncEnumerator(over.Token);

        // What is wrong with the request shows at the first step, while there can be a proper answer to it.
        var first = items.MoveNextAsync().AsTask();
        if (first.IsCompleted)
        {
            await first;
        }

        var next = first;
        try
        {
            context.Features.GetRequiredFeature<IHttpResponseBodyFeature>().DisableBuffering();
            context.Response.ContentType = "text/event-stream";
            context.Response.Headers.CacheControl = "no-store";
            await context.Response.StartAsync(context.RequestAborted);
            while (await WaitAsync(context, next, HeartbeatInterval))
            {
                await WriteAsync(context, items.Current, isAll);
                next = items.MoveNextAsync().AsTask();
            }
        }
        finally
        {
            // What is followed cannot be let go of while it is waited for.
            await over.CancelAsync();
            await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    /// <summary>Waits for what is next, and writes comments meanwhile.</summary>
    /// <remarks>
    /// Whoever stands between cuts a connection that says nothing; and only by what is sent shows that nobody is
    /// there any more.
    /// </remarks>
    internal static async Task<bool> WaitAsync(HttpContext context, Task<bool> next, TimeSpan heartbeat)
    {
        while (true)
        {
            try
            {
                return await next.WaitAsync(heartbeat);
            }
            catch (TimeoutException) when (!next.IsFaulted)
            {
                await context.Response.Body.WriteAsync(Comment, context.RequestAborted);
                await context.Response.Body.FlushAsync(context.RequestAborted);
            }
        }
    }

    private static async Task WriteAsync(HttpContext context, SubscribeResponse item, bool isAll)
    {
        await (item.ItemCase switch
        {
            SubscribeResponse.ItemOneofCase.Entry => EventAsync(
                context, null, isAll ? Number(item.Entry.Position) : item.Entry.Id, ProtoJson.ToBytes(item.Entry)),
            SubscribeResponse.ItemOneofCase.Checkpoint => EventAsync(
                context, "checkpoint", isAll ? Number(item.Checkpoint.Position) : item.Checkpoint.Id,
                ProtoJson.ToBytes(item.Checkpoint)),
            _ => EventAsync(context, "caught-up", null, "{}"u8.ToArray()),
        });

        static string Number(long value) => value.ToString(System.Globalization.CultureInfo.InvariantCulture);
    }

    private static async Task EventAsync(HttpContext context, string? name, string? id, byte[] data)
    {
        var head = (name is null ? "" : $"event: {name}\n") + (string.IsNullOrEmpty(id) ? "" : $"id: {id}\n");
        byte[] lines = [.. Encoding.UTF8.GetBytes(head + "data: "), .. data, .. "\n\n"u8];
        await context.Response.Body.WriteAsync(lines, context.RequestAborted);
        await context.Response.Body.FlushAsync(context.RequestAborted);
    }

    private async Task<IMessage> RequestAsync(HttpContext context, RouteMatch match, string target)
    {
        var type = match.Route.Request;
        var body = match.Route.HasBody ? await BodyAsync(context) : "";
        var request = string.IsNullOrWhiteSpace(body) ? Empty(type) : ProtoJson.Parse(body, type);
        var query = match.Route.HasBody || !target.Contains('?', StringComparison.Ordinal)
            ? "" : target.Split('?', 2)[1];
        foreach (var pair in query.Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var (name, value) = pair.Split('=', 2) is [var left, var right] ? (left, right) : (pair, "");
            QueryFields.Set(request, Decode(name), Decode(value));
        }

        foreach (var (name, value) in match.Fields)
        {
            QueryFields.Set(request, name, value);
        }

        return request;

        static string Decode(string text) => RouteMatch.Decode(text.Replace('+', ' '));
    }

    private static IMessage Empty(MessageDescriptor type) => type.Parser.ParseFrom(ReadOnlySpan<byte>.Empty);

    private async Task<string> BodyAsync(HttpContext context)
    {
        // Base64 makes four characters of three bytes, and names and braces take some room too.
        var sizeMax = parts.State.Options.Limits.MessageBytes / 2L * 3;
        if (context.Request.ContentLength > sizeMax)
        {
            throw TooLarge(sizeMax);
        }

        using var bytes = new MemoryStream();
        using var arrival = new ArrivalTime(ArrivalTime.OfLarge, context.RequestAborted);
        await arrival.GuardAsync(ReadAsync(context, bytes, sizeMax, arrival), "The body");
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true)
                .GetString(bytes.GetBuffer(), 0, (int)bytes.Length);
        }
        catch (DecoderFallbackException error)
        {
            throw new ArgumentException("The body is not UTF-8.", error);
        }
    }

    /// <summary>Reads a body: a little of it, and the rest when there is memory for what is made of it.</summary>
    /// <returns>How many bytes it has.</returns>
    private async ValueTask<long> ReadAsync(
        HttpContext context, MemoryStream bytes, long sizeMax, ArrivalTime arrival)
    {
        var buffer = new byte[81_920];
        var isAdmitted = false;
        int read;
        while ((read = await context.Request.Body.ReadAsync(buffer, arrival.Token)) > 0)
        {
            if (bytes.Length + read > sizeMax)
            {
                throw TooLarge(sizeMax);
            }

            bytes.Write(buffer, 0, read);
            if (!isAdmitted && bytes.Length > ByteBudget.SmallBytes)
            {
                // The bytes, their text, what the parser makes of it, and the message; as long as the call lasts.
                isAdmitted = true;
                var size = context.Request.ContentLength ?? sizeMax;
                context.Response.RegisterForDispose(
                    await parts.Requests.TakeAsync(SharesOfBody * size, arrival.Token));
                arrival.Begin();
                bytes.Capacity = (int)size;
            }
        }

        return bytes.Length;
    }

    private static BadHttpRequestException TooLarge(long sizeMax) => new(
        $"The body has more than {sizeMax} bytes.", StatusCodes.Status413PayloadTooLarge);
}
