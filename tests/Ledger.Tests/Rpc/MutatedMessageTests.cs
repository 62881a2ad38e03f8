using Google.Protobuf;
using Ledger.Rpc;
using Ledger.Rpc.AdminV1;
using Ledger.Rpc.V1;
using Ledger.Runtime;
using Ledger.Server.Services;
using Ledger.Server.Wire;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Every method with messages that were changed at random: a status, and no error unforeseen.</summary>
public sealed class MutatedMessageTests
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
        var runtime = LedgerRuntime.CreateSystem();
        await using var catalog = new StoreCatalog(new MemoryDatabase(runtime), runtime);
        var service = new LedgerService(catalog);
        var endpoints = new GrpcEndpoints(
            service, new AdminService(catalog, null, null), _ => new(ServiceFixture.Everybody), _ => new(true),
            surprises);
        await service.AppendAsync(WireFixture.Append("s"), ServiceFixture.Call("mutated"));
        var whole = SampleMessages.Of(method.InputType).ToByteArray();
        var rounds = IsNightly ? 100_000 : 10_000;

        // What follows goes on until its time is over: many at once then take no longer than one.
        var atOnce = method.IsServerStreaming ? 64 : 1;
        await Parallel.ForEachAsync(
            Enumerable.Range(0, rounds), new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (round, _) =>
            {
                var body = Mutate(whole, new Random(Seed + round));
                var exchange = new MemoryExchange(
                    $"/{method.Service.FullName}/{method.Name}", body, "mutated",
                    method.IsServerStreaming ? "5m" : null);

                await endpoints.Server.HandleAsync(exchange, () => new(ServiceFixture.Everybody));

                Assert.True(
                    exchange.Code is { } code && Foreseen.Contains(code) && surprises.Seen is null,
                    $"{name}, round {round} of seed {Seed}: {exchange.Code} {surprises.Seen}");
            });
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
