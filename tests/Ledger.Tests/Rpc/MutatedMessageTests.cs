using Google.Protobuf;
using Ledger.Rpc;
using Ledger.Rpc.AdminV1;
using Ledger.Rpc.V1;
using Ledger.Server.Services;
using Ledger.Server.Wire;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Every method with messages that were changed at random: a status, and no error unforeseen.</summary>
public sealed class MutatedMessageTests(ServiceFixture fixture) : IClassFixture<ServiceFixture>
{
    private const int Seed = 20_281;

    private static readonly RpcCode[] Foreseen =
    [
        RpcCode.Ok, RpcCode.InvalidArgument, RpcCode.NotFound, RpcCode.AlreadyExists, RpcCode.Aborted,
        RpcCode.Unimplemented, RpcCode.ResourceExhausted, RpcCode.FailedPrecondition, RpcCode.Internal,
        RpcCode.DeadlineExceeded,
    ];

    private static bool IsNightly => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1";

    public static TheoryData<string> Methods =>
    [
        .. LedgerReflection.Descriptor.Services.Concat(AdminReflection.Descriptor.Services)
            .SelectMany(service => service.Methods).Select(method => method.FullName),
    ];

    [Theory]
    [MemberData(nameof(Methods))]
    public async Task Changed_messages_are_answered_and_surprise_nobody(string name)
    {
        var method = LedgerReflection.Descriptor.Services.Concat(AdminReflection.Descriptor.Services)
            .SelectMany(service => service.Methods).Single(one => one.FullName == name);
        var surprises = new Surprises();
        var endpoints = new GrpcEndpoints(
            fixture.Service, new AdminService(fixture.Catalog, null, null), _ => new(ServiceFixture.Everybody),
            _ => new(true), surprises);
        await fixture.Service.AppendAsync(WireFixture.Append("s"), ServiceFixture.Call("mutated"));
        var isFollowing = method.IsServerStreaming;
        var rounds = IsNightly ? 100_000 : isFollowing ? 100 : 1_000;
        var random = new Random(Seed);
        var whole = SampleMessages.Of(method.InputType).ToByteArray();
        for (var round = 0; round < rounds; round++)
        {
            var body = Mutate(whole, random);
            var exchange = new MemoryExchange(
                $"/{method.Service.FullName}/{method.Name}", body, "mutated", isFollowing ? "5m" : null);

            await endpoints.Server.HandleAsync(exchange, () => new(ServiceFixture.Everybody));

            Assert.True(
                exchange.Code is { } code && Foreseen.Contains(code) && surprises.Seen is null,
                $"{name}, round {round} of seed {Seed}: {exchange.Code} {surprises.Seen}");
        }
    }

    private static byte[] Mutate(byte[] whole, Random random)
    {
        var body = whole.ToList();
        for (var change = random.Next(4); change >= 0; change--)
        {
            var at = random.Next(body.Count + 1);
            switch (random.Next(5))
            {
                case 0 when at < body.Count:
                    body[at] = (byte)random.Next(256);
                    break;
                case 1 when at < body.Count:
                    body[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    body.InsertRange(at, whole.Take(random.Next(8)));
                    break;
                case 3 when at < body.Count:
                    body.RemoveRange(at, Math.Min(random.Next(8), body.Count - at));
                    break;
                default:
                    body.Insert(at, (byte)random.Next(256));
                    break;
            }
        }

        byte[] frame = [0, 0, 0, (byte)(body.Count >> 8), (byte)body.Count, .. body];
        if (random.Next(10) == 0)
        {
            frame[random.Next(5)] = (byte)random.Next(256);
        }

        return frame;
    }

    /// <summary>Notes what the server says only to its log.</summary>
    private sealed class Surprises : ILogger
    {
        public Exception? Seen { get; private set; }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter) => Seen = exception;
    }
}
