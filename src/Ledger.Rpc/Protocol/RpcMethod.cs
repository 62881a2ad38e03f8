using Google.Protobuf;

namespace Ledger.Rpc.Protocol;

/// <summary>Which sides of a call are streams.</summary>
internal enum RpcKind
{
    /// <summary>One message, one answer.</summary>
    Unary,

    /// <summary>One message, many answers.</summary>
    ServerStreaming,

    /// <summary>Many messages, one answer.</summary>
    ClientStreaming,

    /// <summary>Many messages, many answers, in any order.</summary>
    Duplex,
}

/// <summary>A method as both sides know it.</summary>
/// <remarks>
/// With <see cref="Client.RpcChannel"/> and <see cref="Serving.RpcServer"/> this is the seam that the gRPC packages
/// could fill: services and stores know methods, messages and <see cref="RpcException"/>, and no frame or header.
/// </remarks>
/// <param name="Service">With its package.</param>
/// <param name="Name">Of the method.</param>
/// <param name="Kind">Which sides are streams.</param>
/// <param name="Request">Reads a message of the client.</param>
/// <param name="Response">Reads a message of the server.</param>
/// <typeparam name="TRequest">What the client sends.</typeparam>
/// <typeparam name="TResponse">What the server sends.</typeparam>
internal sealed record RpcMethod<TRequest, TResponse>(
    string Service, string Name, RpcKind Kind, MessageParser<TRequest> Request, MessageParser<TResponse> Response)
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    /// <summary>The path of its requests.</summary>
    public string Path { get; } = $"/{Service}/{Name}";
}
