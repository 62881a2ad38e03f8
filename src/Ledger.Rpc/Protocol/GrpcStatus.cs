using System.Globalization;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Ledger.Rpc.V1;
using Ledger.Rpc.Wellknown;

namespace Ledger.Rpc.Protocol;

/// <summary>The end of a call, as headers or trailers have it.</summary>
internal static class GrpcStatus
{
    /// <summary>The name of the code.</summary>
    public const string Code = "grpc-status";

    /// <summary>The name of the message.</summary>
    public const string Message = "grpc-message";

    /// <summary>The name of the details: a <c>google.rpc.Status</c>.</summary>
    public const string Details = "grpc-status-details-bin";

    /// <summary>The names and values that say how a call ended.</summary>
    /// <param name="error">Null when it was done.</param>
    public static IEnumerable<KeyValuePair<string, string>> Write(RpcException? error)
    {
        yield return new(Code, ((int)(error?.Code ?? RpcCode.Ok)).ToString(CultureInfo.InvariantCulture));
        if (error is null)
        {
            yield break;
        }

        yield return new(Message, GrpcMessage.Encode(error.Message));
        if (error.Detail is { } detail)
        {
            var status = new Status { Code = (int)error.Code, Message = error.Message, Details = { Any.Pack(detail) } };
            yield return new(Details, RpcMetadata.Encode(status.ToByteArray()));
        }
    }

    /// <summary>Reads how a call ended.</summary>
    /// <param name="find">The value of a name; null when there is none.</param>
    /// <param name="error">Null when it was done.</param>
    /// <returns>False when it does not say.</returns>
    public static bool TryRead(Func<string, string?> find, out RpcException? error)
    {
        error = null;
        if (find(Code) is not { } text)
        {
            return false;
        }

        if (!int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number))
        {
            error = new RpcException(RpcCode.Unknown, $"The server ended the call with the status '{text}'.");
            return true;
        }

        var code = number is >= 0 and <= (int)RpcCode.Unauthenticated ? (RpcCode)number : RpcCode.Unknown;
        if (code != RpcCode.Ok)
        {
            var message = find(Message) is { Length: > 0 } given
                ? GrpcMessage.Decode(given) : $"The server ended the call as {code}.";
            error = new RpcException(code, message, DetailOf(find(Details)));
        }

        return true;
    }

    private static ErrorDetail? DetailOf(string? text)
    {
        if (text is null || RpcMetadata.Decode(text) is not { } bytes)
        {
            return null;
        }

        try
        {
            var detail = Status.Parser.ParseFrom(bytes).Details
                .FirstOrDefault(any => any.Is(ErrorDetail.Descriptor));
            return detail?.Unpack<ErrorDetail>();
        }
        catch (InvalidProtocolBufferException)
        {
            // The code and the message are enough.
            return null;
        }
    }
}
