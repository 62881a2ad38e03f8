using Google.Protobuf.WellKnownTypes;
using Ledger.Streams;
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

    /// <summary>How a consumer stands, from a message of a server.</summary>
    public static ConsumerInfo ToInfo(Wire.Consumer message) => new(
        message.Name, message.Epoch, WireEntries.ToPosition(message.Position), WireEntries.ToPosition(message.Read),
        message.Pending, WireEntries.ToTime(message.LeaseUntil),
        [.. message.Parked.Select(parked => new ParkedEntry(
            WireEntries.ToPosition(parked.Position), EntryId.Parse(parked.Id), parked.Stream, parked.Attempts,
            parked.Error, WireEntries.ToTime(parked.ParkedAt) ?? default))]);

    /// <summary>How a consumer is to work, as a message that takes its lease.</summary>
    public static Wire.ConsumeAcquire Of(string name, ConsumerOptions options) => new()
    {
        Name = name,
        LeaseMs = Math.Max(1, (long)options.LeaseDuration.TotalMilliseconds),
        Window = options.Window,
        AttemptsMax = options.AttemptsMax,
        RetryMinMs = (long)options.RetryDelayMin.TotalMilliseconds,
        RetryMaxMs = (long)options.RetryDelayMax.TotalMilliseconds,
        StartAfter = options.StartAfter.Value,
        Filter = WireEntries.Of(options.Filter),
    };

    /// <summary>A duration from a message.</summary>
    /// <exception cref="ArgumentException">It is negative, or more than a day.</exception>
    public static TimeSpan ToDuration(long ms) => ms is >= 0 and <= 86_400_000
        ? TimeSpan.FromMilliseconds(ms)
        : throw new ArgumentException($"A duration is 0 to 86400000 milliseconds, not {ms}.");

    /// <summary>An error as a message within a call that goes on.</summary>
    public static Wire.ConsumeError Of(RpcException error) =>
        new() { Code = (int)error.Code, Message = error.Message, Detail = error.Detail };

    /// <summary>An error from a message of a server.</summary>
    public static RpcException ToError(Wire.ConsumeError message) =>
        new((RpcCode)message.Code, message.Message, message.Detail);
}
