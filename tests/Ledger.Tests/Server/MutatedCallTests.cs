using System.Net;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Tests.Rpc;
using Xunit;

namespace Ledger.Tests.Server;

/// <summary>Changed messages over one connection to a daemon, many calls of it at once.</summary>
[Collection(nameof(AloneCollection))]
public sealed class MutatedCallTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>, IDisposable
{
    private const int MessageBytesMax = 65_536;
    private const int GrownBytesMax = 64 << 20;

    // Below the limits of the daemon: those are for others to test.
    private const int AtOnce = 16;

    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private readonly HttpClient _client = new(new SocketsHttpHandler { UseProxy = false });

    private static int Rounds => MutatedMessages.IsNightly ? 10_000 : 1_000;

    public void Dispose() => _client.Dispose();

    [Fact]
    public async Task Changed_messages_over_a_socket_have_the_right_status_and_the_daemon_goes_on()
    {
        using var channel = new RpcChannel(
            daemon.GrpcEndPoint.ToString(), new RpcChannelOptions { ApiKey = DaemonFixture.SharedKey });
        await AppendAsync(channel, "s");
        var before = GC.GetTotalMemory(forceFullCollection: true);

        foreach (var method in MutatedMessages.Methods)
        {
            var whole = SampleMessages.Of(method.InputType).ToByteArray();
            await Parallel.ForEachAsync(
                Enumerable.Range(0, Rounds), new ParallelOptions { MaxDegreeOfParallelism = AtOnce },
                async (round, _) =>
                {
                    var body = MutatedMessages.BodyOf(whole, round);
                    var code = await SendAsync(method, body).WaitAsync(Hang, CancellationToken.None);
                    var expected = MutatedMessages.ExpectedOf(method, body, MessageBytesMax);
                    Assert.True(
                        expected.Contains(code),
                        $"{method.FullName}, round {round} of seed {MutatedMessages.Seed}: {code}, not "
                        + string.Join(" or ", expected));
                });
        }

        var grown = GC.GetTotalMemory(forceFullCollection: true) - before;
        var id = await AppendAsync(channel, "after");
        var read = await channel.UnaryAsync(
            LedgerMethods.Read, new() { Stream = "after" }, RpcCallOptions.OfStore("orders"), default).WaitAsync(Hang);
        Assert.InRange(grown, long.MinValue, GrownBytesMax);
        Assert.Equal(id, Assert.Single(read.Entries).Id);
    }

    private static async Task<string> AppendAsync(RpcChannel channel, string stream)
    {
        var response = await channel.UnaryAsync(
            LedgerMethods.Append, WireFixture.Append(stream), RpcCallOptions.OfStore("orders"), default)
            .WaitAsync(Hang);
        return Assert.Single(response.Ids);
    }

    private async Task<RpcCode> SendAsync(MethodDescriptor method, byte[] body)
    {
        using var request = new HttpRequestMessage(
            HttpMethod.Post, $"http://{daemon.GrpcEndPoint}{MutatedMessages.PathOf(method)}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        foreach (var (name, value) in new[]
        {
            ("te", "trailers"), ("x-api-key", DaemonFixture.SharedKey), ("x-ledger-store", "orders"),
        })
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        if (method.IsServerStreaming)
        {
            request.Headers.TryAddWithoutValidation("grpc-timeout", MutatedMessages.FollowingTime);
        }

        using var response = await _client.SendAsync(request);
        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
        var from = response.TrailingHeaders.Contains("grpc-status") ? response.TrailingHeaders : response.Headers;
        return (RpcCode)int.Parse(from.GetValues("grpc-status").Single(), null);
    }
}
