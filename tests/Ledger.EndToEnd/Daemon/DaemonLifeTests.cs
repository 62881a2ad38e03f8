using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Ledger.EndToEnd.Processes;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

public sealed class DaemonLifeTests : IDisposable
{
    private readonly DaemonShell _shell = new();

    public void Dispose() => _shell.Dispose();

    [Fact]
    public async Task A_daemon_starts_once_answers_says_how_it_is_reloads_and_stops()
    {
        await _shell.FailAsync(5, "status");
        var started = await _shell.DoAsync("start");
        try
        {
            var again = await _shell.DoAsync("start");
            var appended = await _shell.DoAsync("stream", "append", "hello");
            var read = await _shell.DoAsync("stream", "read");
            var denied = await _shell.FailAsync(6, "stream", "read", "--api-key", "wrong");
            var status = JsonDocument.Parse((await _shell.DoAsync("status", "--json")).Text).RootElement;
            _shell.Configure("nonsense: 1", key: "next");
            var refused = await _shell.FailAsync(1, "reload");
            _shell.Configure("limits: { connections: 7 }", key: "next");
            var fixedKey = await _shell.FailAsync(1, "reload");
            var old = await _shell.DoAsync("stream", "count", "--api-key", DaemonShell.Key);
            _shell.Configure("log_level: debug", key: "next");
            var reloaded = await _shell.DoAsync("reload");
            await _shell.FailAsync(6, "stream", "count", "--api-key", DaemonShell.Key);
            var next = await _shell.DoAsync("stream", "count");

            Assert.StartsWith("ledger started, with pid ", started.Text, StringComparison.Ordinal);
            Assert.StartsWith("ledger runs already, with pid ", again.Text, StringComparison.Ordinal);
            Assert.Equal(("1\n", "1\thello\n"), (appended.Text, read.Text));
            Assert.Contains("hint: Give --api-key", denied, StringComparison.Ordinal);
            Assert.Equal(JsonValueKind.Null, status.GetProperty("trouble").ValueKind);
            Assert.Contains("config.yaml line 4: 'nonsense' is not a key", refused, StringComparison.Ordinal);
            Assert.Contains(
                "'limits.connections' (config.yaml line 4) was changed", fixedKey, StringComparison.Ordinal);
            Assert.Equal(("1\n", "1\n"), (old.Text, next.Text));
            Assert.Equal("reloaded; changed: log_level, api_key\n", reloaded.Text);
        }
        finally
        {
            await _shell.DoAsync("stop");
        }

        await _shell.FailAsync(5, "status");
        Assert.Equal("ledger does not run\n", (await _shell.DoAsync("stop")).Text);
        Assert.False(File.Exists(_shell.Directory["ledger.pid"]));
    }

    [Fact]
    public async Task The_pid_of_another_process_means_nothing_and_after_a_kill_all_that_was_acknowledged_is_there()
    {
        // This very process has the id that the file says, and must survive.
        _shell.Directory.Write("ledger.pid", Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
        await _shell.FailAsync(5, "status");
        Assert.Equal("ledger does not run\n", (await _shell.DoAsync("stop")).Text);
        var ids = new List<string>();

        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            for (var count = 0; count < 20; count++)
            {
                ids.Add((await DaemonShell.AppendAsync(http))!);
            }

            child.Kill();
            await child.EndAsync();
        }

        var (second, client) = await _shell.ForegroundAsync();
        using (second)
        using (client)
        {
            var read = await client.GetStringAsync(new Uri("/v1/streams/load/entries", UriKind.Relative));
            var conflict = await _shell.FailAsync(4, "start", "--foreground");
            await second.SignalAsync("TERM");

            Assert.Equal(0, (await second.EndAsync()).ExitCode);
            Assert.Contains("A daemon runs in ", conflict, StringComparison.Ordinal);
            Assert.Equal(ids, JsonDocument.Parse(read).RootElement.GetProperty("entries").EnumerateArray()
                .Select(entry => entry.GetProperty("id").GetString()));
        }
    }

    [Fact]
    public async Task What_is_not_certainly_the_daemon_is_not_signalled()
    {
        _shell.Directory.Write("ledger.lock", "");
        using var held = new FileStream(
            _shell.Directory["ledger.lock"], FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        var nameless = await _shell.FailAsync(5, "stop");
        var start = await _shell.FailAsync(4, "start");
        using var stranger = Child.StartProgram("sleep", _shell.Directory.Path, ["600"]);
        _shell.Directory.Write("ledger.pid", stranger.Id.ToString(CultureInfo.InvariantCulture));
        File.SetLastWriteTimeUtc(_shell.Directory["ledger.pid"], DateTime.UtcNow.AddHours(-1));

        var stale = await _shell.FailAsync(5, "stop");
        var isThere = !stranger.HasExited;
        stranger.Kill();

        Assert.Contains("nothing was stopped", nameless, StringComparison.Ordinal);
        Assert.Contains("is starting or ending", start, StringComparison.Ordinal);
        Assert.Contains("nothing was stopped", stale, StringComparison.Ordinal);
        Assert.True(isThere);
    }

    [Fact]
    public async Task What_keeps_a_daemon_from_starting_is_said_with_the_key_and_leaves_nothing_behind()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var address = taken.LocalEndpoint.ToString()!;

        _shell.Configure("", httpListen: address);
        var port = await _shell.FailAsync(5, "start");
        _shell.Configure("", listen: "0.0.0.0:0");
        var exposed = await _shell.FailAsync(1, "start");
        _shell.Directory.Write("x.db", Enumerable.Repeat("These are not the pages of a database.", 100));
        _shell.Configure("db: { sqlite: { path: x.db } }");
        var database = await _shell.FailAsync(5, "start");
        File.Delete(_shell.ConfigPath);
        var missing = await _shell.FailAsync(3, "start");

        Assert.Contains($"'http_listen': {address} is taken by another program.", port, StringComparison.Ordinal);
        Assert.Contains("'listen' is 0.0.0.0:0, which other machines can reach", exposed, StringComparison.Ordinal);
        Assert.Contains("x.db", database, StringComparison.Ordinal);
        Assert.StartsWith("ledger: There is no configuration ", missing, StringComparison.Ordinal);
        await _shell.FailAsync(3, "status");
        _shell.Configure("");
        await _shell.FailAsync(5, "status");
    }

    [Fact]
    public async Task A_key_does_what_it_was_made_for()
    {
        var key = (await _shell.DoAsync("key", "add", "reports", "--store", "orders", "--right", "read")).Text.Trim();
        await _shell.FailAsync(4, "key", "add", "REPORTS");
        await _shell.FailAsync(3, "key", "remove", "none");
        var list = await _shell.DoAsync("key", "list", "--json");
        await _shell.DoAsync("start");
        try
        {
            var count = await _shell.DoAsync("stream", "count", "-s", "orders", "--api-key", key);
            await _shell.FailAsync(6, "stream", "append", "x", "-s", "orders", "--api-key", key);
            await _shell.FailAsync(6, "stream", "read", "-s", "other", "--api-key", key);
            await _shell.DoAsync("key", "remove", "reports");
            var reloaded = await _shell.DoAsync("reload");
            await _shell.FailAsync(6, "stream", "count", "-s", "orders", "--api-key", key);

            Assert.Equal(("0\n", "reloaded; changed: keys\n"), (count.Text, reloaded.Text));
        }
        finally
        {
            await _shell.DoAsync("stop");
        }

        Assert.DoesNotContain(key, list.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(
            key, string.Concat(Directory.GetFiles(_shell.Directory.Path, "*.*l*").Select(ReadText)),
            StringComparison.Ordinal);
    }

    private static string ReadText(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return new StreamReader(file).ReadToEnd();
    }
}
