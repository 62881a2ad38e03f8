using Google.Protobuf.WellKnownTypes;
using Ledger.Streams.Consumers;
using Wire = Ledger.Rpc.V1;

namespace Ledger.Rpc;

/// <summary>Consumers, as messages and as what stores give.</summary>
internal static class WireConsumers
{
    /// <summary>How a consumer stands, as a message.</summary>
    public static Wire.Consumer Of(ConsumerInfo info)
    {
        var message = new Wire.Consumer
        {
            Name = info.Name,
            Epoch = info.Epoch,
            Position = info.Position.Value,
            Read = info.Read.Value,
            Pending = info.Pending,
            LeaseUntil = WireEntries.OfTime(info.LeaseUntil),
        };
        message.Parked.AddRange(info.Parked.Select(parked => new Wire.Parked
        {
            Position = parked.Position.Value,
            Id = parked.Id.ToString(),
            Stream = parked.Stream,
            Attempts = parked.Attempts,
            Error = parked.Error,
            ParkedAt = Timestamp.FromDateTimeOffset(parked.ParkedAt),
        }));
        return message;
    }

    /// <summary>A duration from a message.</summary>
    /// <exception cref="ArgumentException">It is negative, or more than a day.</exception>
    public static TimeSpan ToDuration(long ms) => ms is >= 0 and <= 86_400_000
        ? TimeSpan.FromMilliseconds(ms)
        : throw new ArgumentException($"A duration is 0 to 86400000 milliseconds, not {ms}.");

    /// <summary>An error as a message within a call that goes on.</summary>
    public static Wire.ConsumeError Of(RpcException error) =>
        new() { Code = (int)error.Code, Message = error.Message, Detail = error.Detail };
}
