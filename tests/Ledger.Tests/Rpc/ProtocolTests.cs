using System.Buffers.Binary;
using System.IO.Compression;
using Google.Protobuf;
using Ledger.Rpc;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;
using Ledger.Streams;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>What both sides of the wire share: headers, metadata, frames and the table of errors.</summary>
public sealed class ProtocolTests
{
    [Theory]
    [InlineData("1H", 36_000_000_000)]
    [InlineData("2M", 1_200_000_000)]
    [InlineData("3S", 30_000_000)]
    [InlineData("4m", 40_000)]
    [InlineData("5u", 50)]
    [InlineData("250n", 3)]
    [InlineData("99999999H", 3_599_999_964_000_000_000)]
    public void A_timeout_is_read_in_every_unit(string text, long ticks)
    {
        Assert.True(GrpcTimeout.TryParse(text, out var timeout));

        Assert.Equal(ticks, timeout.Ticks);
    }

    [Theory]
    [InlineData("")]
    [InlineData("S")]
    [InlineData("123456789S")]
    [InlineData("-1S")]
    [InlineData("1 S")]
    [InlineData("1s")]
    [InlineData("1.5S")]
    public void Other_timeouts_are_refused(string text) => Assert.False(GrpcTimeout.TryParse(text, out _));

    [Theory]
    [InlineData(1, "1u")]
    [InlineData(99_999_999_0, "99999999u")]
    [InlineData(1_000_000_000, "100000m")]
    [InlineData(long.MaxValue, "99999999H")]
    public void A_timeout_is_written_with_at_most_eight_digits(long ticks, string text) =>
        Assert.Equal(text, GrpcTimeout.Format(new TimeSpan(ticks)));

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("100 %", "100 %25")]
    [InlineData("Grüße\n", "Gr%C3%BC%C3%9Fe%0A")]
    public void A_message_is_percent_encoded_and_back(string message, string text)
    {
        Assert.Equal(text, GrpcMessage.Encode(message));
        Assert.Equal(message, GrpcMessage.Decode(text));
    }

    [Fact]
    public void A_message_that_is_encoded_badly_stays_as_it_is() =>
        Assert.Equal("a%zz%4", GrpcMessage.Decode("a%zz%4"));

    [Fact]
    public void Bytes_in_metadata_are_read_with_and_without_padding_and_joined()
    {
        var metadata = new RpcMetadata();
        metadata.AddBytes("Trace-bin", [1, 2, 3, 4]);
        metadata.AddReceived("trace-bin", "AQ==,AQI , ***");

        Assert.Equal("AQIDBA", metadata.First().Value);
        Assert.Equal(["01020304", "01", "0102"], metadata.AllBytes("trace-bin").Select(Convert.ToHexString));
    }

    [Theory]
    [InlineData("grpc-timeout")]
    [InlineData("GRPC-anything")]
    [InlineData("te")]
    [InlineData("Content-Type")]
    [InlineData(":path")]
    [InlineData("")]
    [InlineData("a b")]
    [InlineData("ä")]
    public void Reserved_and_malformed_names_of_metadata_are_refused(string name)
    {
        Assert.Throws<ArgumentException>(() => new RpcMetadata { { name, "x" } });
        Assert.Throws<ArgumentException>(() => new RpcMetadata { { "fine", "line\nbreak" } });
        Assert.Throws<ArgumentException>(() => new RpcMetadata { { "fine-bin", "text" } });
    }

    [Theory]
    [InlineData("application/grpc", true)]
    [InlineData("application/grpc+proto", true)]
    [InlineData("Application/GRPC; charset=utf-8", true)]
    [InlineData("application/grpc+json", false)]
    [InlineData("application/grpc-web", false)]
    [InlineData("application/json", false)]
    [InlineData(null, false)]
    public void Only_protobuf_is_gRPC_here(string? type, bool isGrpc) => Assert.Equal(isGrpc, GrpcHeaders.IsGrpc(type));

    [Fact]
    public async Task Frames_are_read_however_they_are_split()
    {
        var body = new[] { "a", "", new string('x', 100_000) }
            .SelectMany(text => WireFixture.Frame(new CountRequest { Stream = text })).ToArray();
        foreach (var step in new[] { 1, 2, 4, 5, 6, 4_096, body.Length })
        {
            using var reader = new FrameReader(new SlowStream(body, step), 1 << 20, null);

            Assert.Equal("a", (await reader.ReadAsync(CountRequest.Parser, default))!.Stream);
            Assert.Equal("", (await reader.ReadAsync(CountRequest.Parser, default))!.Stream);
            Assert.Equal(100_000, (await reader.ReadAsync(CountRequest.Parser, default))!.Stream.Length);
            Assert.Null(await reader.ReadAsync(CountRequest.Parser, default));
        }
    }

    [Theory]
    [InlineData("00", RpcCode.Internal)]
    [InlineData("0000000005AA", RpcCode.Internal)]
    [InlineData("0000100001", RpcCode.ResourceExhausted)]
    [InlineData("00FFFFFFFF", RpcCode.ResourceExhausted)]
    [InlineData("0200000000", RpcCode.Internal)]
    [InlineData("0100000000", RpcCode.Internal)]
    [InlineData("00000000020AFF", RpcCode.Internal)]
    public async Task A_broken_frame_is_an_error_of_its_kind(string hex, RpcCode code)
    {
        using var reader = new FrameReader(new MemoryStream(Convert.FromHexString(hex)), 1 << 20, null);

        var error = await Assert.ThrowsAsync<RpcException>(
            async () => await reader.ReadAsync(CountRequest.Parser, default));

        Assert.Equal(code, error.Code);
    }

    [Fact]
    public async Task A_length_is_checked_before_anything_is_kept_for_it()
    {
        var prefix = new byte[5];
        BinaryPrimitives.WriteUInt32BigEndian(prefix.AsSpan(1), 20 << 20);
        var before = GC.GetAllocatedBytesForCurrentThread();

        using var reader = new FrameReader(new MemoryStream(prefix), 20 << 20, null);
        var reading = reader.ReadAsync(CountRequest.Parser, default);

        // The stream is in memory, so that all of it happened on this thread.
        Assert.True(reading.IsCompleted);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20);
        await Assert.ThrowsAsync<RpcException>(async () => await reading);
    }

    [Fact]
    public async Task A_compressed_message_is_read_and_held_to_the_limit()
    {
        using var reader = new FrameReader(new MemoryStream(Gzipped("small")), 1 << 20, "gzip");
        Assert.Equal("small", (await reader.ReadAsync(CountRequest.Parser, default))!.Stream);

        using var bomb = new FrameReader(new MemoryStream(Gzipped(new string('0', 5 << 20))), 1 << 20, "gzip");
        var error = await Assert.ThrowsAsync<RpcException>(
            async () => await bomb.ReadAsync(CountRequest.Parser, default));
        Assert.Equal(RpcCode.ResourceExhausted, error.Code);

        var bad = Gzipped("x");
        bad[5] ^= 0xFF;
        using var broken = new FrameReader(new MemoryStream(bad), 1 << 20, "gzip");
        Assert.Equal(RpcCode.Internal, (await Assert.ThrowsAsync<RpcException>(
            async () => await broken.ReadAsync(CountRequest.Parser, default))).Code);
    }

    [Fact]
    public void Every_exception_of_a_store_comes_back_as_it_was_thrown()
    {
        Exception[] thrown =
        [
            new EntryNotFoundException("s", EntryId.Of(7)),
            new StreamNotFoundException("orders", "s"),
            new StreamExistsException("orders", "s"),
            new StreamConflictException("s", Ledger.Streams.ExpectedEnd.At(EntryId.Of(3)), EntryId.Of(4)),
            new StreamConflictException("s", Ledger.Streams.ExpectedEnd.New, EntryId.Of(4)),
            new LeaseLostException("c", 1, 2),
            new NotSupportedByStoreException("orders", StreamStoreCapabilities.FullText),
            new ArgumentException("A limit is beyond."),
            new FormatException("'x' is not the id of an entry."),
        ];
        foreach (var before in thrown)
        {
            var trailers = GrpcStatus.Write(RpcErrors.Of(before)).ToDictionary();

            Assert.True(GrpcStatus.TryRead(trailers.GetValueOrDefault, out var error));
            var after = RpcErrors.ToLocal(error!, "orders");

            Assert.Equal(before.Message, after.Message);
            Assert.Equal(before is FormatException ? typeof(ArgumentException) : before.GetType(), after.GetType());
        }
    }

    [Fact]
    public void What_only_the_server_should_know_stays_there()
    {
        var secret = "Host=db.internal;Password=hunter2";
        Exception[] thrown =
        [
            new InvalidOperationException(secret), new KeyNotFoundException(secret), new IOException(secret),
            new Ledger.Objects.StoreUnavailableException(Ledger.Objects.StoreUnavailableReason.Unreachable, secret),
            new Ledger.Objects.OutcomeUnknownException(secret, null), new ObjectDisposedException(secret),
        ];
        foreach (var error in thrown)
        {
            var known = RpcErrors.Of(error);

            Assert.DoesNotContain("hunter2", known.Message, StringComparison.Ordinal);
            Assert.DoesNotContain("hunter2", known.Detail?.ToString() ?? "", StringComparison.Ordinal);
        }

        Assert.Equal(RpcCode.Unavailable, RpcErrors.Of(thrown[3]).Code);
        Assert.IsType<Ledger.Objects.StoreUnavailableException>(RpcErrors.ToLocal(RpcErrors.Of(thrown[3]), "s"));
    }

    [Theory]
    [InlineData(RpcCode.Unavailable, typeof(Ledger.Objects.StoreUnavailableException))]
    [InlineData(RpcCode.DeadlineExceeded, typeof(Ledger.Objects.StoreUnavailableException))]
    [InlineData(RpcCode.PermissionDenied, typeof(RemoteLedgerException))]
    [InlineData(RpcCode.Internal, typeof(RemoteLedgerException))]
    [InlineData(RpcCode.NotFound, typeof(RemoteLedgerException))]
    [InlineData(RpcCode.InvalidArgument, typeof(ArgumentException))]
    public void A_status_without_details_is_an_exception_by_its_code(RpcCode code, Type type) =>
        Assert.IsType(type, RpcErrors.ToLocal(new RpcException(code, "Something."), "s"));

    [Theory]
    [InlineData(401, RpcCode.Unauthenticated)]
    [InlineData(403, RpcCode.PermissionDenied)]
    [InlineData(404, RpcCode.Unimplemented)]
    [InlineData(429, RpcCode.Unavailable)]
    [InlineData(503, RpcCode.Unavailable)]
    [InlineData(400, RpcCode.Internal)]
    [InlineData(200, RpcCode.Unknown)]
    [InlineData(500, RpcCode.Unknown)]
    public void A_status_of_HTTP_stands_for_one_that_is_missing(int status, RpcCode code) =>
        Assert.Equal(code, RpcErrors.OfHttpStatus(status));

    private static byte[] Gzipped(string stream)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(new CountRequest { Stream = stream }.ToByteArray());
        }

        var frame = new byte[5 + packed.Length];
        frame[0] = 1;
        BinaryPrimitives.WriteUInt32BigEndian(frame.AsSpan(1), (uint)packed.Length);
        packed.ToArray().CopyTo(frame, 5);
        return frame;
    }

    /// <summary>Gives so many bytes at a time.</summary>
    private sealed class SlowStream(byte[] content, int step) : MemoryStream(content)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(step, buffer.Length)], cancellationToken);
    }
}
