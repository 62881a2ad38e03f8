using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Google.Protobuf;
using Ledger.EndToEnd.Processes;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.V1;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

/// <summary>A daemon's directory, and the commands about it.</summary>
internal sealed class DaemonShell : IDisposable
{
    /// <summary>The shared key of the configuration.</summary>
    public const string Key = "lk_test";

    private readonly Shell _shell = new();

    /// <summary>Writes a configuration that has a socket for gRPC and any free port for HTTP.</summary>
    public DaemonShell() => Configure("");

    /// <summary>The directory.</summary>
    public TestDirectory Directory => _shell.Directory;

    /// <summary>The configuration's path.</summary>
    public string ConfigPath => Directory["config.yaml"];

    /// <summary>What the daemon in the foreground printed when it answered.</summary>
    public JsonElement Started { get; private set; }

    /// <summary>Writes the configuration: a shared key, addresses, and more lines.</summary>
    public void Configure(
        string more, string key = Key, string listen = "unix:grpc.sock", string httpListen = "localhost:0")
    {
        Directory.Write("config.yaml", $"api_key: {key}", $"listen: {listen}", $"http_listen: {httpListen}", more);
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(ConfigPath, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    /// <summary>Runs a command that must succeed.</summary>
    public Task<ChildResult> DoAsync(params IEnumerable<string> arguments) =>
        _shell.DoAsync([.. arguments, "--config", ConfigPath]);

    /// <summary>Runs a command that must fail.</summary>
    public async Task<string> FailAsync(int exitCode, params IEnumerable<string> arguments)
    {
        var result = await _shell.RunAsync([.. arguments, "--config", ConfigPath]);
        Assert.True(
            result.ExitCode == exitCode,
            $"'{string.Join(' ', arguments)}' ended with {result.ExitCode}, not {exitCode}: {result.Error}");
        return result.Text + result.Error;
    }

    /// <summary>Starts the daemon in the foreground, and waits until it answers.</summary>
    /// <param name="before">What a shell does before it becomes the daemon; null for no shell.</param>
    public async Task<(Child Child, HttpClient Http)> ForegroundAsync(string? before = null)
    {
        string[] arguments = ["start", "--foreground", "--json", "--config", ConfigPath];
        var child = before is null
            ? Child.StartLedger(Directory.Path, arguments)
            : Child.StartProgram(
                "sh", Directory.Path,
                [
                    "-c", before + "; exec dotnet \"$@\"", "sh",
                    Path.Combine(AppContext.BaseDirectory, "Ledger.Cli.dll"), .. arguments,
                ]);
        var line = await child.ReadLineAsync();
        if (line is null)
        {
            Assert.Fail("The daemon did not start: " + (await child.EndAsync()).Error);
        }

        Started = JsonDocument.Parse(line).RootElement;
        return (child, ClientOf(Started));
    }

    /// <summary>Asks at the HTTP listener of what <c>start</c> or <c>status</c> print.</summary>
    public static HttpClient ClientOf(JsonElement status)
    {
        var http = new HttpClient(new SocketsHttpHandler { MaxConnectionsPerServer = 100 })
        {
            BaseAddress = new Uri($"http://{status.GetProperty("http_listen")[0].GetString()}"),
        };
        http.DefaultRequestHeaders.Add("x-ledger-store", "orders");
        http.DefaultRequestHeaders.Add("x-api-key", Key);
        return http;
    }

    /// <summary>Appends an entry over HTTP.</summary>
    /// <param name="http">Where to.</param>
    /// <param name="payload">A text.</param>
    /// <returns>Its id; null when the daemon did not acknowledge it.</returns>
    public static async Task<string?> AppendAsync(HttpClient http, string payload = "h")
    {
        try
        {
            var bytes = Convert.ToBase64String(Encoding.UTF8.GetBytes(payload));
            using var content = new StringContent($$"""{"entries":[{"payload":"{{bytes}}"}]}""");
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var answer = await http.PostAsync("/v1/streams/load/entries", content);
            if (answer.StatusCode != HttpStatusCode.OK)
            {
                return null;
            }

            using var document = JsonDocument.Parse(await answer.Content.ReadAsStringAsync());
            return document.RootElement.GetProperty("ids")[0].GetString();
        }
        catch (Exception error) when (error is HttpRequestException or IOException)
        {
            return null;
        }
    }

    /// <summary>Appends an entry over gRPC.</summary>
    /// <param name="channel">Where to.</param>
    /// <param name="payload">A text.</param>
    /// <returns>Its id; null when the daemon did not acknowledge it.</returns>
    public static async Task<string?> AppendAsync(RpcChannel channel, string payload)
    {
        var request = new AppendRequest
        {
            Stream = "load",
            Entries = { new EntryInput { Payload = ByteString.CopyFromUtf8(payload) } },
        };
        try
        {
            var answer = await channel.UnaryAsync(
                LedgerMethods.Append, request, RpcCallOptions.OfStore("orders"), default);
            return answer.Ids.Single();
        }
        catch (RpcException)
        {
            return null;
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _shell.Dispose();
}
