using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Ledger.Server.Hooks;

/// <summary>How hooks reach endpoints: each connection asks for the name once and goes to what was checked.</summary>
/// <param name="resolve">Addresses of a name, in the order of trying; the system's resolver when null.</param>
/// <param name="connect">Connects to an address that was checked; by TCP when null.</param>
internal sealed class HookNetwork(
    Func<string, CancellationToken, Task<IPAddress[]>>? resolve = null,
    Func<IPEndPoint, CancellationToken, Task<Stream>>? connect = null)
{
    private readonly Func<string, CancellationToken, Task<IPAddress[]>> _resolve =
        resolve ?? Dns.GetHostAddressesAsync;

    private readonly Func<IPEndPoint, CancellationToken, Task<Stream>> _connect = connect ?? ConnectAsync;

    /// <summary>Makes what a hook's requests go through.</summary>
    /// <param name="options">The hook.</param>
    /// <param name="connections">Connections at once.</param>
    /// <returns>Follows no redirects, uses no proxy and keeps no cookies; owned by the caller.</returns>
    /// <exception cref="ArgumentException">Its file of certificates cannot be read.</exception>
    public HttpMessageHandler CreateHandler(HookOptions options, int connections)
    {
        ArgumentNullException.ThrowIfNull(options);
        var tls = new SslClientAuthenticationOptions
        {
            RemoteCertificateValidationCallback =
                (_, _, _, errors) => errors == SslPolicyErrors.None || options.InsecureSkipVerify,
        };
        if (options.CaFile is { } path)
        {
            tls.CertificateChainPolicy = TrustOnly(options, path);
        }

        return new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseProxy = false,
            UseCookies = false,
            ActivityHeadersPropagator = null,
            ConnectTimeout = options.ConnectTimeout,
            MaxConnectionsPerServer = connections,

            // A name that moves is followed within this time.
            PooledConnectionLifetime = TimeSpan.FromMinutes(2),
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            MaxResponseDrainSize = 64 * 1024,
            ResponseDrainTimeout = TimeSpan.FromSeconds(1),
            MaxResponseHeadersLength = 64,
            SslOptions = tls,
            ConnectCallback = (context, token) => ConnectAsync(options, context.DnsEndPoint, token),
        };
    }

    private async ValueTask<Stream> ConnectAsync(
        HookOptions options, DnsEndPoint target, CancellationToken cancellationToken)
    {
        var addresses = IPAddress.TryParse(target.Host, out var literal)
            ? [literal] : await _resolve(target.Host, cancellationToken).ConfigureAwait(false);
        var allowed = addresses
            .Where(address => options.AllowPrivate || HookAddresses.IsPublic(address)).ToArray();
        if (allowed.Length == 0)
        {
            throw new HookTargetException(addresses.Length == 0
                ? $"The name '{target.Host}' has no address."
                : $"The address of '{target.Host}' is not public, and the hook may not post to such.");
        }

        for (var i = 0; ; i++)
        {
            try
            {
                return await _connect(new IPEndPoint(allowed[i], target.Port), cancellationToken)
                    .ConfigureAwait(false);
            }
            catch (SocketException) when (i < allowed.Length - 1)
            {
                // The next address may answer.
            }
        }
    }

    private static async Task<Stream> ConnectAsync(IPEndPoint address, CancellationToken cancellationToken)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        var isConnected = false;
        try
        {
            await socket.ConnectAsync(address, cancellationToken).ConfigureAwait(false);
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

    private static X509ChainPolicy TrustOnly(HookOptions options, string path)
    {
        var policy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
        };
        try
        {
            policy.CustomTrustStore.ImportFromPemFile(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException
            or System.Security.Cryptography.CryptographicException)
        {
            throw new ArgumentException($"The certificates of hook '{options.Name}' cannot be read: {path}.", error);
        }

        return policy.CustomTrustStore.Count > 0
            ? policy : throw new ArgumentException($"There is no certificate for hook '{options.Name}' in {path}.");
    }
}

/// <summary>A hook's name leads nowhere that it may post to.</summary>
/// <param name="message">What is wrong.</param>
internal sealed class HookTargetException(string message) : IOException(message);
