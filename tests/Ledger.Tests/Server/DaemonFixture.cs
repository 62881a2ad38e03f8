using System.Net;
using System.Text;
using System.Text.Json;
using Ledger.Server.Configuration;
using Ledger.Server.Hosting;
using Ledger.Server.Identities;
using Ledger.Server.Logging;
using Ledger.Tests.Rpc;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Ledger.Tests.Server;

/// <summary>A daemon in this process, on free ports, with a key for each kind of right.</summary>
public class DaemonFixture : IAsyncLifetime, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-daemon-").FullName;
    private DaemonLog? _log;
    private Daemon? _daemon;

    /// <summary>What begins each secret of this daemon.</summary>
    public const string Canary = "canary-7d1f";

    /// <summary>The shared key.</summary>
    public const string SharedKey = Canary + "-shared";

    /// <summary>Asks at the HTTP listener, without a key.</summary>
    public HttpClient Http { get; } = new();

    /// <summary>Where the log is.</summary>
    public string LogPath => Path.Combine(_directory, "log.jsonl");

    /// <summary>The HTTP listener.</summary>
    public IPEndPoint HttpEndPoint => (IPEndPoint)_daemon!.AddressesOf(ListenerKind.Http)[0];

    /// <summary>The gRPC listener.</summary>
    public IPEndPoint GrpcEndPoint => (IPEndPoint)_daemon!.AddressesOf(ListenerKind.Grpc)[0];

    /// <summary>What its stores are in; null for a file of SQLite.</summary>
    private protected virtual MemoryDatabase? Database => null;

    /// <summary>How many stores there may be.</summary>
    private protected virtual int StoresMax => 1_000;

    /// <inheritdoc/>
    public async Task InitializeAsync()
    {
        KeyFile.Save(Path.Combine(_directory, "keys.yaml"),
        [
            Record("reader", Rights.Read, "orders"),
            Record("writer", Rights.Read | Rights.Append, "orders"),
            Record("admin", Rights.All, "orders"),
            Record("stranger", Rights.All, "elsewhere"),
        ]);
        var path = Path.Combine(_directory, "config.yaml");
        SecretFile.Write(
            path,
            $"""
            listen: localhost:0
            http_listen: localhost:0
            api_key: {SharedKey}
            log_level: debug
            limits:
              message_bytes: 65536
              header_timeout: 0.5s
              connections: 3000
              subscriptions: 20
              stores: {StoresMax}
            """);
        _log = new DaemonLog(LogPath, isJson: true, LogLevel.Debug, TimeProvider.System);
        _daemon = await Daemon.StartAsync(
            LoadedConfiguration.Load(path, new Dictionary<string, string>()), _log, database: Database);
        Http.BaseAddress = new Uri($"http://{HttpEndPoint}");
    }

    /// <inheritdoc/>
    public async Task DisposeAsync()
    {
        await _daemon!.DisposeAsync();
        Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Http.Dispose();
        _log?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>The key of a name.</summary>
    public static string KeyOf(string name) => $"{Canary}-{name}";

    /// <summary>Sends a call, and reads the answer as JSON.</summary>
    /// <param name="method">The method of HTTP.</param>
    /// <param name="target">The target, sent as it is.</param>
    /// <param name="body">JSON, or null.</param>
    /// <param name="key">The key; null for none.</param>
    /// <param name="store">The store; null for none.</param>
    public async Task<(int Status, JsonElement Body)> SendAsync(
        string method, string target, string? body = null, string? key = SharedKey, string? store = "orders")
    {
        // The platform's own reading of an address would decode some of it.
        var options = new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true };
        using var request = new HttpRequestMessage(
            new HttpMethod(method), new Uri($"http://{HttpEndPoint}{target}", in options));
        if (body is not null)
        {
            request.Content = new StringContent(body, Encoding.UTF8, "application/json");
        }

        if (key is not null)
        {
            request.Headers.Add("x-api-key", key);
        }

        if (store is not null)
        {
            request.Headers.Add("x-ledger-store", store);
        }

        using var response = await Http.SendAsync(request);
        using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
        return ((int)response.StatusCode, document.RootElement.Clone());
    }

    private static KeyRecord Record(string name, Rights rights, string store) =>
        new(name, ApiKey.DigestOf(KeyOf(name)), DateTimeOffset.UnixEpoch, rights) { Stores = [store] };
}
