using System.Net;
using Google.Protobuf;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.V1;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

/// <summary>What the real daemon takes of the memory while very many follow something and read nothing of it.</summary>
public sealed class FollowerMemoryTests : IDisposable
{
    private const long PeakBytesMax = 512L << 20;
    private const int Mebibyte = 1 << 20;

    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(8);

    private readonly DaemonShell _shell = new();
    private readonly List<IDisposable> _open = [];

    // Many connections, of as many calls as the daemon allows on each.
    private readonly HttpClient _client = new(new SocketsHttpHandler
    {
        EnableMultipleHttp2Connections = true,
        KeepAlivePingDelay = Timeout.InfiniteTimeSpan,
    })
    {
        Timeout = Timeout.InfiniteTimeSpan,
    };

    private Uri _grpc = new("http://localhost");

    private static bool IsNightly => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1";

    private static RpcCallOptions Orders => RpcCallOptions.OfStore("orders");

    public void Dispose()
    {
        _open.ForEach(one => one.Dispose());
        _client.Dispose();
        _shell.Dispose();
    }

    [Fact]
    public Task Pages_that_nobody_takes_are_small_where_there_are_many() =>
        FollowAsync(callers: IsNightly ? 1_000 : 160, entries: 96, entryBytes: 64 << 10, isEachBegun: true);

    [Fact]
    public Task Large_entries_that_nobody_takes_are_let_go_of_for_those_who_wait() => IsNightly
        ? FollowAsync(callers: 100, entries: 2, entryBytes: 8 * Mebibyte, isEachBegun: false)
        : FollowAsync(callers: 3, entries: 2, entryBytes: 8 * Mebibyte, isEachBegun: true);

    /// <summary>Many begin to follow and read nothing; one who comes last and reads has everything.</summary>
    private async Task FollowAsync(int callers, int entries, int entryBytes, bool isEachBegun)
    {
        // Nobody is cut off for being slow: what is kept for them is what counts here.
        _shell.Configure("limits: { body_rate: 0, subscriptions: 2000 }", listen: "localhost:0");
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            _grpc = new Uri($"http://{_shell.Started.GetProperty("listen")[0].GetString()}");
            using var channel = new RpcChannel(
                _grpc.ToString(), new RpcChannelOptions { ApiKey = DaemonShell.Key, MessageBytesMax = 64 * Mebibyte });
            for (var entry = 0; entry < entries; entry++)
            {
                await channel.UnaryAsync(LedgerMethods.Append, Append(entryBytes), Orders, default).WaitAsync(Hang);
            }

            var begun = Enumerable.Range(0, callers).Select(_ => BeginAsync()).ToList();
            if (isEachBegun)
            {
                _open.AddRange(await Task.WhenAll(begun).WaitAsync(Hang));
            }

            await using var call = channel.StreamAsync(
                LedgerMethods.Subscribe, new SubscribeRequest { Stream = "s" }, Orders, default).GetAsyncEnumerator();
            for (var entry = 0; entry < entries; entry++)
            {
                Assert.True(await call.MoveNextAsync().AsTask().WaitAsync(Hang));
                Assert.Equal(entryBytes, call.Current.Entry.Payload.Length);
            }

            Assert.InRange(child.PeakBytes() ?? 0, Mebibyte, PeakBytesMax);
            await child.SignalAsync("TERM");
        }
    }

    private static AppendRequest Append(int bytes) => new()
    {
        Stream = "s",
        Entries = { new EntryInput { Payload = ByteString.CopyFrom(new byte[bytes]), NoSearchText = true } },
    };

    /// <summary>Follows, and takes no more than the headers; what comes back is the call as it stands.</summary>
    private Task<HttpResponseMessage> BeginAsync()
    {
        var message = new SubscribeRequest { Stream = "s" }.ToByteArray();
        var request = new HttpRequestMessage(
            HttpMethod.Post, new Uri(_grpc, $"/{LedgerMethods.Service}/Subscribe"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent([0, 0, 0, 0, (byte)message.Length, .. message]),
        };
        request.Content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        foreach (var (name, value) in new[]
        {
            ("te", "trailers"), ("x-api-key", DaemonShell.Key), ("x-ledger-store", "orders"),
        })
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return _client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }
}
