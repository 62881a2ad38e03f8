using Google.Protobuf;
using Ledger.Cli.Streams;
using Ledger.Objects;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.Protocol;
using Ledger.Server.Configuration;
using Ledger.Streams;

namespace Ledger.Cli.Daemons;

/// <summary>The way to the daemon that a command line means.</summary>
internal sealed class DaemonConnection : IDisposable
{
    // The code of HTTP/2 with which a server says that it speaks only the older version.
    private const long Http11Required = 13;

    private readonly RpcChannel _channel;
    private readonly bool _hasCertificate;

    private DaemonConnection(string address, RpcChannel channel, bool hasCertificate)
    {
        Address = address;
        _channel = channel;
        _hasCertificate = hasCertificate;
    }

    /// <summary>Where it is.</summary>
    public string Address { get; }

    /// <summary>Prepares a connection; nothing is opened.</summary>
    /// <remarks>What the command line does not say is taken from the configuration, if it is there.</remarks>
    public static DaemonConnection Create(CommandContext context, ServerOptions server)
    {
        var config = server.ConfigOf(context.Parse);
        var options = LoadedConfiguration.Load(config.Require(), ConfigurationEnvironment.OfProcess()).Options;
        var given = context.Parse.GetValue(server.Address);
        var address = string.IsNullOrEmpty(given)
            ? (options.Tls is null || options.Listen.Path is not null ? "" : "https://") + Reachable(options.Listen)
            : given;
        var tls = ClientTls.Of(context, server);
        if (!tls.IsEmpty && !string.IsNullOrEmpty(given) && !given.Contains("://", StringComparison.Ordinal)
            && !given.StartsWith("unix:", StringComparison.OrdinalIgnoreCase))
        {
            address = "https://" + given;
        }

        var key = context.Parse.GetValue(server.ApiKey) ?? options.ApiKey;
        try
        {
            return new DaemonConnection(address, new RpcChannel(address, new RpcChannelOptions
            {
                ApiKey = string.IsNullOrEmpty(key) ? null : key,
                Tls = tls.ToOptions(options.Tls?.CertificateFile),
            }), tls.Certificate is not null);
        }
        catch (ArgumentException error)
        {
            throw CliException.Usage(
                $"--addr is host:port, http(s)://host:port or unix:PATH, not '{address}'.",
                StoreOptions.SentenceOf(error));
        }
    }

    /// <summary>Opens a store of the daemon's.</summary>
    /// <exception cref="CliException">No daemon answers.</exception>
    public async Task<IStreamStore> OpenAsync(string store, CancellationToken cancellationToken)
    {
        try
        {
            var remote = await RemoteStreamStore.OpenAsync(_channel, store, cancellationToken: cancellationToken);
            remote.Lost = () => Console.Error.WriteLine(
                $"ledger: waiting for the daemon at {Address}, which is away; Ctrl-C ends.");
            return remote;
        }
        catch (StoreUnavailableException error) when (error.Reason == StoreUnavailableReason.Unreachable)
        {
            throw NoAnswer(error);
        }
    }

    /// <summary>Asks the daemon something that is not of a store.</summary>
    public async Task<TResponse> CallAsync<TRequest, TResponse>(
        RpcMethod<TRequest, TResponse> method, TRequest request, CancellationToken cancellationToken)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        try
        {
            return await _channel.UnaryAsync(method, request, RpcCallOptions.None, cancellationToken);
        }
        catch (RpcException error)
        {
            throw RpcErrors.ToLocal(error, "");
        }
    }

    /// <summary>The exception for a daemon that does not answer.</summary>
    public CliException NoAnswer(Exception error)
    {
        if (CausesOf(error).OfType<CertificateRefusedException>().FirstOrDefault() is { } refused)
        {
            return new(
                ExitCodes.Unavailable, refused.Message, "--tls-ca says who signs the daemon's certificate.", error);
        }

        var isTls = Address.StartsWith("https:", StringComparison.OrdinalIgnoreCase);
        if (isTls && CausesOf(error).OfType<HttpRequestException>().Any(
            cause => cause.HttpRequestError == HttpRequestError.SecureConnectionError))
        {
            return new(
                ExitCodes.Unavailable, $"What answers at {Address} does not speak TLS, or not with this client.",
                $"A daemon without TLS is at http{Address["https".Length..]}; where it asks for certificates, " +
                "--tls-cert and --tls-key give yours.", error);
        }

        return new(
            ExitCodes.Unavailable, $"No daemon answers at {Address}.",
            isTls && !_hasCertificate
                ? "Where it asks for certificates, --tls-cert and --tls-key give yours; 'ledger status' says more."
                : "'ledger start' starts one; with --db a database is used without one.", error);
    }

    /// <summary>The exception for an address where something else than gRPC is served; null for other errors.</summary>
    public CliException? NotGrpc(Exception error) =>
        CausesOf(error).OfType<HttpProtocolException>().Any(cause => cause.ErrorCode == Http11Required)
            ? new(
                ExitCodes.Unavailable, $"What answers at {Address} speaks HTTP/1.1, and no gRPC.",
                "'ledger status' says where a daemon serves gRPC; beside it is its address for HTTP and JSON.", error)
            : null;

    /// <inheritdoc/>
    public void Dispose() => _channel.Dispose();

    private static IEnumerable<Exception> CausesOf(Exception error)
    {
        for (var cause = error; cause is not null; cause = cause.InnerException)
        {
            yield return cause;
        }
    }

    // Where every address is listened at, this machine's own is one of them.
    private static string Reachable(ListenAddress address) =>
        (address.Host is "" or "0.0.0.0" or "::" ? address with { Host = "localhost" } : address).ToString();
}
