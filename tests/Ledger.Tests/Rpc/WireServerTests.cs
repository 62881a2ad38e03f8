using System.IO.Compression;
using System.Net;
using Google.Protobuf;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.HealthV1;
using Ledger.Rpc.ReflectionV1;
using Ledger.Rpc.Serving;
using Ledger.Rpc.V1;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>What the server does with what comes over the wire, well formed and not.</summary>
public sealed class WireServerTests(WireFixture wire) : IClassFixture<WireFixture>
{
    private static readonly byte[] Count = WireFixture.Frame(new CountRequest { Stream = "s" });

    [Theory]
    [InlineData("application/json")]
    [InlineData("application/grpc+json")]
    [InlineData("application/grpc-web")]
    [InlineData("")]
    public async Task Another_content_type_is_refused_by_HTTP(string type)
    {
        var answer = await wire.SendAsync("Count", Count, request =>
        {
            request.Content!.Headers.Remove("content-type");
            request.Content.Headers.TryAddWithoutValidation("content-type", type);
        });

        Assert.Equal((415, null), (answer.Http, answer.Code));
    }

    [Fact]
    public async Task Only_POST_is_a_call()
    {
        var answer = await wire.SendAsync("Count", Count, request => request.Method = HttpMethod.Put);

        Assert.Equal(405, answer.Http);
    }

    [Fact]
    public async Task A_caller_that_takes_no_trailers_is_told_in_the_headers()
    {
        var answer = await wire.SendAsync("Count", Count, request => request.Headers.Remove("te"));

        Assert.Equal((200, RpcCode.Internal, true), (answer.Http, answer.Code, answer.IsInHeaders));
    }

    [Fact]
    public async Task An_answer_has_one_message_and_its_status_in_the_trailers()
    {
        var answer = await wire.SendAsync("Count", Count);

        Assert.Equal((200, RpcCode.Ok, false), (answer.Http, answer.Code, answer.IsInHeaders));
        Assert.Equal(WireFixture.Frame(new CountResponse()), answer.Body);
    }

    [Theory]
    [InlineData("Nothing", RpcCode.Unimplemented)]
    [InlineData("count", RpcCode.Unimplemented)]
    public async Task An_unknown_method_is_unimplemented(string method, RpcCode code)
    {
        var answer = await wire.SendAsync(method, Count);

        Assert.Equal((200, code, true, 0), (answer.Http, answer.Code, answer.IsInHeaders, answer.Body.Length));
    }

    [Theory]
    [InlineData("", RpcCode.Internal)]
    [InlineData("00000000030A01", RpcCode.Internal)]
    [InlineData("00FFFFFFFF", RpcCode.ResourceExhausted)]
    [InlineData("00000000020AFF", RpcCode.Internal)]
    [InlineData("01000000030A0173", RpcCode.Internal)]
    [InlineData("00000000030A017300000000030A0173", RpcCode.Internal)]
    public async Task A_body_that_is_not_one_message_is_an_error(string hex, RpcCode code)
    {
        var answer = await wire.SendAsync("Count", Convert.FromHexString(hex));

        Assert.Equal((200, code, true), (answer.Http, answer.Code, answer.IsInHeaders));
    }

    [Fact]
    public async Task A_compression_that_is_not_known_is_unimplemented_and_named_are_those_that_are()
    {
        var unknown = await wire.SendAsync(
            "Count", Count, request => request.Headers.TryAddWithoutValidation("grpc-encoding", "br"));

        Assert.Equal(RpcCode.Unimplemented, unknown.Code);
        Assert.Equal("identity,gzip", unknown.Find("grpc-accept-encoding"));
    }

    [Fact]
    public async Task A_compressed_message_is_read()
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(Count.AsSpan(5));
        }

        byte[] frame = [1, 0, 0, 0, (byte)packed.Length, .. packed.ToArray()];
        var answer = await wire.SendAsync(
            "Count", frame, request => request.Headers.TryAddWithoutValidation("grpc-encoding", "gzip"));

        Assert.Equal(RpcCode.Ok, answer.Code);
    }

    [Fact]
    public async Task Frames_may_be_split_over_many_pieces_of_the_body()
    {
        var answer = await wire.SendAsync("Count", [], content: new PiecesContent(Count));

        Assert.Equal(RpcCode.Ok, answer.Code);
    }

    [Theory]
    [InlineData("x", RpcCode.Internal)]
    [InlineData("123456789S", RpcCode.Internal)]
    [InlineData("1n", RpcCode.DeadlineExceeded)]
    [InlineData("99999999H", RpcCode.Ok)]
    public async Task The_server_holds_to_the_time_that_the_caller_gives(string timeout, RpcCode code)
    {
        var answer = await wire.SendAsync(
            "Count", Count, request => request.Headers.TryAddWithoutValidation("grpc-timeout", timeout));

        Assert.Equal(code, answer.Code);
    }

    [Fact]
    public async Task What_follows_something_ends_with_its_deadline()
    {
        var body = WireFixture.Frame(new SubscribeAllRequest());

        var answer = await wire.SendAsync(
            "SubscribeAll", body, request => request.Headers.TryAddWithoutValidation("grpc-timeout", "200m"));

        Assert.Equal((RpcCode.DeadlineExceeded, false), (answer.Code, answer.IsInHeaders));
        Assert.True(answer.Body.Length > 0);
    }

    [Fact]
    public async Task Unknown_fields_are_passed_over()
    {
        // Field 77, of a later version.
        byte[] message = [.. new CountRequest { Stream = "s" }.ToByteArray(), 0xEA, 0x04, 1, 65];

        var answer = await wire.SendAsync("Count", [0, 0, 0, 0, (byte)message.Length, .. message]);

        Assert.Equal(RpcCode.Ok, answer.Code);
        Assert.Equal(message, CountRequest.Parser.ParseFrom(message).ToByteArray());
    }

    [Fact]
    public async Task Without_credentials_only_health_answers()
    {
        foreach (var method in LedgerReflection.Descriptor.Services.Single().Methods)
        {
            var answer = await wire.SendAsync(
                method.Name, WireFixture.Frame(new HealthRequest()), request => request.Headers.Remove("x-api-key"));

            Assert.Equal(method.Name == "Health" ? RpcCode.Ok : RpcCode.Unauthenticated, answer.Code);
        }

        // Without pings, which would send what nobody has flushed.
        using var nobody = new RpcChannel(wire.Server.Address, new() { KeepAliveDelay = TimeSpan.FromDays(1) });
        var health = await nobody.UnaryAsync(HealthMethods.Check, new(), RpcCallOptions.None, default);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, health.Status);
        await using var reflection = nobody.Duplex(ReflectionMethods.Info, RpcCallOptions.None, default);
        var refused = await Assert.ThrowsAsync<RpcException>(
            () => reflection.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60)));
        Assert.Equal(RpcCode.Unauthenticated, refused.Code);
    }

    [Fact]
    public async Task A_store_that_is_named_twice_differently_is_an_invalid_argument()
    {
        var answer = await wire.SendAsync(
            "Count", Count, request => request.Headers.TryAddWithoutValidation("x-ledger-store", "other"));

        Assert.Equal(RpcCode.InvalidArgument, answer.Code);
    }

    [Fact]
    public async Task Health_is_watched_and_knows_its_services()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));

        var first = await wire.Channel.StreamAsync(
            HealthMethods.Watch, new() { Service = LedgerMethods.Service }, RpcCallOptions.None, limit.Token)
            .FirstAsync();
        var unknown = await wire.Channel.StreamAsync(
            HealthMethods.Watch, new() { Service = "x" }, RpcCallOptions.None, limit.Token).FirstAsync();
        var refused = await Assert.ThrowsAsync<RpcException>(() => wire.Channel.UnaryAsync(
            HealthMethods.Check, new() { Service = "x" }, RpcCallOptions.None, limit.Token));

        Assert.Equal(HealthCheckResponse.Types.ServingStatus.Serving, first.Status);
        Assert.Equal(HealthCheckResponse.Types.ServingStatus.ServiceUnknown, unknown.Status);
        Assert.Equal(RpcCode.NotFound, refused.Code);
    }

    [Fact]
    public async Task Whom_nobody_knows_sends_little_and_many_watches_are_one_look()
    {
        const int Watches = 50;
        var begin = TimeProvider.System.GetTimestamp();
        var before = wire.Server.HealthLooks;
        using var over = new CancellationTokenSource();
        var request = new HealthCheckRequest();
        await Task.WhenAll(Enumerable.Range(0, Watches).Select(async _ => await wire.Channel
            .StreamAsync(HealthMethods.Watch, request, RpcCallOptions.None, over.Token).FirstAsync()));
        var looks = wire.Server.HealthLooks - before;
        await over.CancelAsync();
        var large = await Assert.ThrowsAsync<RpcException>(() => wire.Channel.UnaryAsync(
            HealthMethods.Check, new() { Service = new string('s', 5_000) }, RpcCallOptions.None, default));

        Assert.InRange(looks, 1, 2 + (TimeProvider.System.GetElapsedTime(begin).TotalSeconds / 5));
        Assert.Equal(RpcCode.ResourceExhausted, large.Code);
    }

    [Fact]
    public async Task Reflection_tells_the_services_and_their_files()
    {
        await using var call = wire.Channel.Duplex(ReflectionMethods.Info, RpcCallOptions.None, default);

        await call.WriteAsync(new ServerReflectionRequest { ListServices = "" });
        var services = (await call.ReadAsync())!.ListServicesResponse.Service.Select(service => service.Name);
        await call.WriteAsync(new() { FileContainingSymbol = "ledger.v1.LedgerService.Append" });
        var file = (await call.ReadAsync())!.FileDescriptorResponse.FileDescriptorProto;
        await call.WriteAsync(new() { FileContainingSymbol = "no.such.Thing" });
        var unknown = (await call.ReadAsync())!.ErrorResponse;
        call.Complete();

        Assert.Equal(
            [
                "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "ledger.admin.v1.AdminService",
                "ledger.v1.LedgerService",
            ], services);
        Assert.Equal(LedgerReflection.Descriptor.SerializedData, file[0]);
        Assert.Equal((int)RpcCode.NotFound, unknown.ErrorCode);
        Assert.Null(await call.ReadAsync());
    }

    [Fact]
    public async Task A_message_at_the_limit_is_taken_and_one_beyond_it_is_not()
    {
        var fits = WireFixture.Append("large", 16 << 20);
        var response = await wire.Channel.UnaryAsync(
            LedgerMethods.Append, fits, RpcCallOptions.OfStore("wire"), default);
        var read = await wire.Channel.UnaryAsync(
            LedgerMethods.Read, new() { Stream = "large" }, RpcCallOptions.OfStore("wire"), default);

        var refused = await Assert.ThrowsAsync<RpcException>(() => wire.Channel.UnaryAsync(
            LedgerMethods.Append, WireFixture.Append("large", 20 << 20), RpcCallOptions.OfStore("wire"), default));

        Assert.Single(response.Ids);
        Assert.Equal(16 << 20, read.Entries.Single().Payload.Length);
        Assert.Equal(RpcCode.ResourceExhausted, refused.Code);
    }

    /// <summary>A body in pieces of a byte, each of its own frame of data.</summary>
    private sealed class PiecesContent(byte[] bytes) : HttpContent
    {
        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context)
        {
            foreach (var piece in bytes)
            {
                await stream.WriteAsync(new[] { piece });
                await stream.FlushAsync();
            }
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }
    }
}
