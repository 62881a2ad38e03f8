using Ledger.Objects;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.V1;
using Ledger.Streams;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Our client on servers that answer badly: an error of its kind, in time, and nothing left behind.</summary>
public sealed class BadServerTests
{
    private static readonly byte[] Answer = WireFixture.Frame(new CountResponse { Count = 7 });

    public static TheoryData<string, RpcCode> Faults => new()
    {
        { "html", RpcCode.Unknown },
        { "503 without trailers", RpcCode.Unavailable },
        { "404 without trailers", RpcCode.Unimplemented },
        { "no trailers", RpcCode.Unknown },
        { "no answer", RpcCode.Internal },
        { "two answers", RpcCode.Internal },
        { "truncated frame", RpcCode.Internal },
        { "gigantic length", RpcCode.ResourceExhausted },
        { "not a message", RpcCode.Internal },
        { "unknown flag", RpcCode.Internal },
        { "flag without encoding", RpcCode.Internal },
        { "unknown encoding", RpcCode.Internal },
        { "status that is none", RpcCode.Unknown },
        { "status of later", RpcCode.Unknown },
        { "trailers only", RpcCode.PermissionDenied },
        { "reset as cancelled", RpcCode.Cancelled },
        { "reset as refused", RpcCode.Unavailable },
        { "reset as calm", RpcCode.ResourceExhausted },
        { "reset as internal", RpcCode.Internal },
        { "reset in the middle", RpcCode.Internal },
        { "closed", RpcCode.Unavailable },
        { "closed in the middle", RpcCode.Unavailable },
        { "silence", RpcCode.DeadlineExceeded },
        { "silence in the middle", RpcCode.DeadlineExceeded },
    };

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_bad_answer_is_an_error_of_its_kind(string fault, RpcCode code)
    {
        await using var server = new BadServer((peer, id) => AnswerAsync(fault, peer, id));
        using var channel = new RpcChannel(server.Address);
        var timeout = TimeSpan.FromSeconds(code == RpcCode.DeadlineExceeded ? 0.3 : 20);

        var error = await Assert.ThrowsAsync<RpcException>(() => channel.UnaryAsync(
            LedgerMethods.Count, new() { Stream = "s" }, new RpcCallOptions(Timeout: timeout), default));

        Assert.Equal(code, error.Code);
    }

    [Fact]
    public async Task A_good_answer_from_the_same_server_is_one()
    {
        await using var server = new BadServer((peer, id) => AnswerAsync("good", peer, id));
        using var channel = new RpcChannel(server.Address);

        var count = await channel.UnaryAsync(
            LedgerMethods.Count, new() { Stream = "s" }, RpcCallOptions.None, default);

        Assert.Equal(7, count.Count);
    }

    [Fact]
    public async Task What_a_server_that_goes_away_did_not_begin_is_asked_of_the_next_connection()
    {
        var isFirst = true;
        await using var server = new BadServer(async (peer, id) =>
        {
            if (isFirst)
            {
                isFirst = false;
                await peer.GoAwayAsync(0, 0);
                return;
            }

            await AnswerAsync("good", peer, id);
        });
        using var channel = new RpcChannel(server.Address);

        var count = await channel.UnaryAsync(
            LedgerMethods.Count, new() { Stream = "s" }, RpcCallOptions.None, default);

        Assert.Equal((7L, 2, 2), (count.Count, server.Connections, server.Requests));
    }

    [Fact]
    public async Task What_a_server_that_goes_away_began_is_not_asked_again()
    {
        await using var server = new BadServer(async (peer, id) =>
        {
            await peer.GoAwayAsync(id, 0);
            peer.Close();
        });
        using var channel = new RpcChannel(server.Address);

        var error = await Assert.ThrowsAsync<RpcException>(() => channel.UnaryAsync(
            LedgerMethods.Count, new() { Stream = "s" }, RpcCallOptions.None, default));

        Assert.Equal((RpcCode.Unavailable, 1), (error.Code, server.Requests));
        Assert.True(error.IsUnsure);
    }

    [Fact]
    public async Task A_call_goes_on_when_its_connection_takes_no_more()
    {
        await using var server = new BadServer(async (peer, id) =>
        {
            await peer.GoAwayAsync(id, 0);
            await AnswerAsync("good", peer, id);
        });
        using var channel = new RpcChannel(server.Address);

        for (var call = 0; call < 3; call++)
        {
            var count = await channel.UnaryAsync(
                LedgerMethods.Count, new() { Stream = "s" }, RpcCallOptions.None, default);
            Assert.Equal(7, count.Count);
        }

        Assert.Equal((3, 3), (server.Connections, server.Requests));
    }

    [Fact]
    public async Task A_server_that_gives_no_sign_is_given_up()
    {
        await using var server = new BadServer((peer, id) => peer.BeginAsync(id)) { IsDeaf = true };
        using var channel = new RpcChannel(
            server.Address,
            new() { KeepAliveDelay = TimeSpan.FromSeconds(1), KeepAliveTimeout = TimeSpan.FromSeconds(1) });
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));

        var error = await Assert.ThrowsAsync<RpcException>(async () => await channel.StreamAsync(
            LedgerMethods.SubscribeAll, new(), RpcCallOptions.None, limit.Token).CountAsync());

        Assert.Equal(RpcCode.Unavailable, error.Code);
    }

    [Theory]
    [InlineData("closed")]
    [InlineData("silence")]
    [InlineData("reset as internal")]
    [InlineData("503 without trailers")]
    [InlineData("no trailers")]
    [InlineData("truncated frame")]
    [InlineData("gigantic length")]
    [InlineData("html")]
    [InlineData("bare status")]
    public async Task A_change_that_nobody_heard_the_end_of_may_have_been_made(string fault)
    {
        var fetched = false;
        await using var server = new BadServer(async (peer, id) =>
        {
            if (!fetched)
            {
                fetched = true;
                await peer.BeginAsync(id);
                await peer.DataAsync(id, WireFixture.Frame(new GetStoreResponse { Name = "orders" }));
                await peer.EndAsync(id);
                return;
            }

            await AnswerAsync(fault, peer, id);
        });
        using var channel = new RpcChannel(server.Address, new() { Timeout = TimeSpan.FromSeconds(1) });
        await using var store = await RemoteStreamStore.OpenAsync(channel, "orders");

        await Assert.ThrowsAsync<OutcomeUnknownException>(
            async () => await store.AppendAsync("s", new NewEntry(new byte[1])));
    }

    [Fact]
    public async Task Bad_answers_leave_no_stream_behind()
    {
        // The server takes ten at a time: one that stayed would soon leave no room on the connection.
        string[] faults = ["two answers", "truncated frame", "gigantic length", "reset in the middle", "html"];
        var next = 0;
        await using var server = new BadServer((peer, id) => AnswerAsync(
            next < 300 ? faults[Interlocked.Increment(ref next) % faults.Length] : "good", peer, id));
        using var channel = new RpcChannel(server.Address);
        for (var call = 0; call < 300; call++)
        {
            await Assert.ThrowsAsync<RpcException>(() => channel.UnaryAsync(
                LedgerMethods.Count, new() { Stream = "s" }, RpcCallOptions.None, default));
        }

        var count = await channel.UnaryAsync(
            LedgerMethods.Count, new() { Stream = "s" }, RpcCallOptions.None, default);

        Assert.Equal((7L, 1, 301), (count.Count, server.Connections, server.Requests));
    }

    private static async Task AnswerAsync(string fault, BadServer.Peer peer, int id)
    {
        switch (fault)
        {
            case "html":
                await peer.HeadersAsync(id, false, (":status", "200"), ("content-type", "text/html"));
                await peer.DataAsync(id, "<p>Hello.</p>"u8.ToArray(), isEnd: true);
                return;
            case "503 without trailers" or "404 without trailers":
                await peer.HeadersAsync(id, true, (":status", fault[..3]));
                return;
            case "trailers only":
                await peer.HeadersAsync(
                    id, true, (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "7"));
                return;
            case "bare status":
                await peer.HeadersAsync(
                    id, true, (":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "14"));
                return;
            case "reset as cancelled" or "reset as refused" or "reset as calm" or "reset as internal":
                await peer.ResetAsync(id, fault[9..] switch { "cancelled" => 8, "refused" => 7, "calm" => 11, _ => 2 });
                return;
            case "closed":
                peer.Close();
                return;
            case "silence":
                return;
            case "unknown encoding":
                await peer.HeadersAsync(
                    id, false, (":status", "200"), ("content-type", "application/grpc"), ("grpc-encoding", "br"));
                await peer.EndAsync(id);
                return;
        }

        await peer.BeginAsync(id);
        switch (fault)
        {
            case "no trailers":
                await peer.DataAsync(id, Answer, isEnd: true);
                return;
            case "no answer":
                break;
            case "two answers":
                await peer.DataAsync(id, [.. Answer, .. Answer]);
                break;
            case "truncated frame":
                await peer.DataAsync(id, Answer[..^1]);
                break;
            case "gigantic length":
                await peer.DataAsync(id, [0, 255, 255, 255, 255]);
                break;
            case "not a message":
                await peer.DataAsync(id, [0, 0, 0, 0, 2, 10, 255]);
                break;
            case "unknown flag":
                await peer.DataAsync(id, [2, .. Answer[1..]]);
                break;
            case "flag without encoding":
                await peer.DataAsync(id, [1, .. Answer[1..]]);
                break;
            case "reset in the middle":
                await peer.DataAsync(id, Answer[..^1]);
                await peer.ResetAsync(id, 2);
                return;
            case "closed in the middle":
                await peer.DataAsync(id, Answer[..^1]);
                peer.Close();
                return;
            case "silence in the middle":
                await peer.DataAsync(id, Answer[..^1]);
                return;
            default:
                await peer.DataAsync(id, Answer);
                break;
        }

        await peer.EndAsync(id, fault switch { "status that is none" => "none", "status of later" => "99", _ => "0" });
    }
}
