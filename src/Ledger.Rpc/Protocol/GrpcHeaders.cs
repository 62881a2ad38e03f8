namespace Ledger.Rpc.Protocol;

/// <summary>Names and values of the protocol's headers.</summary>
internal static class GrpcHeaders
{
    /// <summary>What both sides' bodies are.</summary>
    public const string ContentType = "application/grpc";

    /// <summary>How the peer's messages are compressed.</summary>
    public const string Encoding = "grpc-encoding";

    /// <summary>How messages may be compressed.</summary>
    public const string AcceptEncoding = "grpc-accept-encoding";

    /// <summary>What this side reads.</summary>
    public const string Encodings = "identity,gzip";

    /// <summary>How long the caller waits.</summary>
    public const string Timeout = "grpc-timeout";

    /// <summary>Says which store is meant.</summary>
    public const string Store = "x-ledger-store";

    /// <summary>Says who calls.</summary>
    public const string ApiKey = "x-api-key";

    /// <summary>Whether a body is one of this protocol with protobuf messages.</summary>
    public static bool IsGrpc(string? contentType)
    {
        var type = contentType.AsSpan();
        var end = type.IndexOf(';');
        type = (end < 0 ? type : type[..end]).Trim();
        return type.Equals(ContentType, StringComparison.OrdinalIgnoreCase)
            || type.Equals(ContentType + "+proto", StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>Whether this side can read what is compressed so.</summary>
    public static bool IsKnownEncoding(string? encoding) => encoding is null or "" or "identity" or "gzip";
}
