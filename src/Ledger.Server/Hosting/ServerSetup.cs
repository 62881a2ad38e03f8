using System.Net.Security;
using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;

namespace Ledger.Server.Hosting;

/// <summary>Sets up Kestrel for the daemon's listeners and limits.</summary>
internal static class ServerSetup
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode Everybody = Owner | UnixFileMode.GroupRead | UnixFileMode.GroupWrite
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;

    private static readonly TimeSpan RateGracePeriod = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan PingDelay = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan PingTimeout = TimeSpan.FromSeconds(20);

    /// <summary>A server that is set up and not started.</summary>
    /// <param name="parts">What it serves.</param>
    /// <param name="listeners">Where.</param>
    public static WebApplication Build(DaemonParts parts, IReadOnlyList<Listener> listeners)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.Services.AddSingleton(parts.Loggers);

        // Signals are whoever's runs the daemon: the host hears none.
        builder.Services.Replace(ServiceDescriptor.Singleton<IHostLifetime, NoLifetime>());
        // How long a stop may take is for who stops it to say.
        builder.Services.Configure<HostOptions>(host => host.ShutdownTimeout = Timeout.InfiniteTimeSpan);
        builder.WebHost.UseKestrelCore().UseKestrelHttpsConfiguration();
        builder.WebHost.UseSockets(sockets => sockets.CreateBoundListenSocket = endPoint =>
        {
            var listener = listeners.First(known => ReferenceEquals(known.EndPoint, endPoint));
            var socket = listener.Bind();
            parts.Bound(listener, socket.LocalEndPoint!);
            return socket;
        });
        builder.WebHost.ConfigureKestrel(server =>
        {
            SetLimits(server, parts);
            foreach (var listener in listeners)
            {
                server.Listen(listener.EndPoint, listen => SetUp(listen, listener, parts));
            }
        });
        return builder.Build();
    }

    /// <summary>Lets only the owner use a socket where anybody who reaches it may do everything.</summary>
    public static void Restrict(Listener listener, DaemonState state)
    {
        if (listener.EndPoint is UnixDomainSocketEndPoint && !OperatingSystem.IsWindows())
        {
            var isOwners = listener.Kind == ListenerKind.Control || state.Authenticator.IsOpen;
            File.SetUnixFileMode(listener.EndPoint.ToString()!, isOwners ? Owner : Everybody);
        }
    }

    private static void SetLimits(KestrelServerOptions server, DaemonParts parts)
    {
        var limits = parts.State.Options.Limits;
        server.AddServerHeader = false;
        server.AllowSynchronousIO = false;
        server.Limits.MaxConcurrentConnections = limits.Connections;
        server.Limits.MaxRequestHeadersTotalSize = limits.HeaderBytes;
        server.Limits.MaxRequestLineSize = limits.HeaderBytes;
        server.Limits.RequestHeadersTimeout = limits.HeaderTimeout;
        server.Limits.KeepAliveTimeout = limits.IdleTimeout;

        // Bodies are bounded where they are read, by a limit that a reload may change.
        server.Limits.MaxRequestBodySize = null;
        var rate = limits.BodyRate == 0 ? null : new MinDataRate(limits.BodyRate, RateGracePeriod);
        server.Limits.MinRequestBodyDataRate = rate;
        server.Limits.MinResponseDataRate = rate;
        server.Limits.Http2.MaxStreamsPerConnection = limits.CallsPerConnection;
        server.Limits.Http2.MaxRequestHeaderFieldSize = Math.Min(limits.HeaderBytes, 64 << 10);
        server.Limits.Http2.InitialConnectionWindowSize = 4 << 20;
        server.Limits.Http2.InitialStreamWindowSize = 1 << 20;
        server.Limits.Http2.KeepAlivePingDelay = PingDelay;
        server.Limits.Http2.KeepAlivePingTimeout = PingTimeout;
    }

    private static void SetUp(ListenOptions listen, Listener listener, DaemonParts parts)
    {
        var hasTls = parts.State.Certificates is not null && listener.Kind != ListenerKind.Control;
        listen.Protocols = listener.Kind switch
        {
            ListenerKind.Grpc => HttpProtocols.Http2,
            ListenerKind.Control => HttpProtocols.Http1,
            _ => hasTls ? HttpProtocols.Http1AndHttp2 : HttpProtocols.Http1,
        };
        listen.Use(next => connection =>
        {
            connection.Features.Set(listener);
            connection.Features.Set(new ConnectionBegin(parts.State.Authenticator.IsOpen));
            return next(connection);
        });
        if (hasTls)
        {
            List<SslApplicationProtocol> protocols = listener.Kind == ListenerKind.Grpc
                ? [SslApplicationProtocol.Http2] : [SslApplicationProtocol.Http2, SslApplicationProtocol.Http11];
            listen.UseHttps(new TlsHandshakeCallbackOptions
            {
                // Asked at each handshake, so that a reload counts from the next connection on.
                OnConnection = _ => ValueTask.FromResult(parts.State.Certificates!.ToOptions(protocols)),
                HandshakeTimeout = parts.State.Options.Limits.HeaderTimeout,
            });
        }
    }

    /// <summary>Hears no signals and writes nothing.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        /// <inheritdoc/>
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        /// <inheritdoc/>
        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
