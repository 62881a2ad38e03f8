using System.Runtime.CompilerServices;
using Google.Protobuf;
using Ledger.Rpc.Protocol;

namespace Ledger.Rpc.Serving;

/// <summary>What a server does for a method.</summary>
/// <param name="path">The path of its requests.</param>
internal abstract class RpcHandler(string path)
{
    private static readonly TimeSpan OpenRequestTime = TimeSpan.FromSeconds(10);

    /// <summary>The path of its requests.</summary>
    public string Path { get; } = path;

    /// <summary>Whether it also answers those whom nobody knows.</summary>
    public bool IsOpen { get; init; }

    /// <summary>Whether its calls go on until their callers, or the end of the server, end them.</summary>
    public virtual bool IsFollowing => false;

    /// <summary>Reads the request, works, and writes the answers; the end is the server's to write.</summary>
    public abstract Task RunAsync(FrameReader reader, RpcExchange exchange, RpcContext context);

    /// <summary>Writes an answer, and waits while the caller does not read.</summary>
    private protected static async ValueTask SendAsync(IMessage message, RpcExchange exchange, CancellationToken token)
    {
        Write(message, exchange);
        await exchange.Writer.FlushAsync(token).ConfigureAwait(false);
    }

    /// <summary>Writes an answer, which is sent with the end of the call.</summary>
    private protected static void Write(IMessage message, RpcExchange exchange)
    {
        var size = FrameWriter.SizeOf(message);
        FrameWriter.Write(message, exchange.Writer.GetSpan(size)[..size]);
        exchange.Writer.Advance(size);
    }

    /// <summary>The only message of a body; whom nobody knows must send it soon.</summary>
    private protected async ValueTask<TMessage> SingleAsync<TMessage>(
        FrameReader reader, MessageParser<TMessage> parser, CancellationToken token)
        where TMessage : class, IMessage<TMessage>
    {
        if (!IsOpen)
        {
            return await OnlyAsync(reader, parser, token).ConfigureAwait(false);
        }

        using var arrival = new ArrivalTime(OpenRequestTime, token);
        arrival.Begin();
        return await arrival.GuardAsync(OnlyAsync(reader, parser, arrival.Token), "The message").ConfigureAwait(false);
    }

    private static async ValueTask<TMessage> OnlyAsync<TMessage>(
        FrameReader reader, MessageParser<TMessage> parser, CancellationToken token)
        where TMessage : class, IMessage<TMessage>
    {
        var message = await reader.ReadAsync(parser, token).ConfigureAwait(false)
            ?? throw new RpcException(RpcCode.Internal, "The call has no message.");
        return await reader.ReadAsync(parser, token).ConfigureAwait(false) is null
            ? message : throw new RpcException(RpcCode.Internal, "The call has more than one message.");
    }

    /// <summary>The messages of a body, as they come.</summary>
    private protected static async IAsyncEnumerable<TMessage> ManyAsync<TMessage>(
        FrameReader reader, MessageParser<TMessage> parser, CancellationToken call,
        [EnumeratorCancellation] CancellationToken cancellationToken = default)
        where TMessage : class, IMessage<TMessage>
    {
        // The call ends first whatever its reader asked for.
        var token = cancellationToken.CanBeCanceled ? cancellationToken : call;
        while (await reader.ReadAsync(parser, token).ConfigureAwait(false) is { } message)
        {
            yield return message;
        }
    }
}

/// <summary>One message, one answer.</summary>
internal sealed class UnaryHandler<TRequest, TResponse>(
    RpcMethod<TRequest, TResponse> method, Func<TRequest, RpcContext, Task<TResponse>> work) : RpcHandler(method.Path)
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public override async Task RunAsync(FrameReader reader, RpcExchange exchange, RpcContext context)
    {
        var request = await SingleAsync(reader, method.Request, context.Token).ConfigureAwait(false);

        var working = work(request, context);
        if (!working.IsCompleted)
        {
            context.Left = working;
        }

        // Work that does not hear of the deadline is left to end by itself: the caller hears of it in time.
        var response = await working.WaitAsync(context.Token).ConfigureAwait(false);
        if (context.Answers is { } budget && FrameWriter.SizeOf(response) is > ByteBudget.SmallBytes and var size)
        {
            // The message and its bytes, until the caller has taken most of them.
            using var share = budget.Take(2L * size);
            await SendAsync(response, exchange, context.Token).ConfigureAwait(false);
            return;
        }

        Write(response, exchange);
    }
}

/// <summary>One message or many, many answers.</summary>
/// <param name="method">The method.</param>
/// <param name="one">What is done for one message; null when there are many.</param>
/// <param name="many">What is done for many; null when there is one.</param>
internal sealed class StreamingHandler<TRequest, TResponse>(
    RpcMethod<TRequest, TResponse> method,
    Func<TRequest, RpcContext, IAsyncEnumerable<TResponse>>? one,
    Func<IAsyncEnumerable<TRequest>, RpcContext, IAsyncEnumerable<TResponse>>? many) : RpcHandler(method.Path)
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public override bool IsFollowing => true;

    /// <inheritdoc/>
    public override async Task RunAsync(FrameReader reader, RpcExchange exchange, RpcContext context)
    {
        IAsyncEnumerable<TResponse> answers;
        if (many is not null)
        {
            answers = many(ManyAsync(reader, method.Request, context.Token), context);

            // A caller may wait for the headers before it sends anything.
            await exchange.StartAsync(context.Token).ConfigureAwait(false);
        }
        else
        {
            answers = one!(await SingleAsync(reader, method.Request, context.Token).ConfigureAwait(false), context);
        }

        await foreach (var answer in answers.WithCancellation(context.Token).ConfigureAwait(false))
        {
            await SendAsync(answer, exchange, context.Token).ConfigureAwait(false);
        }
    }
}

/// <summary>Many messages, one answer.</summary>
internal sealed class CollectingHandler<TRequest, TResponse>(
    RpcMethod<TRequest, TResponse> method,
    Func<IAsyncEnumerable<TRequest>, RpcContext, Task<TResponse>> work) : RpcHandler(method.Path)
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    /// <inheritdoc/>
    public override async Task RunAsync(FrameReader reader, RpcExchange exchange, RpcContext context) => Write(
        await work(ManyAsync(reader, method.Request, context.Token), context).ConfigureAwait(false), exchange);
}
