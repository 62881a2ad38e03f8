using System.Globalization;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Ledger.Rpc;
using Ledger.Server.Gateway;
using Xunit;

namespace Ledger.Tests.Server;

/// <summary>Requests of HTTP that were changed at random: the right answer, and a daemon that goes on.</summary>
public sealed class MutatedRequestTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    private const int Seed = 50_052;
    private const int Connections = 8;
    private const int Requests = 10_000;

    private static int Rounds =>
        Requests / Connections * (Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1" ? 10 : 1);

    [Fact]
    public void Every_route_that_ends_is_among_the_samples() => Assert.All(
        RouteTable.All.Where(route => route.Follow is null),
        route => Assert.Contains(
            MutatedRequest.Samples,
            sample => RouteMatch.Find(sample.Method, sample.Target, out _)?.Route == route));

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
            var request = MutatedRequest.Make(random);
            if (!client.Connected)
            {
                client.Dispose();
                client = new TcpClient { NoDelay = true };
                await client.ConnectAsync(daemon.HttpEndPoint);
            }

            var (status, body, isOpen) = await AskAsync(client, request.Bytes);
            if (!isOpen || status == 413)
            {
                client.Dispose();
                client = new TcpClient();
            }

            Assert.True(
                IsRight(request, status, body),
                $"{status} with '{body}' for round {round} of seed {Seed + connection}, not "
                + $"{string.Join(" or ", request.Statuses)}: {Encoding.Latin1.GetString(request.Bytes)}");
        }

        client.Dispose();
    }

    private static bool IsRight(MutatedRequest request, int? status, string body)
    {
        if (status is not { } code)
        {
            return request.MayEnd;
        }

        return request.Statuses.Contains(code)
            && (code == 200 || (request.IsForGateway ? IsError(code, body) : body.Length == 0));
    }

    /// <summary>Whether a body is an error's, and of the code that goes with the status.</summary>
    private static bool IsError(int status, string body)
    {
        using var document = JsonDocument.Parse(body);
        var error = document.RootElement;
        var code = (RpcCode)error.GetProperty("code").GetInt32();
        return error.EnumerateObject().Select(member => member.Name).SequenceEqual(["code", "message", "details"])
            && error.GetProperty("message").GetString()!.EndsWith('.')
            && (status == 413 ? code == RpcCode.InvalidArgument : RpcErrors.HttpStatusOf(code) == status);
    }

    /// <summary>Sends a request and reads its answer.</summary>
    /// <returns>The status, null when the connection ended before; the body; and whether it goes on.</returns>
    private static async Task<(int? Status, string Body, bool IsOpen)> AskAsync(TcpClient client, byte[] request)
    {
        try
        {
            await client.GetStream().WriteAsync(request);
            using var reader = new StreamReader(client.GetStream(), Encoding.Latin1, false, 4_096, leaveOpen: true);
            if (await reader.ReadLineAsync() is not { } line)
            {
                return (null, "", false);
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
            var read = await reader.ReadBlockAsync(body);
            return (int.Parse(line.Split(' ')[1], null), new string(body, 0, read), read == length && isOpen);
        }
        catch (IOException)
        {
            return (null, "", false);
        }
    }
}
