using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Threading.Channels;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Server.Configuration;
using Ledger.Server.Hosting;
using Ledger.Server.Identities;
using Ledger.Server.Logging;

namespace Ledger.Cli.Demo;

/// <summary>The steps of the demo that are about the daemon: its streams over the wire, and a web hook.</summary>
/// <param name="steps">Runs them.</param>
/// <param name="directory">An empty directory.</param>
internal sealed class DaemonDemo(DemoSteps steps, string directory)
{
    private const string Secret = "demo";
    private const int EntriesMax = 4;

    /// <summary>Runs every step.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var receiver = new HttpListener();
        var address = Listen(receiver);
        var arrived = Channel.CreateUnbounded<string>();
        var receiving = ReceiveAsync(receiver, arrived.Writer);
        var key = ApiKey.Create();
        var path = Path.Combine(directory, "config.yaml");
        SecretFile.CreateDirectory(directory);
        SecretFile.Write(
            path,
            $"""
            listen: localhost:0
            http_listen: ""
            api_key: "{key}"
            hooks:
              - name: demo
                store: orders
                url: "{address}"
                secret: {Secret}
                allow_private: true
            """);
        using var log = new DaemonLog(
            Path.Combine(directory, "ledger.log"), isJson: true, Microsoft.Extensions.Logging.LogLevel.Information,
            TimeProvider.System);
        Daemon? daemon = null;
        try
        {
            await steps.RunAsync(
                "start a daemon",
                async token =>
                {
                    daemon = await Daemon.StartAsync(
                        LoadedConfiguration.Load(path, new Dictionary<string, string>()), log,
                        cancellationToken: token);
                    return $"gRPC at {daemon.AddressesOf(ListenerKind.Grpc)[0]}, with a key of its own";
                },
                cancellationToken);
            using var channel = new RpcChannel(
                daemon!.AddressesOf(ListenerKind.Grpc)[0].ToString()!, new RpcChannelOptions { ApiKey = key });
            await new StreamDemo(
                steps, async token => await RemoteStreamStore.OpenAsync(channel, "orders", cancellationToken: token))
                .RunAsync(cancellationToken);
            await steps.RunAsync(
                "see them posted to a web hook", token => AwaitHookAsync(arrived.Reader, token), cancellationToken);
        }
        finally
        {
            if (daemon is not null)
            {
                await daemon.DisposeAsync();
            }

            receiver.Stop();
            await receiving;
        }
    }

    private static string Listen(HttpListener receiver)
    {
        using var probe = new TcpListener(IPAddress.Loopback, 0);
        probe.Start();
        var port = ((IPEndPoint)probe.LocalEndpoint).Port;
        probe.Stop();
        var address = string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{port}/");
        receiver.Prefixes.Add(address);
        receiver.Start();
        return address;
    }

    private static async Task ReceiveAsync(HttpListener receiver, ChannelWriter<string> arrived)
    {
        while (receiver.IsListening)
        {
            try
            {
                var context = await receiver.GetContextAsync();
                using var body = new MemoryStream();
                await context.Request.InputStream.CopyToAsync(body);
                var signature = Convert.ToHexStringLower(
                    HMACSHA256.HashData(Encoding.UTF8.GetBytes(Secret), body.ToArray()));
                var isSigned = context.Request.Headers["X-Ledger-Signature"] == signature;
                context.Response.StatusCode = isSigned ? 200 : 401;
                context.Response.Close();
                using var document = JsonDocument.Parse(body.ToArray());
                foreach (var entry in document.RootElement.GetProperty("entries").EnumerateArray())
                {
                    await arrived.WriteAsync(isSigned ? entry.GetProperty("id").GetString()! : "unsigned");
                }
            }
            catch (Exception error) when (error is HttpListenerException or ObjectDisposedException)
            {
                // It was stopped.
                return;
            }
        }
    }

    private static async Task<string> AwaitHookAsync(ChannelReader<string> arrived, CancellationToken cancellationToken)
    {
        var ids = new SortedSet<string>(StringComparer.Ordinal);
        while (ids.Count < EntriesMax)
        {
            ids.Add(await arrived.ReadAsync(cancellationToken));
        }

        DemoSteps.Check(ids.SequenceEqual(["1", "2", "3", "4"]), "the hook gets every entry, signed");
        return $"entries {string.Join(", ", ids)} came, each with a signature that is right";
    }
}
