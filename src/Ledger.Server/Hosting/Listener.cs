using System.Net;
using System.Net.Sockets;
using Ledger.Server.Configuration;

namespace Ledger.Server.Hosting;

/// <summary>What a listener serves.</summary>
[Flags]
internal enum ListenerKind
{
    /// <summary>gRPC.</summary>
    Grpc = 1,

    /// <summary>HTTP/JSON, health and metrics.</summary>
    Http = 2,

    /// <summary>The commands of this machine's user: status, reload, stop.</summary>
    Control = 4,
}

/// <summary>How the daemon was when a connection was made. Is a feature of it.</summary>
/// <param name="IsOpen">Anybody who reached a listener could call.</param>
internal sealed record ConnectionBegin(bool IsOpen);

/// <summary>An address that is listened at, and for what. Is a feature of its connections.</summary>
/// <param name="Kind">What it serves.</param>
/// <param name="Key">The key of the configuration that says so.</param>
/// <param name="EndPoint">The address.</param>
internal sealed record Listener(ListenerKind Kind, string Key, EndPoint EndPoint)
{
    private const int LostPeerSeconds = 60;
    private const int TcpLevel = 6;
    private const int TcpUserTimeout = 18;

    // What the platforms say when a socket is opened as a file.
    private const int NoDeviceLinux = 6;
    private const int NotSupportedMac = 102;

    /// <summary>The listeners that a configuration asks for.</summary>
    /// <exception cref="DaemonException">A name means no address.</exception>
    public static IReadOnlyList<Listener> Plan(DaemonOptions options)
    {
        if (options.HttpListen is not null && options.HttpListen == options.Listen
            && options.Listen is not { Path: null, Port: 0 })
        {
            return [.. EndPointsOf("listen", options.Listen)
                .Select(end => new Listener(ListenerKind.Grpc | ListenerKind.Http, "listen", end))];
        }

        var grpc = EndPointsOf("listen", options.Listen)
            .Select(end => new Listener(ListenerKind.Grpc, "listen", end));
        var http = options.HttpListen is null ? [] : EndPointsOf("http_listen", options.HttpListen)
            .Select(end => new Listener(ListenerKind.Http, "http_listen", end));
        return [.. grpc, .. http];
    }

    /// <summary>Opens the address.</summary>
    /// <exception cref="DaemonException">It is taken or not this machine's; the key is named.</exception>
    public Socket Bind()
    {
        var isUnix = EndPoint is UnixDomainSocketEndPoint;
        if (isUnix)
        {
            RemoveStale(EndPoint.ToString()!);
        }

        var socket = new Socket(
            EndPoint.AddressFamily, SocketType.Stream, isUnix ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            if (EndPoint is IPEndPoint { Address: var address })
            {
                socket.NoDelay = true;
                NoticeLostPeers(socket);
                if (address.Equals(IPAddress.IPv6Any))
                {
                    socket.DualMode = true;
                }
            }

            socket.Bind(EndPoint);
            if (isUnix && !OperatingSystem.IsWindows())
            {
                // Before it is listened at, so that nobody gets in who may not; for whom it is open is said later.
                File.SetUnixFileMode(EndPoint.ToString()!, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            }

            return socket;
        }
        catch (SocketException error)
        {
            socket.Dispose();
            throw new DaemonException(
                error.SocketErrorCode == SocketError.AddressAlreadyInUse
                    ? $"'{Key}': {EndPoint} is taken by another program."
                    : $"'{Key}': {EndPoint} cannot be listened at: {error.Message}.",
                error);
        }
    }

    // What is accepted has it from here. A peer that is gone without a word, as a telephone that changes networks, is
    // noticed within a minute, whether or not anything is sent to it.
    private static void NoticeLostPeers(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, LostPeerSeconds / 2);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, LostPeerSeconds / 6);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        if (OperatingSystem.IsLinux())
        {
            socket.SetRawSocketOption(TcpLevel, TcpUserTimeout, BitConverter.GetBytes(LostPeerSeconds * 1_000));
        }
    }

    // A socket that a killed daemon left answers nobody. One that answers belongs to somebody.
    private void RemoveStale(string path)
    {
        if (!File.Exists(path))
        {
            return;
        }

        if (!IsSocket(path))
        {
            throw NoSocket(path, null);
        }

        using var probe = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(EndPoint);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
        }
        catch (SocketException error)
        {
            throw NoSocket(path, error);
        }
    }

    private DaemonException NoSocket(string path, Exception? error) =>
        new($"'{Key}': {path} is there, and is not a socket of a daemon.", error);

    // To connect fails alike at a socket that nobody listens at and at a file of somebody's. Only a socket cannot be
    // opened; for writing too, as a pipe would otherwise wait for who writes.
    private static bool IsSocket(string path)
    {
        if (OperatingSystem.IsWindows())
        {
            return (File.GetAttributes(path) & FileAttributes.ReparsePoint) != 0;
        }

        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite);
            return false;
        }
        catch (IOException error)
        {
            return error.HResult is NoDeviceLinux or NotSupportedMac;
        }
        catch (UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static IEnumerable<EndPoint> EndPointsOf(string key, ListenAddress address)
    {
        if (address.Path is { } path)
        {
            return [new UnixDomainSocketEndPoint(Path.GetFullPath(path))];
        }

        if (address.Host!.Length == 0)
        {
            return [new IPEndPoint(Socket.OSSupportsIPv6 ? IPAddress.IPv6Any : IPAddress.Any, address.Port)];
        }

        if (address.Host.Equals("localhost", StringComparison.OrdinalIgnoreCase))
        {
            // Any free port is only the same one for both addresses by chance: then the first is enough.
            return HasIPv6Loopback() && address.Port != 0
                ?
                [
                    new IPEndPoint(IPAddress.Loopback, address.Port),
                    new IPEndPoint(IPAddress.IPv6Loopback, address.Port),
                ]
                : [new IPEndPoint(IPAddress.Loopback, address.Port)];
        }

        try
        {
            return [.. Dns.GetHostAddresses(address.Host).Select(ip => new IPEndPoint(ip, address.Port))];
        }
        catch (SocketException error)
        {
            throw new DaemonException($"'{key}': nobody knows the address of '{address.Host}'.", error);
        }
    }

    private static bool HasIPv6Loopback()
    {
        if (!Socket.OSSupportsIPv6)
        {
            return false;
        }

        using var probe = new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            probe.Bind(new IPEndPoint(IPAddress.IPv6Loopback, 0));
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
