using System.Buffers.Binary;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Ledger.Rpc;
using Ledger.Rpc.AdminV1;
using Ledger.Rpc.HealthV1;
using Ledger.Rpc.ReflectionV1;
using Ledger.Rpc.Serving;
using Ledger.Rpc.V1;

namespace Ledger.Tests.Rpc;

/// <summary>Messages that were changed at random, and what a server must say to them.</summary>
internal static class MutatedMessages
{
    /// <summary>What the changes begin with.</summary>
    public const int Seed = 20_281;

    /// <summary>What follows something until its caller's time is over.</summary>
    public const string FollowingTime = "5m";

    private const string Streams = "ledger.v1.LedgerService.";
    private const string Admin = "ledger.admin.v1.AdminService.";
    private const string Health = "grpc.health.v1.Health.";

    /// <summary>What a method may say to a message of its type, beside that it is done or has no meaning.</summary>
    private static readonly Dictionary<string, RpcCode[]> More = new(StringComparer.Ordinal)
    {
        [Streams + "Append"] = [RpcCode.Aborted],
        [Streams + "AppendAll"] = [RpcCode.Aborted],
        [Streams + "SetTags"] = [RpcCode.NotFound],
        [Streams + "SetAnnotations"] = [RpcCode.NotFound],
        [Streams + "RenameStream"] = [RpcCode.NotFound, RpcCode.AlreadyExists],
        [Streams + "Search"] = [RpcCode.Unimplemented],
        [Streams + "Consume"] = [RpcCode.Aborted, RpcCode.FailedPrecondition],
        [Admin + "Reload"] = [RpcCode.Unimplemented],
        [Admin + "RetryHook"] = [RpcCode.NotFound],
        [Admin + "DropHook"] = [RpcCode.NotFound],
        [Health + "Check"] = [RpcCode.NotFound],
    };

    /// <summary>Every method that a daemon has.</summary>
    public static IReadOnlyList<MethodDescriptor> Methods { get; } =
    [
        .. new[]
        {
            LedgerReflection.Descriptor, AdminReflection.Descriptor, HealthReflection.Descriptor,
            ReflectionReflection.Descriptor,
        }.SelectMany(file => file.Services).SelectMany(service => service.Methods),
    ];

    /// <summary>Whether the tests of a night are run.</summary>
    public static bool IsNightly => Environment.GetEnvironmentVariable("LEDGER_NIGHTLY") == "1";

    /// <summary>The path of its calls.</summary>
    public static string PathOf(MethodDescriptor method) => $"/{method.Service.FullName}/{method.Name}";

    /// <summary>A body with one message that was changed, and now and then what goes before it too.</summary>
    public static byte[] BodyOf(byte[] whole, int round)
    {
        var random = new Random(Seed + round);
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

    /// <summary>The codes that a call may end with: one, where its bytes alone say which.</summary>
    /// <param name="method">The method.</param>
    /// <param name="body">What was sent.</param>
    /// <param name="messageBytesMax">Bytes of a message at most, where the caller is known.</param>
    public static IReadOnlyCollection<RpcCode> ExpectedOf(MethodDescriptor method, byte[] body, int messageBytesMax)
    {
        var isOpen = method.FullName is Streams + "Health" or Health + "Check" or Health + "Watch";
        var fault = FaultOf(
            method, body, isOpen ? Math.Min(messageBytesMax, RpcServer.OpenMessageBytesMax) : messageBytesMax);
        RpcCode[] late = method.IsServerStreaming ? [RpcCode.DeadlineExceeded] : [];
        RpcCode[] answers = [RpcCode.Ok, RpcCode.InvalidArgument, .. More.GetValueOrDefault(method.FullName) ?? []];
        return fault switch
        {
            null => [.. answers, .. late],

            // The messages before it were answered, and one of them may have been the end.
            { } code when method.IsClientStreaming => [code, .. answers, .. late],
            { } code => [code, .. late],
        };
    }

    /// <summary>What is wrong with a body as such; null for nothing.</summary>
    private static RpcCode? FaultOf(MethodDescriptor method, ReadOnlySpan<byte> rest, int bytesMax)
    {
        var isMany = method.IsClientStreaming;
        for (var messages = 0; !rest.IsEmpty || (messages == 0 && !isMany); messages++)
        {
            if (rest.Length < 5)
            {
                return RpcCode.Internal;
            }

            var length = BinaryPrimitives.ReadUInt32BigEndian(rest[1..]);
            if (length > bytesMax)
            {
                return RpcCode.ResourceExhausted;
            }

            if (length > rest.Length - 5 || rest[0] != 0 || (messages > 0 && !isMany)
                || !IsMessage(method.InputType, rest[5..(5 + (int)length)]))
            {
                return RpcCode.Internal;
            }

            rest = rest[(5 + (int)length)..];
        }

        return null;
    }

    private static bool IsMessage(MessageDescriptor type, ReadOnlySpan<byte> bytes)
    {
        try
        {
            type.Parser.ParseFrom(bytes);
            return true;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }
}
