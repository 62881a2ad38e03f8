using System.Diagnostics.Metrics;
using System.Net.Security;
using System.Text;
using Ledger.Codecs;
using Ledger.Objects;
using Ledger.Rpc;
using Ledger.Rpc.Client;
using Ledger.Rpc.Protocol;
using Ledger.Rpc.V1;
using Ledger.Streams;
using Ledger.Streams.Consumers;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Our client on our server: transports, streams in both directions, cancelling and waiting.</summary>
[Collection(nameof(AloneCollection))]
public sealed class WireClientTests(WireFixture wire) : IClassFixture<WireFixture>
{
    private static RpcCallOptions Store(string name) => RpcCallOptions.OfStore(name);

    [Fact]
    public async Task A_Unix_socket_serves_as_well()
    {
        using var channel = new RpcChannel("unix:" + wire.Socket, new() { ApiKey = WireServer.Key });

        var count = await channel.UnaryAsync(
            LedgerMethods.Count, new() { Stream = "s" }, Store("unix"), default);

        Assert.Equal(0, count.Count);
    }

    [Fact]
    public async Task TLS_needs_a_known_server_and_where_asked_a_known_client()
    {
        RpcChannelOptions Options(bool hasCertificate, bool isTrusted) => new()
        {
            ApiKey = WireServer.Key,
            Tls = new SslClientAuthenticationOptions
            {
                ClientCertificates = hasCertificate ? [wire.ClientCertificate] : null,
                RemoteCertificateValidationCallback = (_, given, _, _) =>
                    isTrusted && given!.Issuer == wire.Authority.Subject,
            },
        };
        async Task<long> CountAsync(RpcChannelOptions options)
        {
            using var channel = new RpcChannel(wire.Server.TlsAddress, options);
            await using var store = await RemoteStreamStore.OpenAsync(channel, "tls");
            return await store.CountAsync("s");
        }

        Assert.Equal(0, await CountAsync(Options(true, true)));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => CountAsync(Options(true, false)));
        await Assert.ThrowsAsync<StoreUnavailableException>(() => CountAsync(Options(false, true)));
    }

    [Fact]
    public async Task The_state_of_a_consumer_is_written_in_one_call()
    {
        const int Count = 20;
        var calls = 0;
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, own) =>
            {
                if (instrument.Name == "ledger.rpc.call.duration")
                {
                    own.EnableMeasurementEvents(instrument);
                }
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, tags, _) =>
        {
            var values = tags.ToArray().Select(tag => tag.Value as string).ToList();
            if (values.Contains("client") && values.Contains("ledger.v1.LedgerService/UpdateConsumer"))
            {
                Interlocked.Increment(ref calls);
            }
        });
        listener.Start();
        await using var store = await RemoteStreamStore.OpenAsync(wire.Channel, "consumers");
        await store.AppendAsync("s", [.. Enumerable.Range(0, Count).Select(_ => new NewEntry(new byte[1]))]);
        var options = new ConsumerOptions { LeaseDuration = TimeSpan.FromMinutes(10), DeathCounts = false };
        await using (var consumer = await store.AcquireConsumerAsync("c", options))
        {
            await consumer.AcknowledgeAsync(await consumer.ReceiveAsync());
            var before = Volatile.Read(ref calls);
            for (var entry = 1; entry < Count; entry++)
            {
                await consumer.AcknowledgeAsync(await consumer.ReceiveAsync());
            }

            Assert.Equal(Count - 1, Volatile.Read(ref calls) - before);
        }

        await using var other = await RemoteStreamStore.OpenAsync(wire.Channel, "consumers");
        await other.ResetConsumerAsync("c", default);
        await using var again = await store.AcquireConsumerAsync("c");
        Assert.Equal(1, (await again.ReceiveAsync()).Entry.Position!.Value.Value);
    }

    [Fact]
    public async Task A_wrong_key_and_a_foreign_store_are_refused_with_their_codes()
    {
        using var nobody = wire.Server.Connect(new() { ApiKey = "wrong" });
        using var mine = wire.Server.Connect(new() { ApiKey = "key-of-mine" });

        var unknown = await Assert.ThrowsAsync<RemoteLedgerException>(
            async () => await RemoteStreamStore.OpenAsync(nobody, "orders"));
        var foreign = await Assert.ThrowsAsync<RemoteLedgerException>(
            async () => await RemoteStreamStore.OpenAsync(mine, "orders"));

        Assert.Equal((RpcCode.Unauthenticated, RpcCode.PermissionDenied), (unknown.Code, foreign.Code));
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_unavailable()
    {
        using var channel = new RpcChannel("http://127.0.0.1:1");

        await Assert.ThrowsAsync<StoreUnavailableException>(
            async () => await RemoteStreamStore.OpenAsync(channel, "orders"));
    }

    [Fact]
    public async Task A_server_that_is_started_again_is_found_again()
    {
        await using var catalog = Ledger.Server.Services.StoreCatalog.OfSqlite(
            Path.Combine(Path.GetTempPath(), Path.GetRandomFileName()));
        var socket = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        using var channel = new RpcChannel("unix:" + socket, new() { ApiKey = WireServer.Key });
        RemoteStreamStore store;
        await using (await WireServer.StartAsync(catalog, socket))
        {
            store = await RemoteStreamStore.OpenAsync(channel, "orders");
            await store.AppendAsync("s", new NewEntry(new byte[1]));
        }

        await Assert.ThrowsAsync<StoreUnavailableException>(async () => await store.CountAsync("s"));
        await using var again = await WireServer.StartAsync(catalog, socket);

        Assert.Equal(1, await store.CountAsync("s"));
        await store.DisposeAsync();
    }

    [Fact]
    public async Task A_caller_that_gives_up_is_told_so_and_the_server_hears_of_it()
    {
        using var over = new CancellationTokenSource();
        var items = wire.Channel.StreamAsync(
            LedgerMethods.SubscribeAll, new(), Store("given_up"), over.Token).GetAsyncEnumerator();
        Assert.True(await items.MoveNextAsync());

        var next = items.MoveNextAsync();
        await over.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await next);
        await items.DisposeAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => wire.Channel.UnaryAsync(
            LedgerMethods.Count, new() { Stream = "s" }, Store("s"), over.Token));
    }

    [Fact]
    public async Task The_client_holds_to_its_own_deadline()
    {
        var error = await Assert.ThrowsAsync<RpcException>(async () => await wire.Channel.StreamAsync(
            LedgerMethods.SubscribeAll, new(), Store("late") with { Timeout = TimeSpan.FromMilliseconds(300) })
            .CountAsync());

        Assert.Equal(RpcCode.DeadlineExceeded, error.Code);
    }

    [Fact]
    public async Task More_calls_than_a_connection_takes_are_all_answered()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var following = Enumerable.Range(0, 150).Select(_ => wire.Channel.StreamAsync(
            LedgerMethods.SubscribeAll, new(), Store("crowd"), limit.Token).FirstAsync().AsTask()).ToArray();
        var counting = Enumerable.Range(0, 150).Select(_ => wire.Channel.UnaryAsync(
            LedgerMethods.Count, new() { Stream = "s" }, Store("crowd"), limit.Token)).ToArray();

        Assert.All(await Task.WhenAll(following), item => Assert.NotNull(item.CaughtUp));
        Assert.All(await Task.WhenAll(counting), count => Assert.Equal(0, count.Count));
    }

    [Fact]
    public async Task A_consumer_works_over_one_call_in_both_directions()
    {
        var store = Store("consumed");
        await wire.Channel.UnaryAsync(LedgerMethods.Append, WireFixture.Append("s"), store, default);
        await wire.Channel.UnaryAsync(LedgerMethods.Append, WireFixture.Append("s"), store, default);
        await using var call = wire.Channel.Duplex(LedgerMethods.Consume, store, default);

        async Task<ConsumeResponse> AskAsync(ConsumeRequest request)
        {
            await call.WriteAsync(request);
            return (await call.ReadAsync())!;
        }

        var acquired = await AskAsync(new() { Number = 1, Acquire = new() { Name = "c" } });
        var first = await AskAsync(new() { Number = 2, Receive = new() });
        var done = await AskAsync(new() { Number = 3, Acknowledge = new() { Position = 1 } });
        var wrong = await AskAsync(new() { Number = 4, Acknowledge = new() { Position = 1 } });
        var second = await AskAsync(new() { Number = 5, Receive = new() });
        call.Complete();
        Assert.Null(await call.ReadAsync());

        Assert.Equal((1L, 1L), (acquired.Number, acquired.Acquired.Epoch));
        Assert.Equal((2L, 1L, 1), (first.Number, first.Delivery.Entry.Position, first.Delivery.Attempt));
        Assert.Equal((3L, true), (done.Number, done.Done is not null));
        Assert.Equal((int)RpcCode.FailedPrecondition, wrong.Error.Code);
        Assert.Equal(2, second.Delivery.Entry.Position);
        var info = (await wire.Channel.UnaryAsync(LedgerMethods.ListConsumers, new(), store, default)).Consumers;
        Assert.Equal((1L, 1), (info.Single().Position, info.Single().Pending));
        Assert.Null(info.Single().LeaseUntil);
    }

    [Theory]
    [InlineData(1, false, RpcCode.Ok)]
    [InlineData(65, false, RpcCode.ResourceExhausted)]
    [InlineData(1, true, RpcCode.InvalidArgument)]
    public async Task A_consumer_whose_caller_waits_for_entries_ends_with_its_call(
        int receives, bool asksNothing, RpcCode code)
    {
        var store = Store($"waiting_{receives}_{asksNothing}");
        await using var call = wire.Channel.Duplex(LedgerMethods.Consume, store, default);
        await call.WriteAsync(new() { Number = 1, Acquire = new() { Name = "c" } });
        await call.ReadAsync();
        for (var number = 2; number < receives + 2; number++)
        {
            await call.WriteAsync(new() { Number = number, Receive = new() });
        }

        if (asksNothing)
        {
            await call.WriteAsync(new());
        }
        else if (code == RpcCode.Ok)
        {
            call.Complete();
        }

        var error = await Record.ExceptionAsync(async () => await call.ReadAsync());

        Assert.Equal(code, (error as RpcException)?.Code ?? RpcCode.Ok);
        await using var next = wire.Channel.Duplex(LedgerMethods.Consume, store, default);
        var info = (await wire.Channel.UnaryAsync(LedgerMethods.ListConsumers, new(), store, default)).Consumers;
        Assert.Equal(code == RpcCode.Ok, info.Single().LeaseUntil is null);
    }

    [Fact]
    public async Task What_a_store_takes_fits_through_the_wire_with_its_text()
    {
        await using var store = await RemoteStreamStore.OpenAsync(wire.Channel, "texts");
        var large = new byte[12 << 20];
        large.AsSpan().Fill((byte)'a');
        var small = large.AsSpan(0, (1 << 20) - 16).ToArray();
        "\"needle "u8.CopyTo(small);
        small[^1] = (byte)'"';

        await store.AppendAsync("s", new NewEntry(large) { SearchText = Encoding.UTF8.GetString(large) });
        await store.AppendAsync(
            "s", [.. Enumerable.Range(0, 12).Select(_ => new NewEntry(small) { SearchText = JsonText.Of(small) })]);

        Assert.Equal(13, await store.CountAsync("s"));
        Assert.Equal(12, await store.SearchAsync("needle").CountAsync());
    }

    [Fact]
    public async Task A_stream_of_messages_has_one_answer_when_it_is_ended()
    {
        var metadata = new RpcMetadata();
        metadata.AddBytes("trace-bin", [0, 255]);
        metadata.AddBytes("trace-bin", [1]);
        await using var call = wire.Channel.Duplex(
            WireFixture.Collect, new RpcCallOptions(metadata), default);
        for (var n = 0; n < 2_000; n++)
        {
            await call.WriteAsync(new() { Stream = new string('x', n % 300) });
        }

        call.Complete();
        var answer = await call.ReadSingleAsync();

        Assert.Equal(Enumerable.Range(0, 2_000).Select(n => $"{n % 300}"), answer.Ids);
        Assert.Equal("00FF,01", answer.End);
    }

    [Fact]
    public async Task A_server_may_answer_before_the_stream_is_ended()
    {
        await using var call = wire.Channel.Duplex(WireFixture.Collect, RpcCallOptions.None, default);

        await call.WriteAsync(new() { Stream = "one" });
        await call.WriteAsync(new() { Stream = "stop" });
        var answer = await call.ReadSingleAsync();

        Assert.Equal(["3"], answer.Ids);
    }

    [Fact]
    public async Task A_slow_reader_is_waited_for()
    {
        var store = Store("slow");
        for (var n = 0; n < 16; n++)
        {
            await wire.Channel.UnaryAsync(
                LedgerMethods.Append, WireFixture.Append("s", 1 << 20), store, default);
        }

        var before = GC.GetTotalMemory(forceFullCollection: true);
        var readers = Enumerable.Range(0, 10).Select(_ => wire.Channel.StreamAsync(
            LedgerMethods.Subscribe, new() { Stream = "s" }, store).GetAsyncEnumerator()).ToArray();
        foreach (var reader in readers)
        {
            Assert.True(await reader.MoveNextAsync());
        }

        // Each reader is behind by 15 MiB; a page of them is read at most once for each, and what was sent is bounded.
        var grown = GC.GetTotalMemory(forceFullCollection: true) - before;
        Assert.True(grown < 10L * (16 << 20) + (64 << 20), $"{grown} bytes");
        foreach (var reader in readers)
        {
            Assert.True(await reader.MoveNextAsync());
            await reader.DisposeAsync();
        }
    }
}
