using System.IO.Compression;
using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Text;
using Google.Protobuf;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.V1;
using Xunit;

namespace Ledger.EndToEnd.Daemon;

/// <summary>What the real daemon takes of the memory while it is sent what is large, wrong, slow or nothing.</summary>
public sealed class MemoryBoundTests : IDisposable
{
    private const long PeakBytesMax = 512L << 20;
    private const int Seed = 31_337;
    private const int Mebibyte = 1 << 20;
    private const int LargeBytes = (16 * Mebibyte) - (64 << 10);

    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private readonly DaemonShell _shell = new();
    private readonly List<IDisposable> _open = [];
    private readonly HttpClient _client = new(new SocketsHttpHandler { Expect100ContinueTimeout = Hang });
    private Uri _grpc = new("http://localhost");

    private static RpcCallOptions Orders => RpcCallOptions.OfStore("orders");

    public void Dispose()
    {
        _open.ForEach(one => one.Dispose());
        _client.Dispose();
        _shell.Dispose();
    }

    [Fact]
    public async Task The_daemon_stays_within_its_memory_and_serves_the_others()
    {
        // Nobody is cut off for being slow: what is kept for them is what counts here.
        _shell.Configure("limits: { header_timeout: 600s, idle_timeout: 600s, body_rate: 0 }", listen: "localhost:0");
        var (child, http) = await _shell.ForegroundAsync();
        using (child)
        using (http)
        {
            _grpc = new Uri($"http://{_shell.Started.GetProperty("listen")[0].GetString()}");
            using var channel = Connect();

            await HoldIdleAsync(_grpc.Port, "PRI * HTTP/2.0\r\n");
            await HoldIdleAsync(http.BaseAddress!.Port, "GET /v1/streams HTTP/1.1\r\nHost: x\r\n");
            await SendLargeAsync(channel, http);
            await SendTooMuchAsync(channel, http);
            await SendWrongAsync(http);
            await HoldSlowAsync();
            await SendLargeAsync(channel, http);
            var end = await channel.UnaryAsync(LedgerMethods.Append, Append(1), Orders, default).WaitAsync(Hang);
            var peakBytes = child.PeakBytes();

            Assert.Single(end.Ids);
            Assert.InRange(peakBytes ?? 0, Mebibyte, PeakBytesMax);
            await child.SignalAsync("TERM");
        }
    }

    private static AppendRequest Append(int bytes) => new()
    {
        Stream = "s",
        Entries = { new EntryInput { Payload = ByteString.CopyFrom(new byte[bytes]), NoSearchText = true } },
    };

    private RpcChannel Connect() => new(
        _grpc.ToString(), new RpcChannelOptions { ApiKey = DaemonShell.Key, MessageBytesMax = 64 * Mebibyte });

    /// <summary>Five hundred connections on which a request begins and does not go on.</summary>
    private async Task HoldIdleAsync(int port, string begin)
    {
        for (var caller = 0; caller < 500; caller++)
        {
            var client = new TcpClient();
            _open.Add(client);
            await client.ConnectAsync(IPAddress.Loopback, port);
            await client.GetStream().WriteAsync(Encoding.ASCII.GetBytes(begin));
        }
    }

    /// <summary>As large as is allowed, several at once, over both.</summary>
    private static async Task SendLargeAsync(RpcChannel channel, HttpClient http)
    {
        var request = Append(LargeBytes);
        var calls = Enumerable.Range(0, 4).Select(_ => InTurnAsync(
            () => channel.UnaryAsync(LedgerMethods.Append, request, Orders, default),
            error => error is RpcException { Code: RpcCode.ResourceExhausted }));
        foreach (var response in await Task.WhenAll(calls).WaitAsync(Hang))
        {
            Assert.Single(response.Ids);
        }

        var body = $$"""{"entries":[{"payload":"{{Convert.ToBase64String(new byte[LargeBytes])}}"}]}""";
        var posts = Enumerable.Range(0, 3).Select(_ => InTurnAsync(
            async () => await PostAsync(http, new StringContent(body)) switch
            {
                HttpStatusCode.OK => true,
                var status => throw new HttpRequestException(null, null, status),
            },
            error => error is HttpRequestException { StatusCode: HttpStatusCode.TooManyRequests }));
        await Task.WhenAll(posts).WaitAsync(Hang);
    }

    /// <summary>Calls again as long as the daemon says that it has enough in hand.</summary>
    private static async Task<TResult> InTurnAsync<TResult>(Func<Task<TResult>> call, Func<Exception, bool> isFull)
    {
        while (true)
        {
            try
            {
                return await call();
            }
            catch (Exception error) when (isFull(error))
            {
                // Another one's turn.
            }
        }
    }

    private static async Task<HttpStatusCode> PostAsync(HttpClient http, HttpContent content)
    {
        using (content)
        {
            content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            using var answer = await http.PostAsync(new Uri("/v1/streams/s/entries", UriKind.Relative), content);
            return answer.StatusCode;
        }
    }

    /// <summary>Beyond what is allowed: messages, what they unpack to, bodies announced or not, headers.</summary>
    private async Task SendTooMuchAsync(RpcChannel channel, HttpClient http)
    {
        var error = await Assert.ThrowsAsync<RpcException>(
            () => channel.UnaryAsync(LedgerMethods.Append, Append(21 * Mebibyte), Orders, default));
        using var packed = new MemoryStream();
        await using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            await gzip.WriteAsync(new byte[64 * Mebibyte]);
        }

        var bomb = await CallAsync(Frame(1, packed.ToArray()), "gzip");
        var announced = await PostTooMuchAsync(http.BaseAddress!, isAnnounced: true);
        var chunked = await PostTooMuchAsync(http.BaseAddress!, isAnnounced: false);
        using var headers = new HttpRequestMessage(HttpMethod.Get, "/v1/streams");
        headers.Headers.Add("x-large", new string('x', 64 << 10));
        using var refused = await http.SendAsync(headers);

        Assert.Equal((RpcCode.ResourceExhausted, RpcCode.ResourceExhausted), (error.Code, bomb));
        Assert.Equal(
            (HttpStatusCode.RequestEntityTooLarge, HttpStatusCode.RequestEntityTooLarge),
            (announced, chunked));
        Assert.Equal(HttpStatusCode.RequestHeaderFieldsTooLarge, refused.StatusCode);
    }

    /// <summary>Posts a little more than may be; whoever says how much sends it only when it is asked for.</summary>
    private async Task<HttpStatusCode> PostTooMuchAsync(Uri address, bool isAnnounced)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, new Uri(address, "/v1/streams/s/entries"))
        {
            Content = new ByteArrayContent(new byte[(30 * Mebibyte) + 1]),
        };
        request.Headers.ExpectContinue = true;
        request.Headers.TransferEncodingChunked = !isAnnounced;
        request.Headers.Add("x-api-key", DaemonShell.Key);
        request.Headers.Add("x-ledger-store", "orders");
        using var answer = await _client.SendAsync(request).WaitAsync(Hang);
        return answer.StatusCode;
    }

    /// <summary>What is no message, and no JSON.</summary>
    private async Task SendWrongAsync(HttpClient http)
    {
        var random = new Random(Seed);
        for (var round = 0; round < 60; round++)
        {
            var bytes = new byte[random.Next(100_000)];
            random.NextBytes(bytes);
            var code = await CallAsync(Frame((byte)random.Next(2), bytes), "gzip");
            var cut = await CallAsync(Frame(0, bytes)[..^1], null);
            var status = await PostAsync(http, new ByteArrayContent(bytes));

            Assert.True(
                code == RpcCode.Internal && cut == RpcCode.Internal && status == HttpStatusCode.BadRequest,
                $"Round {round} of seed {Seed}: {code}, {cut}, {status}");
        }
    }

    /// <summary>Sixty who begin something large and stop, and thirty who do not take what they asked for.</summary>
    private async Task HoldSlowAsync()
    {
        var begun = Frame(0, new byte[LargeBytes])[..(256 << 10)];
        for (var caller = 0; caller < 60; caller++)
        {
            var content = new StoppingContent(begun);
            _ = SendAsync(Another(), content, "Append");
            await content.Stopped.WaitAsync(Hang);
        }

        var ask = new ReadRequest { Stream = "s", Options = new ReadOptions { Limit = 1 } };
        for (var caller = 0; caller < 30; caller++)
        {
            var content = new ByteArrayContent(Frame(0, ask.ToByteArray()));
            _open.Add(await SendAsync(Another(), content, "Read").WaitAsync(Hang));
        }
    }

    /// <summary>A client with a connection of its own.</summary>
    private HttpClient Another()
    {
        var http = new HttpClient();
        _open.Add(http);
        return http;
    }

    private Task<HttpResponseMessage> SendAsync(
        HttpClient http, HttpContent content, string method, string? encoding = null)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, new Uri(_grpc, $"/{LedgerMethods.Service}/{method}"))
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = content,
        };
        content.Headers.TryAddWithoutValidation("content-type", "application/grpc");
        foreach (var (name, value) in new[]
        {
            ("te", "trailers"), ("x-api-key", DaemonShell.Key), ("x-ledger-store", "orders"),
            ("grpc-encoding", encoding ?? "identity"),
        })
        {
            request.Headers.TryAddWithoutValidation(name, value);
        }

        return http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
    }

    private async Task<RpcCode> CallAsync(byte[] body, string? encoding)
    {
        using var response = await SendAsync(_client, new ByteArrayContent(body), "Append", encoding)
            .WaitAsync(Hang);
        await response.Content.ReadAsByteArrayAsync();
        var from = response.TrailingHeaders.Contains("grpc-status") ? response.TrailingHeaders : response.Headers;
        return (RpcCode)int.Parse(from.GetValues("grpc-status").Single(), null);
    }

    private static byte[] Frame(byte flag, byte[] message) =>
        [flag, .. BitConverter.GetBytes(IPAddress.HostToNetworkOrder(message.Length)), .. message];

    /// <summary>Sends the beginning of a body, and then nothing.</summary>
    private sealed class StoppingContent(byte[] begin) : HttpContent
    {
        private readonly TaskCompletionSource _stopped = new();

        /// <summary>The beginning was sent.</summary>
        public Task Stopped => _stopped.Task;

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            await stream.WriteAsync(begin);
            await stream.FlushAsync();
            _stopped.TrySetResult();
            await new TaskCompletionSource().Task;
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
