using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Ledger.Conformance.Hooks;
using Ledger.EndToEnd.Processes;
using Ledger.Runtime;
using Xunit;

namespace Ledger.EndToEnd.Hooks;

/// <summary>Hooks of a daemon, as its configuration and the command line have them.</summary>
public sealed class HookDaemonTests : IAsyncDisposable
{
    private readonly Shell _shell = new();
    private readonly LedgerRuntime _runtime = LedgerRuntime.CreateSystem();
    private readonly ConcurrentQueue<HookRequest> _requests = new();
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromSeconds(100));
    private readonly HookEndpoint _endpoint;
    private volatile string _answer = "200";

    public HookDaemonTests() => _endpoint = new HookEndpoint((request, _) =>
    {
        _requests.Enqueue(request);
        return new ValueTask<string?>(_answer);
    });

    [Fact]
    public async Task A_daemon_posts_what_is_appended_and_its_hooks_are_reloaded_looked_at_and_replayed()
    {
        Configure("first");
        await DoAsync("start");
        try
        {
            await DoAsync("stream", "append", "1", "--store", "orders");
            await UntilAsync(1);
            AssertSigned("first");
            Assert.Equal("the endpoint answered 200\n", (await DoAsync("hook", "test", "mailer")).Text);
            await UntilAsync(2);

            _answer = "400";
            Configure("second");
            await DoAsync("reload");
            await DoAsync("stream", "append", "2", "--store", "orders");
            await UntilAsync(3);
            AssertSigned("second");
            var letter = await UntilParkedAsync();
            Assert.Equal("The endpoint answered 400.", letter.GetProperty("error").GetString());
            var hook = Assert.Single(await JsonAsync("hook", "list"));
            Assert.Equal(("mailer", "orders", 1), (
                hook.GetProperty("hook").GetString(), hook.GetProperty("store").GetString(),
                hook.GetProperty("parked").GetInt32()));
            Assert.EndsWith("/in", hook.GetProperty("url").GetString(), StringComparison.Ordinal);

            var nothing = await _shell.FailAsync(
                2, ["hook", "drop", "mailer", "0", "--config", _shell.Directory["config.yaml"]]);
            Assert.Contains("A dead letter has a position", nothing, StringComparison.Ordinal);
            _answer = "200";
            await DoAsync("hook", "retry", "mailer", "--all");
            await UntilAsync(4);
            AssertSigned("second");
            var body = Encoding.UTF8.GetString(_requests.Last().Body);
            Assert.Contains("\"payload\":\"2\"", body, StringComparison.Ordinal);
        }
        finally
        {
            await DoAsync("stop");
        }

        string[] stored = ["--db", $"sqlite:{_shell.Directory["ledger.db"]}", "--store", "orders"];
        var left = Assert.Single(await _shell.JsonAsync(["hook", "show", "mailer", .. stored]));
        Assert.Equal((2, 0), (left.GetProperty("position").GetInt32(), left.GetProperty("parked").GetInt32()));
        var none = await _shell.FailAsync(3, ["hook", "drop", "mailer", "7", .. stored]);
        Assert.Equal("Hook 'mailer' has no dead letter at position 7.", none);
        await _shell.FailAsync(3, ["hook", "show", "nobody", .. stored]);
    }

    public async ValueTask DisposeAsync()
    {
        await _endpoint.DisposeAsync();
        _shell.Dispose();
        _limit.Dispose();
    }

    private void Configure(string secret)
    {
        var path = _shell.Directory.Write(
            "config.yaml",
            "api_key: \"\"",
            "listen: unix:grpc.sock",
            "http_listen: \"\"",
            "hooks:",
            $"  - {{ name: mailer, store: orders, url: \"{_endpoint.Url}\", secret: {secret}, allow_private: true }}");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        }
    }

    private Task<ChildResult> DoAsync(params IEnumerable<string> arguments) =>
        _shell.DoAsync([.. arguments, "--config", _shell.Directory["config.yaml"]]);

    private Task<JsonElement[]> JsonAsync(params IEnumerable<string> arguments) =>
        _shell.JsonAsync([.. arguments, "--config", _shell.Directory["config.yaml"]]);

    private async Task UntilAsync(int requests)
    {
        while (_requests.Count < requests)
        {
            await _runtime.Delay(TimeSpan.FromMilliseconds(2), _limit.Token);
        }
    }

    private async Task<JsonElement> UntilParkedAsync()
    {
        while (true)
        {
            if (await JsonAsync("hook", "parked", "mailer") is [var letter])
            {
                return letter;
            }
        }
    }

    private void AssertSigned(string secret)
    {
        var request = _requests.Last();
        Assert.Equal(
            Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), request.Body)),
            request.Headers["X-Ledger-Signature"]);
    }
}
