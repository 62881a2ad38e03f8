using Google.Protobuf;
using Ledger.Rpc.Serving;
using Ledger.Runtime;
using Ledger.Server.Services;
using Ledger.Server.Wire;
using Microsoft.Extensions.Logging;
using Xunit;

namespace Ledger.Tests.Rpc;

/// <summary>Every method with messages changed at random: the right status, and no error unforeseen.</summary>
public sealed class MutatedMessageTests
{
    public static TheoryData<string> Methods => [.. MutatedMessages.Methods.Select(method => method.FullName)];

    [Theory]
    [MemberData(nameof(Methods))]
    public async Task Changed_messages_are_answered_and_surprise_nobody(string name)
    {
        var method = MutatedMessages.Methods.Single(one => one.FullName == name);
        var surprises = new Surprises();
        var runtime = LedgerRuntime.CreateSystem();
        await using var catalog = new StoreCatalog(new MemoryDatabase(runtime), runtime);
        var service = new LedgerService(catalog);
        var endpoints = new GrpcEndpoints(
            service, new AdminService(catalog, null, null), _ => new(ServiceFixture.Everybody), _ => new(true),
            surprises);
        await service.AppendAsync(WireFixture.Append("s"), ServiceFixture.Call("mutated"));
        var whole = SampleMessages.Of(method.InputType).ToByteArray();
        var rounds = MutatedMessages.IsNightly ? 100_000 : 10_000;

        // What follows goes on until its time is over: many at once then take no longer than one.
        var atOnce = method.IsServerStreaming ? 64 : 1;
        await Parallel.ForEachAsync(
            Enumerable.Range(0, rounds), new ParallelOptions { MaxDegreeOfParallelism = atOnce }, async (round, _) =>
            {
                var body = MutatedMessages.BodyOf(whole, round);
                var exchange = new MemoryExchange(
                    MutatedMessages.PathOf(method), body, "mutated",
                    method.IsServerStreaming ? MutatedMessages.FollowingTime : null);

                await endpoints.Server.HandleAsync(exchange, () => new(ServiceFixture.Everybody));

                var expected = MutatedMessages.ExpectedOf(method, body, RpcServer.MessageBytesMaxDefault);
                Assert.True(
                    exchange.Code is { } code && expected.Contains(code) && surprises.Seen is null,
                    $"{name}, round {round} of seed {MutatedMessages.Seed}: {exchange.Said}, not "
                    + $"{string.Join(" or ", expected)} {surprises.Seen}");
            });
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
