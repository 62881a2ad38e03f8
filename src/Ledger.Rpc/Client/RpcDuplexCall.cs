using Google.Protobuf;

namespace Ledger.Rpc.Client;

/// <summary>A call with many messages, and one answer or many; each side for one caller at a time.</summary>
/// <typeparam name="TRequest">What the client sends.</typeparam>
/// <typeparam name="TResponse">What the server sends.</typeparam>
internal sealed class RpcDuplexCall<TRequest, TResponse> : IAsyncDisposable
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    private readonly RpcClientCall<TResponse> _call;
    private readonly PushContent _content;

    /// <summary>A call that was begun.</summary>
    public RpcDuplexCall(RpcClientCall<TResponse> call, PushContent content) => (_call, _content) = (call, content);

    /// <summary>Sends a message; waits while the server does not read.</summary>
    /// <exception cref="RpcException">The call is over; <see cref="ReadAsync"/> says how.</exception>
    public async Task WriteAsync(TRequest message)
    {
        try
        {
            await _content.WriteAsync(message, _call.Token).ConfigureAwait(false);
        }
        catch (Exception error) when (_call.Of(error) is { } known)
        {
            throw known;
        }
    }

    /// <summary>Says that no more messages come.</summary>
    public void Complete() => _content.Complete();

    /// <summary>The next answer; null when the call ended well.</summary>
    /// <inheritdoc cref="RpcClientCall{TResponse}.ReadAsync"/>
    public ValueTask<TResponse?> ReadAsync() => _call.ReadAsync();

    /// <summary>The only answer of a method that has one, after <see cref="Complete"/>.</summary>
    /// <inheritdoc cref="RpcClientCall{TResponse}.ReadAsync"/>
    public async Task<TResponse> ReadSingleAsync()
    {
        var response = await ReadAsync().ConfigureAwait(false)
            ?? throw new RpcException(RpcCode.Internal, "The server ended the call well, and gave no answer.");
        return await ReadAsync().ConfigureAwait(false) is null
            ? response : throw new RpcException(RpcCode.Internal, "The server gave more than one answer.");
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _call.DisposeAsync().ConfigureAwait(false);
        _content.Complete();
    }
}
