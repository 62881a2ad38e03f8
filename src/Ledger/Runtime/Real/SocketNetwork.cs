using System.Net;
using System.Net.Sockets;

namespace Ledger.Runtime.Real;

/// <summary>TCP and Unix domain sockets of the operating system.</summary>
/// <remarks>
/// Listens at <c>localhost</c>, or at an IP address in digits (IPv6 in brackets); connects to any host name.
/// </remarks>
internal sealed class SocketNetwork : INetwork
{
    /// <inheritdoc/>
    public async ValueTask<Stream> ConnectAsync(string address, CancellationToken cancellationToken)
    {
        var endPoint = EndPointOf(NetworkAddress.Parse(address));
        var socket = NewSocket(endPoint);
        try
        {
            await socket.ConnectAsync(endPoint, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw new IOException($"Cannot connect to '{address}': {exception.Message}", exception);
        }
        catch (OperationCanceledException)
        {
            socket.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IConnectionListener> ListenAsync(string address, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var parsed = NetworkAddress.Parse(address);
        var endPoint = EndPointOf(parsed);
        if (endPoint is DnsEndPoint dns)
        {
            endPoint = dns.Host == "localhost"
                ? new IPEndPoint(IPAddress.Loopback, dns.Port)
                : throw new ArgumentException($"Cannot listen at '{address}': it is no IP address.", nameof(address));
        }

        if (parsed.UnixPath is { } path)
        {
            await RemoveStaleSocketAsync(endPoint, path, cancellationToken);
        }

        var socket = NewSocket(endPoint);
        try
        {
            socket.Bind(endPoint);
            socket.Listen();
            return new SocketListener(socket, socket.LocalEndPoint is IPEndPoint bound ? bound.ToString() : address);
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            throw new IOException($"Cannot listen at '{address}': {exception.Message}", exception);
        }
    }

    /// <summary>Removes the socket file that a killed process left: nobody answers at it.</summary>
    private static async ValueTask RemoveStaleSocketAsync(
        EndPoint endPoint, string path, CancellationToken cancellationToken)
    {
        using var probe = NewSocket(endPoint);
        try
        {
            await probe.ConnectAsync(endPoint, cancellationToken);
        }
        catch (SocketException exception)
        {
            if (exception.SocketErrorCode == SocketError.ConnectionRefused)
            {
                File.Delete(path);
            }
        }
    }

    private static Socket NewSocket(EndPoint endPoint) => endPoint switch
    {
        UnixDomainSocketEndPoint => new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified),
        IPEndPoint ip => new Socket(ip.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true },
        _ => new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true },
    };

    private static EndPoint EndPointOf(NetworkAddress address)
    {
        if (address.UnixPath is { } path)
        {
            return new UnixDomainSocketEndPoint(path);
        }

        var host = address.Host ?? "localhost";
        return IPAddress.TryParse(host, out var ip)
            ? new IPEndPoint(ip, address.Port)
            : new DnsEndPoint(host, address.Port);
    }

    private sealed class SocketListener(Socket socket, string address) : IConnectionListener
    {
        private volatile bool _isDisposed;

        public string Address => address;

        public async ValueTask<Stream?> AcceptAsync(CancellationToken cancellationToken)
        {
            if (_isDisposed)
            {
                return null;
            }

            try
            {
                var accepted = await socket.AcceptAsync(cancellationToken);
                if (accepted.AddressFamily != AddressFamily.Unix)
                {
                    accepted.NoDelay = true;
                }

                return new NetworkStream(accepted, ownsSocket: true);
            }
            catch (SocketException exception)
            {
                return _isDisposed
                    ? null
                    : throw new IOException($"Cannot accept at '{address}': {exception.Message}", exception);
            }
            catch (ObjectDisposedException)
            {
                return null;
            }
        }

        public ValueTask DisposeAsync()
        {
            _isDisposed = true;
            socket.Dispose();
            return ValueTask.CompletedTask;
        }
    }
}
