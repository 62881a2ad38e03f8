using System.Net;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Ledger.Rpc.Client;
using Ledger.Server.Identities;
using Ledger.Server.Services;
using Ledger.Server.Wire;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Https;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Ledger.Tests.Rpc;

/// <summary>The services on a Kestrel of this process: clear text on a free port, a Unix socket, and TLS.</summary>
internal sealed class WireServer : IAsyncDisposable
{
    /// <summary>A key that may do everything.</summary>
    public const string Key = "key-of-the-tests";

    private readonly WebApplication _application;
    private readonly CancellationTokenSource _stopping;
    private readonly StrongBox<int> _looks;

    private WireServer(
        WebApplication application, GrpcEndpoints endpoints, CancellationTokenSource stopping, StrongBox<int> looks)
    {
        (_application, Endpoints, _stopping, _looks) = (application, endpoints, stopping, looks);
        var addresses = application.Services.GetRequiredService<IServer>().Features
            .Get<IServerAddressesFeature>()!.Addresses;
        Address = addresses.First(address => address.StartsWith("http:", StringComparison.Ordinal)
            && !address.Contains("unix", StringComparison.Ordinal));
        TlsAddress = addresses.FirstOrDefault(address => address.StartsWith("https:", StringComparison.Ordinal)) ?? "";
    }

    public GrpcEndpoints Endpoints { get; }

    /// <summary>How often the database was asked for its health, for probes.</summary>
    public int HealthLooks => Volatile.Read(ref _looks.Value);

    public string Address { get; }

    public string TlsAddress { get; }

    public int Port => new Uri(Address).Port;

    /// <summary>Starts one.</summary>
    /// <param name="catalog">The stores; stays the caller's.</param>
    /// <param name="socket">A Unix socket beside; null for none.</param>
    /// <param name="certificate">For a TLS port beside; null for none.</param>
    /// <param name="clients">Who may call there; null for everybody.</param>
    /// <param name="extend">Adds methods; null for none.</param>
    public static async Task<WireServer> StartAsync(
        StoreCatalog catalog, string? socket = null, X509Certificate2? certificate = null,
        X509Certificate2? clients = null, Action<GrpcEndpoints>? extend = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseKestrelHttpsConfiguration();
        builder.WebHost.ConfigureKestrel(options =>
        {
            options.Listen(IPAddress.Loopback, 0, listen => listen.Protocols = HttpProtocols.Http2);
            if (socket is not null)
            {
                options.ListenUnixSocket(socket, listen => listen.Protocols = HttpProtocols.Http2);
            }

            if (certificate is not null)
            {
                options.Listen(IPAddress.Loopback, 0, listen =>
                {
                    listen.Protocols = HttpProtocols.Http2;
                    listen.UseHttps(new HttpsConnectionAdapterOptions
                    {
                        ServerCertificate = certificate,
                        SslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
                        ClientCertificateMode = clients is null
                            ? ClientCertificateMode.NoCertificate : ClientCertificateMode.RequireCertificate,
                        ClientCertificateValidation = (given, _, _) => given.Issuer == clients?.Subject,
                    });
                });
            }
        });
        var application = builder.Build();
        var stopping = new CancellationTokenSource();
        var looks = new StrongBox<int>();
        var endpoints = new GrpcEndpoints(
            new LedgerService(catalog, stopping.Token), new AdminService(catalog, null, null),
            context => new(IdentityOf(context.Request.Headers["x-api-key"].ToString())),
            async token =>
            {
                Interlocked.Increment(ref looks.Value);
                await catalog.CheckHealthAsync(token);
                return true;
            });
        extend?.Invoke(endpoints);
        application.MapLedgerGrpc(endpoints);
        await application.StartAsync();
        return new WireServer(application, endpoints, stopping, looks);
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await _application.StopAsync(new CancellationTokenSource(TimeSpan.FromSeconds(2)).Token);
        await _application.DisposeAsync();
        _stopping.Dispose();
    }

    public RpcChannel Connect(RpcChannelOptions? options = null) =>
        new(Address, (options ?? new()) with { ApiKey = options?.ApiKey ?? Key });

    private static Identity? IdentityOf(string key) => key switch
    {
        Key => new Identity("all", null, Rights.All),
        "key-of-mine" => new Identity(
            "mine", new HashSet<string>(StringComparer.OrdinalIgnoreCase) { "mine" }, Rights.All),
        _ => null,
    };
}
