using System.IO.Pipelines;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Ledger.Rpc;
using Ledger.Rpc.AdminV1;
using Ledger.Rpc.Serving;
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
        var rounds = (isFollowing ? 100 : 1_000) * (IsNightly ? 100 : 1);
        var random = new Random(Seed);
        var whole = Sample(method.InputType, 0).ToByteArray();
        for (var round = 0; round < rounds; round++)
        {
            var body = Mutate(whole, random);
            var exchange = new MemoryExchange($"/{method.Service.FullName}/{method.Name}", body, isFollowing);

            await endpoints.Server.HandleAsync(exchange, () => new(ServiceFixture.Everybody));

            Assert.True(
                exchange.Code is { } code && Foreseen.Contains(code) && surprises.Seen is null,
                $"{name}, round {round} of seed {Seed}: {exchange.Code} {surprises.Seen}");
        }
    }

    /// <summary>A message with something in every field.</summary>
    private static IMessage Sample(MessageDescriptor type, int depth)
    {
        var message = type.Parser.ParseFrom([]);
        foreach (var field in type.Fields.InDeclarationOrder().Where(_ => depth < 4))
        {
            if (field.IsMap)
            {
                ((System.Collections.IDictionary)field.Accessor.GetValue(message))["key"] = "value";
            }
            else if (field.IsRepeated)
            {
                ((System.Collections.IList)field.Accessor.GetValue(message)).Add(Value(field, depth));
            }
            else
            {
                field.Accessor.SetValue(message, Value(field, depth));
            }
        }

        return message;
    }

    private static object Value(FieldDescriptor field, int depth) => field.FieldType switch
    {
        FieldType.String => field.Name is "id" or "before_id" or "after" ? "1" : "s",
        FieldType.Bytes => ByteString.CopyFromUtf8("\"text\""),
        FieldType.Bool => true,
        FieldType.Int32 => 1,
        FieldType.Int64 => 1L,
        FieldType.Enum => 0,
        FieldType.Message => Sample(field.MessageType, depth + 1),
        _ => throw new InvalidOperationException($"There is no sample of {field.FieldType}."),
    };

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

    /// <summary>A request and its response in memory.</summary>
    private sealed class MemoryExchange(string path, byte[] body, bool isFollowing) : RpcExchange
    {
        public RpcCode? Code { get; private set; }

        public override string Verb => "POST";

        public override string Path => path;

        public override IEnumerable<KeyValuePair<string, string>> Headers { get; } =
            [new("x-ledger-store", "mutated")];

        public override Stream Body { get; } = new MemoryStream(body);

        public override PipeWriter Writer { get; } = PipeWriter.Create(Stream.Null);

        public override CancellationToken Aborted => CancellationToken.None;

        public override string? Header(string name) => name switch
        {
            "content-type" => "application/grpc",
            "te" => "trailers",
            "grpc-timeout" when isFollowing => "5m",
            _ => null,
        };

        public override void Answer(int status, string? name = null, string? value = null) =>
            Assert.Equal(200, status);

        public override void AddHeader(string name, string value) => Assert.NotEmpty(value);

        public override ValueTask StartAsync(CancellationToken cancellationToken) => ValueTask.CompletedTask;

        public override void End(IEnumerable<KeyValuePair<string, string>> trailers) =>
            Code = (RpcCode)int.Parse(trailers.First().Value, null);

        public override Task CompleteAsync() => Task.CompletedTask;
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
