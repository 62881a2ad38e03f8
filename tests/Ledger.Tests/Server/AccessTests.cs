using System.Net;
using System.Net.Sockets;
using System.Text;
using Ledger.Server.Gateway;
using Xunit;

namespace Ledger.Tests.Server;

public sealed class AccessTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    public static TheoryData<string, string, string?, string> Calls => new()
    {
        { "POST", "/v1/streams/s/entries", """{"entries":[{"payload":"aA=="}]}""", "append" },
        { "GET", "/v1/streams/s/entries", null, "read" },
        { "GET", "/v1/streams/s/entries:count", null, "read" },
        { "PUT", "/v1/streams/s/entries/1/tags", """{"tags":[]}""", "admin" },
        { "PATCH", "/v1/streams/s/entries/1/annotations", "{}", "admin" },
        { "POST", "/v1/streams/s/entries:trim", """{"before_id":"0"}""", "admin" },
        { "GET", "/v1/streams", null, "read" },
        { "POST", "/v1/streams/s:rename", """{"new_name":"s"}""", "admin" },
        { "GET", "/v1/streams/s:stat", null, "read" },
        { "POST", "/v1/streams/s/entries:search", """{"query":"h"}""", "read" },
        { "GET", "/v1/streams/s/entries:subscribe", null, "subscribe" },
        { "GET", "/v1/entries:subscribe", null, "subscribe" },
    };

    [Fact]
    public void Every_route_but_health_is_among_the_calls() => Assert.Equal(
        RouteTable.All.Select(route => route.Name).Where(name => name != "Health").Order(StringComparer.Ordinal),
        Calls.Select(call => RouteMatch.Find((string)call[0], (string)call[1], out _)!.Route.Name)
            .Order(StringComparer.Ordinal));

    [Theory]
    [MemberData(nameof(Calls))]
    public async Task Nobody_gets_what_their_key_does_not_give_and_foreign_stores_all_look_the_same(
        string method, string target, string? body, string right)
    {
        await daemon.SendAsync("POST", "/v1/streams/s/entries", """{"entries":[{"payload":"aA=="}]}""");

        var none = await daemon.SendAsync(method, target, body, key: null);
        var wrong = await daemon.SendAsync(method, target, body, key: DaemonFixture.Canary + "-guess");
        var foreign = await daemon.SendAsync(method, target, body, DaemonFixture.KeyOf("stranger"));
        var absent = await daemon.SendAsync(method, target, body, DaemonFixture.KeyOf("stranger"), "nowhere");
        var reader = right is "append" or "admin"
            ? await daemon.SendAsync(method, target, body, DaemonFixture.KeyOf("reader")) : default;
        var writer = right == "admin"
            ? await daemon.SendAsync(method, target, body, DaemonFixture.KeyOf("writer")) : default;
        var admin = right == "subscribe"
            ? default : await daemon.SendAsync(method, target, body, DaemonFixture.KeyOf("admin"));

        Assert.Equal((401, 401, 403, 403), (none.Status, wrong.Status, foreign.Status, absent.Status));
        Assert.Equal(
            foreign.Body.GetRawText().Replace("orders", "X", StringComparison.Ordinal),
            absent.Body.GetRawText().Replace("nowhere", "X", StringComparison.Ordinal));
        Assert.Equal(right is "append" or "admin" ? 403 : 0, reader.Status);
        Assert.Equal(right == "admin" ? 403 : 0, writer.Status);
        Assert.Equal(right == "subscribe" ? 0 : 200, admin.Status);
        Assert.All(
            new[] { none, wrong, foreign, absent },
            answer => Assert.DoesNotContain(
                DaemonFixture.Canary, answer.Body.GetRawText(), StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("stranger")]
    [InlineData("reader")]
    public async Task Metrics_name_every_store_and_are_not_for_a_key_of_some(string name)
    {
        var answer = await daemon.SendAsync("GET", "/metrics", key: DaemonFixture.KeyOf(name));

        Assert.Equal(403, answer.Status);
    }

    [Theory]
    [InlineData("/openapi.json", HttpStatusCode.Unauthorized)]
    [InlineData("/metrics", HttpStatusCode.Unauthorized)]
    [InlineData("/", HttpStatusCode.Unauthorized)]
    [InlineData("/healthz", HttpStatusCode.OK)]
    [InlineData("/readyz", HttpStatusCode.OK)]
    [InlineData("/v1/health", HttpStatusCode.OK)]
    public async Task Without_a_key_only_health_answers(string path, HttpStatusCode status)
    {
        using var answer = await daemon.Http.GetAsync(new Uri(path, UriKind.Relative));

        Assert.Equal(status, answer.StatusCode);
    }

    [Fact]
    public async Task Failed_authentications_are_audited_and_no_secret_is_in_the_log()
    {
        await daemon.SendAsync("GET", "/v1/streams/audit-a%0aforged/entries", key: DaemonFixture.Canary + "-wrong");
        await daemon.SendAsync("GET", "/v1/streams", key: null);
        await daemon.SendAsync("POST", "/v1/streams/s:rename", """{"new_name":"t"}""", DaemonFixture.KeyOf("reader"));
        await daemon.SendAsync("POST", "/v1/streams/s/entries", """{"entries":[{"payload":"Y2FuYXJ5LTdkMWY="}]}""");

        using var file = new FileStream(
            daemon.LogPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var log = await new StreamReader(file).ReadToEndAsync();

        Assert.Contains("unknown key", log, StringComparison.Ordinal);
        Assert.Contains("no key", log, StringComparison.Ordinal);
        Assert.Contains("no right", log, StringComparison.Ordinal);
        Assert.DoesNotContain(DaemonFixture.Canary, log, StringComparison.Ordinal);
        Assert.DoesNotContain("Y2FuYXJ5LTdkMWY=", log, StringComparison.Ordinal);
        Assert.All(
            log.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            line => Assert.StartsWith("{\"time\":", line, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {0}\r\n\r\n", "431")]
    [InlineData("GET /{0} HTTP/1.1\r\nHost: x\r\n\r\n", "414")]
    [InlineData("nonsense\r\n\r\n", "400")]
    [InlineData("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "400")]
    public async Task Malformed_or_oversized_requests_have_their_status(string text, string status)
    {
        using var client = new TcpClient();
        await client.ConnectAsync(daemon.HttpEndPoint);
        var request = text.Replace("{0}", new string('a', 40_000), StringComparison.Ordinal);

        await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(request));
        using var reader = new StreamReader(client.GetStream());

        Assert.StartsWith($"HTTP/1.1 {status} ", await reader.ReadLineAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_client_that_does_not_finish_its_headers_is_cut_off_and_others_are_served_meanwhile()
    {
        var slow = new List<TcpClient>();
        for (var index = 0; index < 1000; index++)
        {
            var client = new TcpClient();
            slow.Add(client);
            await client.ConnectAsync(daemon.HttpEndPoint);
            await client.GetStream().WriteAsync("GET /healthz HTTP/1.1\r\nHost"u8.ToArray());
        }

        using var answer = await daemon.Http.GetAsync(new Uri("/healthz", UriKind.Relative));
        var ends = await Task.WhenAll(slow.Select(async client =>
        {
            using var reader = new StreamReader(client.GetStream());
            return await reader.ReadLineAsync();
        }));
        slow.ForEach(client => client.Dispose());

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.All(ends, line => Assert.True(line is null or "HTTP/1.1 408 Request Timeout", line));
    }
}
