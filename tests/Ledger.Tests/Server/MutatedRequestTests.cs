using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Ledger.Server.Gateway;
using Xunit;

namespace Ledger.Tests.Server;

/// <summary>Requests of HTTP that were changed at random: a status of the table, and a daemon that goes on.</summary>
public sealed class MutatedRequestTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    private const int Seed = 50_052;
    private const int Connections = 8;
    private const int Requests = 10_000;

    private static readonly string[] Foreseen =
    [
        "200", "400", "401", "403", "404", "405", "408", "409", "411", "413", "414", "415", "429", "431", "501",
        "505",
    ];

    private static readonly (string Method, string Target, string Body)[] Samples =
    [
        ("POST", "/v1/streams/s%2Fx/entries", """{"entries":[{"payload":"aGk=","metadata":{"k":"v"}}]}"""),
        ("GET", "/v1/streams/s/entries?options.limit=5&options.metadata_filters[k]=v&options.tag=t", ""),
        ("GET", "/v1/streams/s/entries?options.after=1&options.desc=true&options.from=2026-01-31T12:00:00Z", ""),
        ("GET", "/v1/streams/s/entries:count", ""),
        ("PUT", "/v1/streams/s/entries/1/tags", """{"tags":["x","y"]}"""),
        ("PATCH", "/v1/streams/s/entries/1/annotations", """{"set":{"a":"1","b":"2"},"delete":["b"]}"""),
        ("POST", "/v1/streams/s/entries:trim", """{"before_id":"0"}"""),
        ("GET", "/v1/streams?after=a&limit=5", ""),
        ("POST", "/v1/streams/s:rename", """{"newName":"t"}"""),
        ("GET", "/v1/streams/s:stat", ""),
        ("POST", "/v1/streams//entries:search", """{"query":"h","options":{"limit":"3"}}"""),
        ("GET", "/v1/health", ""),
        ("GET", "/openapi.json", ""),
        ("GET", "/metrics", ""),
    ];

    private static int Rounds =>
        Requests / Connections * (Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 10 : 1);

    [Fact]
    public void Every_route_that_ends_is_among_the_samples() => Assert.All(
        RouteTable.All.Where(route => route.Follow is null),
        route => Assert.Contains(
            Samples, sample => RouteMatch.Find(sample.Method, sample.Target, out _)?.Route == route));

    [Fact]
    public async Task Changed_requests_are_answered_as_the_table_says_and_the_daemon_goes_on()
    {
        await Task.WhenAll(Enumerable.Range(0, Connections).Select(SendManyAsync));

        var (status, _) = await daemon.SendAsync("GET", "/v1/streams");
        Assert.Equal(200, status);
    }

    private async Task SendManyAsync(int connection)
    {
        var random = new Random(Seed + connection);
        var client = new TcpClient();
        for (var round = 0; round < Rounds; round++)
        {
            var request = RequestOf(random);
            if (!client.Connected)
            {
                client.Dispose();
                client = new TcpClient { NoDelay = true };
                await client.ConnectAsync(daemon.HttpEndPoint);
            }

            var (status, isOpen) = await AskAsync(client, request);
            if (!isOpen)
            {
                client.Dispose();
                client = new TcpClient();
            }

            Assert.True(
                status is null || Foreseen.Contains(status),
                $"{status} for round {round} of seed {Seed + connection}: {Encoding.Latin1.GetString(request)}");
        }

        client.Dispose();
    }

    /// <summary>Sends a request and reads its answer.</summary>
    /// <returns>The status; null when the connection ended before. And whether it goes on.</returns>
    private static async Task<(string? Status, bool IsOpen)> AskAsync(TcpClient client, byte[] request)
    {
        try
        {
            await client.GetStream().WriteAsync(request);
            using var reader = new StreamReader(client.GetStream(), Encoding.Latin1, false, 4_096, leaveOpen: true);
            if (await reader.ReadLineAsync() is not { } line)
            {
                return (null, false);
            }

            var (length, isOpen) = (0, true);
            while (await reader.ReadLineAsync() is { Length: > 0 } header)
            {
                var (name, value) = header.Split(": ", 2) is [var left, var right] ? (left, right) : (header, "");
                length = name.Equals("content-length", StringComparison.OrdinalIgnoreCase)
                    ? int.Parse(value, CultureInfo.InvariantCulture) : length;
                isOpen &= !(name.Equals("connection", StringComparison.OrdinalIgnoreCase) && value == "close");
            }

            var body = new char[length];
            return (line.Split(' ')[1], await reader.ReadBlockAsync(body) == length && isOpen);
        }
        catch (IOException)
        {
            return (null, false);
        }
    }

    /// <summary>A request with a change in its target, its headers or its body; its framing is sound.</summary>
    private static byte[] RequestOf(Random random)
    {
        var (method, target, text) = Samples[random.Next(Samples.Length)];
        var (path, store, body) = (Bytes(target), Bytes("orders"), Bytes(text));
        var last = Bytes("1");
        switch (random.Next(5))
        {
            case 0 when body.Length > 0:
                body = Mutate(body, random);
                break;
            case 1:
                store = OneLine(Mutate(store, random));
                break;
            case 2:
                last = OneLine(Mutate(last, random));
                break;
            case 3:
                method = new[] { "GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "get" }[random.Next(7)];
                break;
            default:
                path = [.. OneLine(Mutate(path, random)).Where(letter => letter != ' ')];
                break;
        }

        return
        [
            .. Bytes(method + " "), .. path, .. Bytes(" HTTP/1.1\r\nHost: x\r\nx-ledger-store: "), .. store,
            .. Bytes("\r\nlast-event-id: "), .. last,
            .. Bytes($"\r\nx-api-key: {DaemonFixture.KeyOf("admin")}\r\nContent-Length: {body.Length}\r\n\r\n"),
            .. body,
        ];

        static byte[] Bytes(string text) => Encoding.Latin1.GetBytes(text);
        static byte[] OneLine(byte[] bytes) => [.. bytes.Where(letter => letter is not ((byte)'\r' or (byte)'\n'))];
    }

    private static byte[] Mutate(byte[] whole, Random random)
    {
        var bytes = whole.ToList();
        for (var change = random.Next(4); change >= 0; change--)
        {
            var at = random.Next(bytes.Count + 1);
            switch (random.Next(6))
            {
                case 0 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    bytes.InsertRange(at, whole.Take(random.Next(16)));
                    break;
                case 3 when at < bytes.Count:
                    bytes.RemoveRange(at, Math.Min(random.Next(8), bytes.Count - at));
                    break;
                case 4:
                    bytes.InsertRange(at, Encoding.ASCII.GetBytes(
                        new[] { "%00", "%2F", "%", "..", "[", "]", ":", "{", "\"", "9999999999999999999", "null" }
                            [random.Next(11)]));
                    break;
                default:
                    bytes.Insert(at, (byte)random.Next(32, 127));
                    break;
            }
        }

        return [.. bytes];
    }
}
