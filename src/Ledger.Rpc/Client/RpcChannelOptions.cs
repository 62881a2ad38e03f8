using System.Net.Security;

namespace Ledger.Rpc.Client;

/// <summary>How a client speaks to a server.</summary>
public sealed record RpcChannelOptions
{
    /// <summary>Says who calls, in the header <c>x-api-key</c>; null for nobody.</summary>
    public string? ApiKey { get; init; }

    /// <summary>How long a call with one answer may take; following has no end. Default 1 minute.</summary>
    public TimeSpan Timeout
    {
        get;
        init => field = value > TimeSpan.Zero
            ? value : throw new ArgumentOutOfRangeException(nameof(value), value, "A call takes some time.");
    } = TimeSpan.FromMinutes(1);

    /// <summary>How long it may take to connect. Default 10 seconds.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a connection with calls may be silent before it is asked for a sign. Default 20 s.</summary>
    public TimeSpan KeepAliveDelay { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>How long the sign may take; then the connection is given up and its calls fail. Default 10 s.</summary>
    public TimeSpan KeepAliveTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Bytes of a message at most. Default 20 MiB.</summary>
    public int MessageBytesMax { get; init; } = 20 << 20;

    /// <summary>Certificates for an <c>https</c> address; null for those of the system.</summary>
    public SslClientAuthenticationOptions? Tls { get; init; }
}
