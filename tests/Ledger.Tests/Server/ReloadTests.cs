using System.Net;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Server.Configuration;
using Ledger.Server.Hosting;
using Ledger.Server.Logging;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Ledger.Tests.Server;

public sealed class ReloadTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("ledger-reload-").FullName;
    private readonly Dictionary<string, string> _environment = [];
    private readonly DaemonLog _log;

    public ReloadTests() => _log = new DaemonLog(LogPath, isJson: false, LogLevel.Information, TimeProvider.System);

    private string LogPath => Path.Combine(_directory, "log");

    private string ConfigPath => Path.Combine(_directory, "config.yaml");

    public void Dispose()
    {
        _log.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [InlineData("listen: localhost:0")]
    [InlineData("listen: localhost:0\napi_key: ''")]
    public async Task A_key_of_the_environment_goes_on_being_the_key_after_a_reload(string text)
    {
        _environment["LEDGER_API_KEY"] = "k";
        await using var daemon = await StartAsync(text + "\nhttp_listen: localhost:0");

        await daemon.ReloadAsync();

        Assert.Equal(HttpStatusCode.OK, await ListAsync(daemon, "k"));
        Assert.Equal(HttpStatusCode.Unauthorized, await ListAsync(daemon, ""));
    }

    [Fact]
    public void An_empty_key_of_the_environment_is_none_and_a_warning()
    {
        _environment["LEDGER_API_KEY"] = "";
        SecretFile.Write(ConfigPath, "api_key: k");

        var loaded = LoadedConfiguration.Load(ConfigPath, _environment);

        Assert.Equal("k", loaded.Options.ApiKey);
        Assert.Equal(
            "The environment has LEDGER_API_KEY without a value; it has no effect.", Assert.Single(loaded.Warnings));
    }

    [Theory]
    [InlineData("config.yaml", true)]
    [InlineData("config.yaml", false)]
    [InlineData("keys.yaml", true)]
    [InlineData("keys.yaml", false)]
    public async Task A_file_that_is_gone_or_cannot_be_read_is_refused_and_what_was_goes_on(string name, bool isGone)
    {
        SecretFile.Write(Path.Combine(_directory, "keys.yaml"), "keys: []");
        await using var daemon = await StartAsync("listen: localhost:0\nhttp_listen: localhost:0\napi_key: k");
        var path = Path.Combine(_directory, name);
        ConfigurationException error;
        using (var held = isGone ? null : new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.None))
        {
            if (isGone)
            {
                File.Move(path, path + ".old");
            }

            error = await Assert.ThrowsAsync<ConfigurationException>(daemon.ReloadAsync);
        }

        Assert.Contains(
            isGone ? $"{path} is not there any more" : $"{path} cannot be read", error.Message,
            StringComparison.Ordinal);
        Assert.Equal(HttpStatusCode.OK, await ListAsync(daemon, "k"));
        Assert.Equal(HttpStatusCode.Unauthorized, await ListAsync(daemon, ""));
        Assert.Contains(path, await ReadLogAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task When_the_daemon_becomes_open_connections_of_before_do_not_and_a_lost_socket_is_a_warning()
    {
        await using var daemon = await StartAsync("listen: unix:grpc.sock\nhttp_listen: localhost:0\napi_key: k");
        var socket = Path.Combine(_directory, "grpc.sock");
        using var before = new RpcChannel("unix:" + socket);
        var health = await before.UnaryAsync(LedgerMethods.Health, new(), RpcCallOptions.None, default);
        SecretFile.Write(ConfigPath, "listen: unix:grpc.sock\nhttp_listen: localhost:0\napi_key: ''");
        await daemon.ReloadAsync();
        using var after = new RpcChannel("unix:" + socket);
        var options = RpcCallOptions.OfStore("orders");

        var refused = await Assert.ThrowsAsync<RpcException>(
            () => before.UnaryAsync(LedgerMethods.ListStreamIDs, new(), options, default));
        var names = await after.UnaryAsync(LedgerMethods.ListStreamIDs, new(), options, default);
        File.Delete(socket);
        var changed = await daemon.ReloadAsync();

        Assert.Equal("ok", health.Status);
        Assert.Equal(RpcCode.Unauthenticated, refused.Code);
        Assert.Empty(names.StreamIds);
        Assert.Empty(changed);
        Assert.Contains($"The socket {socket} is gone", await ReadLogAsync(), StringComparison.Ordinal);
    }

    private static async Task<HttpStatusCode> ListAsync(Daemon daemon, string key)
    {
        using var http = new HttpClient();
        using var request = new HttpRequestMessage(
            HttpMethod.Get, $"http://{daemon.AddressesOf(ListenerKind.Http)[0]}/v1/streams");
        request.Headers.Add("x-ledger-store", "orders");
        if (key.Length > 0)
        {
            request.Headers.Add("x-api-key", key);
        }

        using var answer = await http.SendAsync(request);
        return answer.StatusCode;
    }

    private async Task<string> ReadLogAsync()
    {
        _log.Dispose();
        return await File.ReadAllTextAsync(LogPath);
    }

    private Task<Daemon> StartAsync(string text)
    {
        SecretFile.Write(ConfigPath, text);
        return Daemon.StartAsync(LoadedConfiguration.Load(ConfigPath, _environment), _log);
    }
}
