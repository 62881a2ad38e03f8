using Ledger.Rpc;
using Ledger.Rpc.Client;
using Xunit;

namespace Ledger.Tests.Server;

/// <summary>Clients that turn HTTP/2 against the daemon: it ends or bears them, and the others are served.</summary>
[Collection(nameof(AloneCollection))]
public sealed class FloodTests(DaemonFixture daemon) : IClassFixture<DaemonFixture>
{
    private const int GrownBytesMax = 64 << 20;
    private const int FramesOfBatch = 1_000;
    private const string Method = "/ledger.v1.LedgerService/Append";

    // Far beyond what anything here takes.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    /// <summary>Frames that must each be answered, with the type of the answer.</summary>
    public static TheoryData<byte, byte[]> Answered => new()
    {
        { RawHttp2.Ping, RawHttp2.Frame(RawHttp2.Ping, 0, 0, new byte[8]) },
        { RawHttp2.Settings, RawHttp2.Frame(RawHttp2.Settings, 0, 0, 0, 1, 0, 0, 16, 0, 0, 4, 0, 1, 0, 0) },
    };

    [Fact]
    public Task Streams_that_are_opened_and_reset_pile_nothing_up() => BesideAnHonestOneAsync(async serve =>
    {
        // An entry with a payload of 1,000 bytes: had each of them to be kept, they would be seen.
        byte[] entry = [0x0A, 0xE8, 7, .. new byte[1_000]];
        byte[] message = [0x0A, 1, (byte)'s', 0x12, 0xEB, 7, .. entry];
        byte[] frame = [0, 0, 0, (byte)(message.Length >> 8), (byte)message.Length, .. message];
        var headers = RawHttp2.CallHeaders(Method, DaemonFixture.SharedKey);
        using var hostile = await ConnectAsync();
        var reading = hostile.ReadAsync((_, _) => false);
        var sending = hostile.FloodAsync(
            index =>
            [
                .. RawHttp2.Frame(RawHttp2.Headers, RawHttp2.EndHeaders, (2 * index) + 1, headers),
                .. RawHttp2.Frame(RawHttp2.Data, RawHttp2.EndStream, (2 * index) + 1, frame),
                .. RawHttp2.Frame(RawHttp2.Reset, 0, (2 * index) + 1, 0, 0, 0, 8),
            ],
            count: 2_000);

        await serve(sending);
        hostile.Dispose();
        await reading.WaitAsync(Hang);

        Assert.True(hostile.GoAwayCode is null or RawHttp2.EnhanceYourCalm, $"{hostile.GoAwayCode}");
    });

    [Theory]
    [MemberData(nameof(Answered))]
    public Task Who_floods_and_reads_the_answers_has_them_all(byte type, byte[] frame) => BesideAnHonestOneAsync(
        async serve =>
        {
            using var hostile = await ConnectAsync();
            var batch = Enumerable.Repeat(frame, FramesOfBatch).SelectMany(one => one).ToArray();
            var answers = 0;
            var reading = hostile.ReadAsync((read, flags) => read == type && (flags & RawHttp2.Acknowledged) != 0
                && ++answers == 50 * FramesOfBatch);

            await serve(Task.WhenAll(hostile.FloodAsync(_ => batch, count: 50), reading));

            Assert.True(await reading, $"{answers} answers, and the end {hostile.GoAwayCode}");
        });

    [Theory]
    [MemberData(nameof(Answered))]
    public Task Who_floods_and_reads_nothing_is_read_no_more(byte type, byte[] frame) => BesideAnHonestOneAsync(
        async serve =>
        {
            using var hostile = await ConnectAsync();
            var batch = Enumerable.Repeat(frame, FramesOfBatch).SelectMany(one => one).ToArray();
            var before = GC.GetTotalMemory(forceFullCollection: true);
            var sent = 0;
            var flooding = hostile.FloodAsync(
                index =>
                {
                    Volatile.Write(ref sent, index);
                    return batch;
                },
                count: 20_000);

            // Whether it stands still or has sent everything: what counts is what the daemon keeps of it.
            for (var (seen, still) = (-1, 0); still < 50 && !flooding.IsCompleted;)
            {
                await serve(Task.CompletedTask);
                (seen, still) = Volatile.Read(ref sent) is var now && now == seen ? (seen, still + 1) : (now, 0);
            }

            var grown = GC.GetTotalMemory(forceFullCollection: true) - before;
            Assert.True(grown < GrownBytesMax, $"{grown} bytes of type {type} after {sent} batches");
        });

    [Theory]
    [InlineData(0)]
    [InlineData(15)]
    public Task Headers_that_never_end_end_the_connection(int fields) => BesideAnHonestOneAsync(async serve =>
    {
        using var hostile = await ConnectAsync();
        var begin = RawHttp2.Frame(
            RawHttp2.Headers, 0, 1, RawHttp2.CallHeaders(Method, DaemonFixture.SharedKey));
        var more = RawHttp2.Frame(RawHttp2.Continuation, 0, 1, Fields(fields));
        var batch = fields > 0 ? more : [.. Enumerable.Repeat(more, FramesOfBatch).SelectMany(one => one)];
        var reading = hostile.ReadAsync((_, _) => false);

        // Without fields it is the time for headers that ends it, which nothing but the flood itself waits for.
        var flooding = hostile.FloodAsync(
            index => index == 0 ? begin : batch, count: fields > 0 ? 2_000 : int.MaxValue);
        await serve(flooding.WaitAsync(Hang));

        Assert.False(await reading.WaitAsync(Hang));
        Assert.True(fields == 0 || await flooding < 2_000, "Headers of 30 MB were read.");
    });

    [Fact]
    public Task A_call_with_too_many_headers_is_refused_and_the_next_one_is_not() => BesideAnHonestOneAsync(
        async serve =>
        {
            using var hostile = await ConnectAsync();
            byte[] large =
            [
                .. RawHttp2.Frame(
                    RawHttp2.Headers, 0, 1, RawHttp2.CallHeaders(Method, DaemonFixture.SharedKey)),
                .. Enumerable.Repeat(RawHttp2.Frame(RawHttp2.Continuation, 0, 1, Fields(15)), 2)
                    .SelectMany(one => one),
                .. RawHttp2.Frame(RawHttp2.Continuation, RawHttp2.EndHeaders, 1, Fields(15)),
                .. RawHttp2.Frame(RawHttp2.Ping, 0, 0, new byte[8]),
            ];

            await hostile.FloodAsync(_ => large, 1);
            var refusal = hostile.ReadAsync((type, _) => type is RawHttp2.Headers or RawHttp2.Reset);
            await serve(refusal.WaitAsync(Hang));
            var pong = hostile.ReadAsync((type, flags) => (type, flags) == (RawHttp2.Ping, RawHttp2.Acknowledged));

            Assert.True(await refusal);
            Assert.True(hostile.CountOf(RawHttp2.Ping) > 0 || await pong.WaitAsync(Hang));
            Assert.Null(hostile.GoAwayCode);
        });

    private static byte[] Fields(int count) =>
        [.. Enumerable.Range(0, count).SelectMany(index => RawHttp2.Field($"x{index}", new string('a', 1_000)))];

    private async Task<RawHttp2> ConnectAsync()
    {
        var client = new RawHttp2();
        await client.ConnectAsync(daemon.GrpcEndPoint);
        return client;
    }

    /// <summary>Attacks; meanwhile, and afterwards, somebody else is served, and the memory is as before.</summary>
    /// <param name="attack">Gets what serves the other until a part of the attack is over, once at least.</param>
    private async Task BesideAnHonestOneAsync(Func<Func<Task, Task>, Task> attack)
    {
        using var channel = new RpcChannel(
            daemon.GrpcEndPoint.ToString(), new RpcChannelOptions { ApiKey = DaemonFixture.SharedKey });
        await ServeAsync(Task.CompletedTask);
        var before = GC.GetTotalMemory(forceFullCollection: true);

        await attack(ServeAsync);
        var grown = GC.GetTotalMemory(forceFullCollection: true) - before;
        await ServeAsync(Task.CompletedTask);

        Assert.InRange(grown, long.MinValue, GrownBytesMax);

        async Task ServeAsync(Task attacking)
        {
            do
            {
                var count = await channel.UnaryAsync(
                    LedgerMethods.Count, new() { Stream = "t" }, RpcCallOptions.OfStore("orders"), default)
                    .WaitAsync(Hang);
                Assert.Equal(0, count.Count);
            }
            while (!attacking.IsCompleted);

            await attacking;
        }
    }
}
