using System.Net;
using System.Threading.Channels;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;
using Ledger.Server.Services;
using Ledger.Tests.Server;
using Ledger.Tests.Streams;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Calls that their callers gave up, whose work goes on: they keep their places until it is over.</summary>
public sealed class AbandonedCallTests : IAsyncLifetime
{
    private const int Attempts = 2_000;
    private const int CallsOfBatch = 50;

    // Calls of one connection at once, reset ones that work on, and what Kestrel bears beyond them.
    private const int BegunMax = 100 + 100 + 50;

    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private static readonly RpcMethod<CountRequest, CountResponse> Hold = new(
        "ledger.tests.Work", "Hold", RpcKind.Unary, CountRequest.Parser, CountResponse.Parser);

    private readonly SqliteFile _file = new();
    private readonly TaskCompletionSource _over = new();
    private readonly Channel<bool> _beginnings = Channel.CreateUnbounded<bool>();
    private StoreCatalog _catalog = null!;
    private WireServer _server = null!;
    private int _begun;

    public async Task InitializeAsync()
    {
        _catalog = StoreCatalog.OfSqlite(_file.Path);
        _server = await WireServer.StartAsync(_catalog, extend: endpoints => endpoints.Server.Add(
            Hold,
            async (_, _) =>
            {
                Interlocked.Increment(ref _begun);
                _beginnings.Writer.TryWrite(true);
                await _over.Task;
                return new CountResponse();
            }));
    }

    public async Task DisposeAsync()
    {
        _over.TrySetResult();
        await _server.DisposeAsync();
        await _catalog.DisposeAsync();
        _file.Delete();
    }

    [Fact]
    public async Task Work_of_streams_that_were_reset_counts_until_it_is_over()
    {
        using var hostile = new RawHttp2();
        await hostile.ConnectAsync(new IPEndPoint(IPAddress.Loopback, _server.Port));
        var headers = RawHttp2.CallHeaders(Hold.Path, WireServer.Key);

        // A stream is refused, or the connection ended; it is closed when its work is over.
        var reading = hostile.ReadAsync((type, _) => type is RawHttp2.Reset or RawHttp2.GoAway);

        for (var begin = 0; !reading.IsCompleted && begin < Attempts; begin += CallsOfBatch)
        {
            await hostile.FloodAsync(
                index =>
                [
                    .. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, (2 * (begin + index)) + 1, headers),
                    .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, (2 * (begin + index)) + 1, 0, 0, 0, 0, 0),
                ],
                CallsOfBatch);

            // What is reset before it was begun is no work.
            for (var begun = 0; begun < CallsOfBatch && !reading.IsCompleted; begun++)
            {
                await Task.WhenAny(_beginnings.Reader.ReadAsync().AsTask(), reading).WaitAsync(Hang);
            }

            await hostile.FloodAsync(
                index => RawHttp2.Frame(RawHttp2.Reset, 0, (2 * (begin + index)) + 1, 0, 0, 0, 8), CallsOfBatch);
        }

        hostile.Dispose();
        await reading.WaitAsync(Hang);

        Assert.InRange(_begun, 0, BegunMax);
    }

    [Fact]
    public async Task Whose_time_is_over_hears_so_at_once_and_the_work_keeps_the_place_of_the_call()
    {
        using var hostile = new RawHttp2();
        await hostile.ConnectAsync(new IPEndPoint(IPAddress.Loopback, _server.Port));
        var headers = RawHttp2.CallHeaders(Hold.Path, WireServer.Key, ("grpc-timeout", "50m"));
        var isConnected = true;
        for (var begin = 0; isConnected && begin < Attempts; begin += CallsOfBatch)
        {
            var ends = 0;
            var areOver = hostile.ReadAsync((type, flags) => type == RawHttp2.GoAway
                || ((type == RawHttp2.Reset || (type == RawHttp2.Headers && (flags & RawHttp2.EndStream) != 0))
                    && ++ends == CallsOfBatch));
            await hostile.FloodAsync(
                index =>
                [
                    .. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, (2 * (begin + index)) + 1, headers),
                    .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, (2 * (begin + index)) + 1, 0, 0, 0, 0, 0),
                ],
                CallsOfBatch);
            isConnected = await areOver.WaitAsync(Hang) && hostile.GoAwayCode is null;
        }

        Assert.InRange(_begun, 0, BegunMax);
    }

    [Fact]
    public async Task A_caller_whose_time_is_over_does_not_wait_for_the_work()
    {
        using var channel = _server.Connect();

        var error = await Assert.ThrowsAsync<RpcException>(async () => await channel.UnaryAsync(
            Hold, new(), RpcCallOptions.OfStore("s") with { Timeout = TimeSpan.FromMilliseconds(50) }, default)
            .WaitAsync(Hang));

        Assert.Equal(RpcCode.DeadlineExceeded, error.Code);
        Assert.False(_over.Task.IsCompleted);
    }
}
